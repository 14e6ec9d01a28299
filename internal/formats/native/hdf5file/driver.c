//go:build native

#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "_cgo_export.h"

#define MAX_ADDRESS ((haddr_t)(((uint64_t)1 << 63) - 1))

// TZ_OLD says that the library is older than HDF5 2, and is shown what it
// knows of newer files.
#define TZ_OLD (H5_VERS_MAJOR < 2)

typedef struct {
	H5FD_t base;
	int fd;
	haddr_t eoa;
	dev_t device;
	ino_t inode;
	uintptr_t handle;
	int beyond;   // indexes are shown beyond the file's end
	haddr_t next; // what follows the metadata read last
} tz_file;

static tz_counts counts;

void tz_reset(void) { memset(&counts, 0, sizeof counts); }
tz_counts tz_counted(void) { return counts; }

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *get_info(H5FD_t *f) {
	uintptr_t *h = malloc(sizeof *h);
	if (h) *h = ((tz_file *)f)->handle;
	return h;
}

static void *copy_info(const void *info) {
	uintptr_t *h = malloc(sizeof *h);
	if (h) *h = *(const uintptr_t *)info;
	return h;
}

static herr_t free_info(void *info) {
	free(info);
	return 0;
}

static H5FD_t *open_file(const char *name, unsigned flags, hid_t fapl, haddr_t max) {
	(void)max;
	if (flags & (H5F_ACC_RDWR | H5F_ACC_TRUNC | H5F_ACC_CREAT | H5F_ACC_EXCL)) return NULL;
	const uintptr_t *handle = H5Pget_driver_info(fapl);
	if (!handle) return NULL;
	int64_t start = now();
	int fd = terrazzoOpen(*handle, (char *)name);
	counts.wait_ns += now() - start;
	if (fd < 0) return NULL;
	counts.opens++;
	struct stat st;
	tz_file *f = calloc(1, sizeof *f);
	if (!f || fstat(fd, &st) < 0) {
		free(f);
		terrazzoClosed(*handle, fd);
		close(fd);
		return NULL;
	}
	f->fd = fd;
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->handle = *handle;
	return &f->base;
}

static herr_t close_file(H5FD_t *base) {
	tz_file *f = (tz_file *)base;
	terrazzoClosed(f->handle, f->fd);
	close(f->fd);
	free(f);
	return 0;
}

static int compare(const H5FD_t *a, const H5FD_t *b) {
	const tz_file *x = (const tz_file *)a, *y = (const tz_file *)b;
	if (x->device != y->device) return x->device < y->device ? -1 : 1;
	if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
	return 0;
}

static herr_t query(const H5FD_t *f, unsigned long *flags) {
	(void)f;
	*flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_SUPPORTS_SWMR_IO;
#if !TZ_OLD
	*flags |= H5FD_FEAT_ACCUMULATE_METADATA; // what is translated has to be read from its beginning
#endif
#ifdef H5FD_FEAT_DEFAULT_VFD_COMPATIBLE
	*flags |= H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
#endif
	return 0;
}

static haddr_t get_eoa(const H5FD_t *f, H5FD_mem_t type) {
	(void)type;
	return ((const tz_file *)f)->beyond ? MAX_ADDRESS : ((const tz_file *)f)->eoa;
}

static herr_t set_eoa(H5FD_t *f, H5FD_mem_t type, haddr_t addr) {
	(void)type;
	((tz_file *)f)->eoa = addr;
	return 0;
}

static haddr_t get_eof(const H5FD_t *f, H5FD_mem_t type) {
	(void)type;
	struct stat st;
	if (fstat(((const tz_file *)f)->fd, &st) < 0) return HADDR_UNDEF;
	return (haddr_t)st.st_size;
}

static herr_t get_handle(H5FD_t *f, hid_t fapl, void **handle) {
	(void)fapl;
	*handle = &((tz_file *)f)->fd;
	return 0;
}

