#ifndef TERRAZZO_DRIVER_H
#define TERRAZZO_DRIVER_H

#include <stddef.h>
#include <stdint.h>
#include <hdf5.h>

// What the driver has done since tz_reset, for the one thread that uses it.
typedef struct {
	int64_t wait_ns, bytes, opens;
	int failed; // errno of the last read that failed, or 0
} tz_counts;

void tz_reset(void);
tz_counts tz_counted(void);

// tz_start prepares the library for this thread, and returns the driver's id.
hid_t tz_start(void);
// tz_fapl makes properties for opening files under the given handle.
hid_t tz_fapl(hid_t driver, uintptr_t handle);

// tz_explain writes what the library said about its last failure.
void tz_explain(char *text, size_t size);

// tz_members lists the links of a group: for each a byte that tells its kind
// ('h', 's', 'e', 'u', or 't' for a named data type), its name and a NUL.
// The caller frees *names. It returns how many there are, or -1.
int64_t tz_members(hid_t group, int by_creation, int kinds, char **names, size_t *size);
// tz_attributes lists names of attributes, each ended by a NUL.
int64_t tz_attributes(hid_t object, char **names, size_t *size);

// Calls whose types or macros are awkward in Go.
hid_t tz_native_int(int size, int sign, int big);
hid_t tz_native_float(int size, int big);
// tz_bool makes h5py's type of truth values, of one byte each.
hid_t tz_bool(void);
int tz_is_long_double(hid_t type);
int tz_is_ieee(hid_t type, int size);
int64_t tz_chunk_size(hid_t set, const hsize_t *offset);
int tz_chunk_read(hid_t set, const hsize_t *offset, uint32_t *mask, void *to);
int tz_object_info(hid_t object, int *kind, uint64_t *addr);
hid_t tz_open_address(hid_t file, uint64_t addr);
// tz_paths lists all objects of a file: for each 8 bytes of address, its path
// and a NUL.
int64_t tz_paths(hid_t file, char **paths, size_t *size);
// tz_region_address is where the data set lies that a region reference is of.
int tz_region_address(hid_t file, const void *ref, uint64_t *addr);
// tz_close closes a file and whatever is open in it.
void tz_close(hid_t file);
int tz_creation_order(hid_t group);
hid_t tz_ref_type(int region);

#endif
