#ifndef TERRAZZO_FILTERS_H
#define TERRAZZO_FILTERS_H

#include <stddef.h>
#include <stdint.h>

// Each writes at most room bytes and returns how many, or -1.
int64_t tz_inflate(const void *in, size_t n, void *out, size_t room);
int64_t tz_blosc(const void *in, size_t n, void *out, size_t room);
// The reverse of HDF5's shuffle filter: n bytes of elements of the given size.
void tz_unshuffle(uint8_t *out, const uint8_t *in, size_t n, size_t element);
// The reverse of bitshuffle for one block of elements, a multiple of 8. The
// scratch is as large as the block.
void tz_unbitshuffle(uint8_t *out, uint8_t *in, uint8_t *scratch, size_t elements, size_t element);
// HDF5's checksum of n bytes.
uint32_t tz_fletcher32(const uint8_t *in, size_t n);
// tz_register tells the library of the filters that it lacks and we have.
int tz_register(void);

#endif
