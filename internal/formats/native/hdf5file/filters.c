//go:build native

#include "filters.h"

#include <blosc.h>
#include <hdf5.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

int64_t tz_inflate(const void *in, size_t n, void *out, size_t room) {
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	if (!d) return -1;
	size_t actual = 0;
	enum libdeflate_result r = libdeflate_zlib_decompress(d, in, n, out, room, &actual);
	libdeflate_free_decompressor(d);
	return r == LIBDEFLATE_SUCCESS ? (int64_t)actual : -1;
}

int64_t tz_blosc(const void *in, size_t n, void *out, size_t room) {
	size_t size = 0;
	if (blosc_cbuffer_validate(in, n, &size) < 0 || size > room) return -1;
	return blosc_decompress_ctx(in, out, room, 1);
}

static void planes2(uint8_t *restrict out, const uint8_t *restrict in, size_t n) {
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = in[i];
		out[2 * i + 1] = in[n + i];
	}
}

static void planes4(uint8_t *restrict out, const uint8_t *restrict in, size_t n) {
	for (size_t i = 0; i < n; i++) {
		uint32_t v = in[i] | (uint32_t)in[n + i] << 8 | (uint32_t)in[2 * n + i] << 16 | (uint32_t)in[3 * n + i] << 24;
		memcpy(out + 4 * i, &v, 4);
	}
}

static void planes8(uint8_t *restrict out, const uint8_t *restrict in, size_t n) {
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 0;
		for (int k = 0; k < 8; k++) v |= (uint64_t)in[k * n + i] << (8 * k);
		memcpy(out + 8 * i, &v, 8);
	}
}

void tz_unshuffle(uint8_t *out, const uint8_t *in, size_t size, size_t element) {
	size_t n = element ? size / element : 0;
	switch (element) {
	case 2: planes2(out, in, n); break;
	case 4: planes4(out, in, n); break;
	case 8: planes8(out, in, n); break;
	default:
		for (size_t k = 0; k < element; k++)
			for (size_t i = 0; i < n; i++) out[i * element + k] = in[k * n + i];
	}
	memcpy(out + n * element, in + n * element, size - n * element);
}

// transpose turns an 8 by 8 matrix of bits, one row a byte.
static uint64_t transpose(uint64_t x) {
	uint64_t t;
	t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAull;
	x = x ^ t ^ (t << 7);
	t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCull;
	x = x ^ t ^ (t << 14);
	t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ull;
	return x ^ t ^ (t << 28);
}

// Eight bytes of each of the eight rows of bits at a time: their bytes are
// transposed first, then the bits of each group of eight.
static void plane(uint8_t *restrict out, const uint8_t *restrict in, size_t row) {
	size_t i = 0;
	for (; i + 8 <= row; i += 8) {
		uint64_t r[8], t[8];
		for (int b = 0; b < 8; b++) memcpy(&r[b], in + b * row + i, 8);
		for (int j = 0; j < 8; j++) {
			t[j] = 0;
			for (int b = 0; b < 8; b++) t[j] |= ((r[b] >> (8 * j)) & 0xff) << (8 * b);
		}
		for (int j = 0; j < 8; j++) t[j] = transpose(t[j]);
		memcpy(out + 8 * i, t, 64);
	}
	for (; i < row; i++) {
		uint64_t bits = 0;
		for (int b = 0; b < 8; b++) bits |= (uint64_t)in[b * row + i] << (8 * b);
		bits = transpose(bits);
		memcpy(out + 8 * i, &bits, 8);
	}
}

void tz_unbitshuffle(uint8_t *out, uint8_t *in, uint8_t *scratch, size_t elements, size_t element) {
	size_t row = elements / 8;
	uint8_t *planes = element == 1 ? out : scratch;
	for (size_t k = 0; k < element; k++) plane(planes + k * elements, in + 8 * k * row, row);
	if (element > 1) tz_unshuffle(out, planes, elements * element, element);
}

uint32_t tz_fletcher32(const uint8_t *p, size_t size) {
	uint32_t a = 0, b = 0;
	size_t n = size / 2;
	while (n) {
		size_t part = n > 360 ? 360 : n;
		n -= part;
		while (part--) {
			a += (uint32_t)p[0] << 8 | p[1];
			b += a;
			p += 2;
		}
		a = (a & 0xffff) + (a >> 16);
		b = (b & 0xffff) + (b >> 16);
	}
	if (size % 2) {
		a += (uint32_t)*p << 8;
		b += a;
		a = (a & 0xffff) + (a >> 16);
		b = (b & 0xffff) + (b >> 16);
	}
	a = (a & 0xffff) + (a >> 16);
	b = (b & 0xffff) + (b >> 16);
	return b << 16 | a;
}

static size_t run(int id, unsigned flags, size_t n, const unsigned values[], size_t size, size_t *room, void **data) {
	if (!(flags & H5Z_FLAG_REVERSE)) return 0;
	void *out = NULL;
	size_t length = terrazzoFilter(id, n, (unsigned *)values, *data, size, *room, &out);
	if (!length) return 0;
	free(*data);
	*data = out;
	*room = length;
	return length;
}

static size_t run_bzip2(unsigned f, size_t n, const unsigned v[], size_t s, size_t *r, void **d) { return run(307, f, n, v, s, r, d); }
static size_t run_lzf(unsigned f, size_t n, const unsigned v[], size_t s, size_t *r, void **d) { return run(32000, f, n, v, s, r, d); }
static size_t run_blosc(unsigned f, size_t n, const unsigned v[], size_t s, size_t *r, void **d) { return run(32001, f, n, v, s, r, d); }
static size_t run_lz4(unsigned f, size_t n, const unsigned v[], size_t s, size_t *r, void **d) { return run(32004, f, n, v, s, r, d); }
static size_t run_bits(unsigned f, size_t n, const unsigned v[], size_t s, size_t *r, void **d) { return run(32008, f, n, v, s, r, d); }
static size_t run_zstd(unsigned f, size_t n, const unsigned v[], size_t s, size_t *r, void **d) { return run(32015, f, n, v, s, r, d); }

int tz_register(void) {
	const H5Z_class2_t all[] = {
		{H5Z_CLASS_T_VERS, 307, 0, 1, "bzip2", NULL, NULL, run_bzip2},
		{H5Z_CLASS_T_VERS, 32000, 0, 1, "lzf", NULL, NULL, run_lzf},
		{H5Z_CLASS_T_VERS, 32001, 0, 1, "blosc", NULL, NULL, run_blosc},
		{H5Z_CLASS_T_VERS, 32004, 0, 1, "lz4", NULL, NULL, run_lz4},
		{H5Z_CLASS_T_VERS, 32008, 0, 1, "bitshuffle", NULL, NULL, run_bits},
		{H5Z_CLASS_T_VERS, 32015, 0, 1, "zstd", NULL, NULL, run_zstd},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (H5Zregister(&all[i]) < 0) return -1;
	return 0;
}
