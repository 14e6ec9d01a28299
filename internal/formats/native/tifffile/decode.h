#ifndef TERRAZZO_TIFF_DECODE_H
#define TERRAZZO_TIFF_DECODE_H

#include <stdint.h>

/* Decodes the only strip of a TIFF file in memory into out. Returns how many
 * bytes it has, or -1 with a message. rgb: JPEG pictures give red, green and
 * blue. */
int64_t terrazzo_tiff_decode(const uint8_t *file, uint64_t size, uint8_t *out,
                             uint64_t length, int rgb, char *message,
                             uint64_t room);

/* The library's version. */
const char *terrazzo_tiff_version(void);

/* Whether the library can decode a compression. */
int terrazzo_tiff_knows(int compression);

#endif