static herr_t read_bytes(tz_file *f, haddr_t addr, size_t size, char *p) {
	int64_t start = now();
	herr_t result = 0;
	if ((off_t)addr < 0 || (off_t)(addr + size) < 0) return -1;
	while (size > 0) {
		size_t want = size > 1u << 30 ? 1u << 30 : size;
		ssize_t n = pread(f->fd, p, want, (off_t)addr);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) {
			counts.failed = errno;
			result = -1;
			break;
		}
		if (n == 0) { // beyond the end there are zeros
			memset(p, 0, size);
			break;
		}
		counts.bytes += n;
		p += n;
		addr += (haddr_t)n;
		size -= (size_t)n;
	}
	counts.wait_ns += now() - start;
	return result;
}

static herr_t read_file(H5FD_t *base, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, void *to) {
	(void)dxpl;
	tz_file *f = (tz_file *)base;
#if TZ_OLD
	if (f->beyond && addr >= (haddr_t)1 << 61) {
		terrazzoShow(f->handle, f->fd, addr, to, size);
		return 0;
	}
#endif
	herr_t result = read_bytes(f, addr, size, to);
#if TZ_OLD
	if (result < 0 || type == H5FD_MEM_DRAW || size == 0) return result;
	const char first = *(const char *)to;
	if ((first == 'O' || first == 'F' || addr == f->next) && terrazzoPatch(f->handle, f->fd, addr, to, size)) f->beyond = 1;
	f->next = addr + size;
#endif
	return result;
}

static herr_t write_file(H5FD_t *f, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, const void *from) {
	(void)f, (void)type, (void)dxpl, (void)addr, (void)size, (void)from;
	return -1;
}

// Nothing is ever locked: a lock of ours would stop an instrument's writer.
static herr_t lock_file(H5FD_t *f, hbool_t rw) {
	(void)f, (void)rw;
	return 0;
}

static herr_t unlock_file(H5FD_t *f) {
	(void)f;
	return 0;
}

static const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 2)
	.version = H5FD_CLASS_VERSION,
#endif
#if H5_VERSION_GE(1, 13, 0)
	.value = (H5FD_class_value_t)601,
#endif
	.name = "terrazzo",
	.maxaddr = MAX_ADDRESS,
	.fc_degree = H5F_CLOSE_WEAK,
	.fapl_size = sizeof(uintptr_t),
	.fapl_get = get_info,
	.fapl_copy = copy_info,
	.fapl_free = free_info,
	.open = open_file,
	.close = close_file,
	.cmp = compare,
	.query = query,
	.get_eoa = get_eoa,
	.set_eoa = set_eoa,
	.get_eof = get_eof,
	.get_handle = get_handle,
	.read = read_file,
	.write = write_file,
	.lock = lock_file,
	.unlock = unlock_file,
	.fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t tz_start(void) {
	if (H5open() < 0) return -1;
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	H5PLset_loading_state(0);
	return H5FDregister(&driver);
}

hid_t tz_fapl(hid_t id, uintptr_t handle) {
	hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
	if (fapl < 0) return -1;
	if (H5Pset_driver(fapl, id, &handle) < 0) {
		H5Pclose(fapl);
		return -1;
	}
	return fapl;
}

typedef struct {
	char *text;
	size_t size;
} explanation;

static herr_t explain(unsigned n, const H5E_error2_t *e, void *data) {
	explanation *x = data;
	(void)n;
	if (e->desc) snprintf(x->text, x->size, "%s", e->desc);
	return 0;
}

void tz_explain(char *text, size_t size) {
	explanation x = {text, size};
	text[0] = 0;
	// From the outside in: what is written last is the cause.
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, explain, &x);
	H5Eclear2(H5E_DEFAULT);
}

typedef struct {
	char *b;
	size_t n, room;
	int64_t count;
	int kinds;
} names;

