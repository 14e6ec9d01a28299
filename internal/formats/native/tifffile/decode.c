//go:build native

#include "decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

struct memory {
  const uint8_t *bytes;
  uint64_t size, at;
  char *message;
  uint64_t room;
};

static tmsize_t read_memory(thandle_t h, void *to, tmsize_t n) {
  struct memory *m = h;
  if (n < 0 || m->at >= m->size) return 0;
  uint64_t left = m->size - m->at;
  if ((uint64_t)n > left) n = (tmsize_t)left;
  memcpy(to, m->bytes + m->at, (size_t)n);
  m->at += (uint64_t)n;
  return n;
}

static tmsize_t write_nothing(thandle_t h, void *from, tmsize_t n) {
  (void)h;
  (void)from;
  (void)n;
  return 0;
}

static toff_t seek_memory(thandle_t h, toff_t to, int whence) {
  struct memory *m = h;
  if (whence == SEEK_CUR) to += m->at;
  if (whence == SEEK_END) to += m->size;
  m->at = to;
  return to;
}

static int close_nothing(thandle_t h) {
  (void)h;
  return 0;
}

static toff_t size_of(thandle_t h) { return ((struct memory *)h)->size; }

static int note(TIFF *tif, void *data, const char *module, const char *format,
                va_list args) {
  struct memory *m = data;
  (void)tif;
  (void)module;
  if (m->room > 0 && m->message[0] == 0)
    vsnprintf(m->message, (size_t)m->room, format, args);
  return 1;
}

static int ignore(TIFF *tif, void *data, const char *module,
                  const char *format, va_list args) {
  (void)tif;
  (void)data;
  (void)module;
  (void)format;
  (void)args;
  return 1;
}

int64_t terrazzo_tiff_decode(const uint8_t *file, uint64_t size, uint8_t *out,
                             uint64_t length, int rgb, char *message,
                             uint64_t room) {
  struct memory m = {file, size, 0, message, room};
  if (room > 0) message[0] = 0;
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options) return -1;
  TIFFOpenOptionsSetErrorHandlerExtR(options, note, &m);
  TIFFOpenOptionsSetWarningHandlerExtR(options, ignore, NULL);
  TIFF *tif = TIFFClientOpenExt("strip", "rm", &m, read_memory, write_nothing,
                                seek_memory, close_nothing, size_of, NULL,
                                NULL, options);
  TIFFOpenOptionsFree(options);
  if (!tif) return -1;
  if (rgb) TIFFSetField(tif, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  int64_t got = -1;
  if ((uint64_t)TIFFStripSize(tif) > length && room > 0 && message[0] == 0)
    snprintf(message, (size_t)room, "a strip of %lld bytes, expected %llu",
             (long long)TIFFStripSize(tif), (unsigned long long)length);
  else
    got = TIFFReadEncodedStrip(tif, 0, out, (tmsize_t)length);
  TIFFClose(tif);
  return got;
}

const char *terrazzo_tiff_version(void) { return TIFFGetVersion(); }

int terrazzo_tiff_knows(int compression) {
  return TIFFIsCODECConfigured((uint16_t)compression);
}