static int add(names *s, const char *text, size_t n) {
	if (s->n + n > ((size_t)1 << 28)) return -1;
	if (s->n + n > s->room) {
		size_t room = 2 * (s->n + n) + 256;
		char *b = realloc(s->b, room);
		if (!b) return -1;
		s->b = b;
		s->room = room;
	}
	memcpy(s->b + s->n, text, n);
	s->n += n;
	return 0;
}

static herr_t each_link(hid_t group, const char *name, const H5L_info_t *info, void *data) {
	names *s = data;
	char kind = 'u';
	if (info->type == H5L_TYPE_SOFT) kind = 's';
	if (info->type == H5L_TYPE_EXTERNAL) kind = 'e';
	if (info->type == H5L_TYPE_HARD) {
		kind = 'h';
		H5O_info_t o;
		if (s->kinds) {
			if (H5Oget_info_by_name2(group, name, &o, H5O_INFO_BASIC, H5P_DEFAULT) < 0) H5Eclear2(H5E_DEFAULT);
			else if (o.type == H5O_TYPE_NAMED_DATATYPE) kind = 't';
		}
	}
	s->count++;
	return add(s, &kind, 1) < 0 || add(s, name, strlen(name) + 1) < 0 ? -1 : 0;
}

int64_t tz_members(hid_t group, int by_creation, int kinds, char **out, size_t *size) {
	names s = {0};
	s.kinds = kinds;
	hsize_t at = 0;
	herr_t err = H5Literate(group, by_creation ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME, H5_ITER_INC, &at, each_link, &s);
	if (err < 0) {
		free(s.b);
		return -1;
	}
	*out = s.b;
	*size = s.n;
	return s.count;
}

static herr_t each_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data) {
	(void)object, (void)info;
	names *s = data;
	s->count++;
	return add(s, name, strlen(name) + 1) < 0 ? -1 : 0;
}

int64_t tz_attributes(hid_t object, char **out, size_t *size) {
	names s = {0};
	hsize_t at = 0;
	if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &at, each_attribute, &s) < 0) {
		free(s.b);
		return -1;
	}
	*out = s.b;
	*size = s.n;
	return s.count;
}

hid_t tz_native_int(int size, int sign, int big) {
	hid_t t = -1;
	switch (size) {
	case 1: t = sign ? H5T_STD_I8LE : H5T_STD_U8LE; break;
	case 2: t = sign ? (big ? H5T_STD_I16BE : H5T_STD_I16LE) : (big ? H5T_STD_U16BE : H5T_STD_U16LE); break;
	case 4: t = sign ? (big ? H5T_STD_I32BE : H5T_STD_I32LE) : (big ? H5T_STD_U32BE : H5T_STD_U32LE); break;
	case 8: t = sign ? (big ? H5T_STD_I64BE : H5T_STD_I64LE) : (big ? H5T_STD_U64BE : H5T_STD_U64LE); break;
	}
	return t < 0 ? -1 : H5Tcopy(t);
}

hid_t tz_native_float(int size, int big) {
	if (size == 4) return H5Tcopy(big ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
	if (size == 8) return H5Tcopy(big ? H5T_IEEE_F64BE : H5T_IEEE_F64LE);
	if (size == 16 && !big && sizeof(long double) == 16) return H5Tcopy(H5T_NATIVE_LDOUBLE);
	return -1;
}

hid_t tz_bool(void) {
	hid_t t = H5Tenum_create(H5T_STD_I8LE);
	int8_t no = 0, yes = 1;
	if (t >= 0 && (H5Tenum_insert(t, "FALSE", &no) < 0 || H5Tenum_insert(t, "TRUE", &yes) < 0)) {
		H5Tclose(t);
		return -1;
	}
	return t;
}

int tz_is_long_double(hid_t type) { return H5Tequal(type, H5T_NATIVE_LDOUBLE) > 0; }

int tz_is_ieee(hid_t type, int size) {
	size_t sign, epos, esize, mpos, msize;
	if (H5Tget_fields(type, &sign, &epos, &esize, &mpos, &msize) < 0 || mpos != 0 || H5Tget_offset(type) != 0) return 0;
	size_t bits = 8 * (size_t)size;
	if (H5Tget_precision(type) != bits || sign != bits - 1 || epos != msize || H5Tget_norm(type) != H5T_NORM_IMPLIED) return 0;
	size_t want = size == 2 ? 5 : size == 4 ? 8 : 11, bias = ((size_t)1 << (want - 1)) - 1;
	return esize == want && H5Tget_ebias(type) == bias && (size == 2 || size == 4 || size == 8);
}

int64_t tz_chunk_size(hid_t set, const hsize_t *offset) {
	hsize_t n = 0;
	if (H5Dget_chunk_storage_size(set, offset, &n) < 0) {
		H5Eclear2(H5E_DEFAULT);
		return -1;
	}
	return (int64_t)n;
}

int tz_chunk_read(hid_t set, const hsize_t *offset, uint32_t *mask, void *to) {
	return H5Dread_chunk(set, H5P_DEFAULT, offset, mask, to) < 0 ? -1 : 0;
}

int tz_object_info(hid_t object, int *kind, uint64_t *addr) {
	H5O_info_t o;
	if (H5Oget_info2(object, &o, H5O_INFO_BASIC) < 0) return -1;
	*kind = o.type == H5O_TYPE_GROUP ? 'g' : o.type == H5O_TYPE_DATASET ? 'd' : 't';
	*addr = o.addr;
	return 0;
}

hid_t tz_open_address(hid_t file, uint64_t addr) { return H5Oopen_by_addr(file, addr); }

static herr_t each_object(hid_t file, const char *name, const H5O_info_t *info, void *data) {
	(void)file;
	names *s = data;
	uint64_t addr = info->addr;
	s->count++;
	return add(s, (const char *)&addr, sizeof addr) < 0 || add(s, name, strlen(name) + 1) < 0 ? -1 : 0;
}

int64_t tz_paths(hid_t file, char **out, size_t *size) {
	names s = {0};
	if (H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, each_object, &s, H5O_INFO_BASIC) < 0) {
		free(s.b);
		return -1;
	}
	*out = s.b;
	*size = s.n;
	return s.count;
}

int tz_region_address(hid_t file, const void *ref, uint64_t *addr) {
	hid_t o = H5Rdereference2(file, H5P_DEFAULT, H5R_DATASET_REGION, ref);
	int kind;
	if (o < 0) return -1;
	int result = tz_object_info(o, &kind, addr);
	H5Oclose(o);
	return result;
}

void tz_close(hid_t file) {
	hid_t open[64];
	ssize_t n = 1;
	while (n > 0) {
		n = H5Fget_obj_ids(file, (H5F_OBJ_ALL & ~H5F_OBJ_FILE) | H5F_OBJ_LOCAL, 64, open);
		for (ssize_t i = 0; i < n && i < 64; i++) {
			herr_t err = H5Iget_type(open[i]) == H5I_ATTR ? H5Aclose(open[i]) : H5Oclose(open[i]);
			if (err < 0) n = 0;
		}
	}
	H5Fclose(file);
	H5Eclear2(H5E_DEFAULT);
}

int tz_creation_order(hid_t group) {
	hid_t plist = H5Gget_create_plist(group);
	unsigned flags = 0;
	if (plist < 0) {
		H5Eclear2(H5E_DEFAULT);
		return 0;
	}
	if (H5Pget_link_creation_order(plist, &flags) < 0) H5Eclear2(H5E_DEFAULT);
	H5Pclose(plist);
	return (flags & H5P_CRT_ORDER_TRACKED) != 0;
}

hid_t tz_ref_type(int region) { return region ? H5T_STD_REF_DSETREG : H5T_STD_REF_OBJ; }
