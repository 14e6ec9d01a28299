//go:build native

package tifffile

// #cgo CFLAGS: -O2
// #cgo pkg-config: libtiff-4
// #include "decode.h"
import "C"

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/tiffmeta"
)

// version is what the library calls itself.
func version() string {
	first, _, _ := strings.Cut(C.GoString(C.terrazzo_tiff_version()), "\n")
	return strings.TrimPrefix(first, "LIBTIFF, Version ")
}

// decode decodes a strip or tile of rows rows into out, in this machine's byte
// order.
func decode(f *tiffmeta.File, p *tiffmeta.Page, encoded, out []byte, rows int64) error {
	l := &p.Layout
	if C.terrazzo_tiff_knows(C.int(l.Compression)) == 0 {
		return fmt.Errorf("the compression %d is not known to this libtiff (%s): %w", l.Compression, version(), errdef.ErrUnsupported)
	}
	small, err := single(f, p, encoded, rows)
	if err != nil {
		return err
	}
	rgb := l.Compression == tiffmeta.CompressionJPEG && l.Photometric == tiffmeta.PhotometricYCbCr
	message := make([]byte, 256)
	got := int64(C.terrazzo_tiff_decode(
		(*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(small))), C.uint64_t(len(small)),
		(*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(out))), C.uint64_t(len(out)), flag(rgb),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(message))), C.uint64_t(len(message)),
	))
	if got == int64(len(out)) && predicts(l) {
		return nil
	}
	if got == int64(len(out)) {
		return unpredict(out, l, f.Order())
	}
	said, _, _ := bytes.Cut(message, []byte{0})
	return fmt.Errorf("libtiff decoded %d of %d bytes: %s: %w", got, len(out), said, errdef.ErrUnprocessable)
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// single makes a TIFF file of one strip.
func single(f *tiffmeta.File, p *tiffmeta.Page, encoded []byte, rows int64) ([]byte, error) {
	l, order := &p.Layout, f.Order()
	const short, long = 3, 4
	w := &writer{order: order}
	samples, sampleBits, format := l.PartSamples(), l.Bits, l.Format
	if format == 6 { // complex: the library turns each half around by itself
		samples, sampleBits, format = 2*samples, sampleBits/2, 3
	}
	if !predicts(l) { // as bytes, which the library leaves as they are
		samples, sampleBits, format = samples*l.Bits/8, 8, 1
	}
	w.add(256, long, numbers(order, 4, l.TileWidth))
	w.add(257, long, numbers(order, 4, rows))
	bits := make([]int64, samples)
	formats := make([]int64, samples)
	for i := range bits {
		bits[i], formats[i] = sampleBits, format
	}
	w.add(258, short, numbers(order, 2, bits...))
	w.add(259, short, numbers(order, 2, l.Compression))
	w.add(262, short, numbers(order, 2, l.Photometric))
	if l.Reversed {
		w.add(266, short, numbers(order, 2, 2))
	}
	w.add(273, long, nil) // set below
	w.add(277, short, numbers(order, 2, samples))
	w.add(278, long, numbers(order, 4, rows))
	w.add(279, long, numbers(order, 4, int64(len(encoded))))
	w.add(284, short, numbers(order, 2, 1))
	if l.Predictor != 1 && predicts(l) {
		w.add(317, short, numbers(order, 2, l.Predictor))
	}
	if extra := min(l.Extra, samples); extra > 0 && !l.Separate {
		w.add(338, short, make([]byte, 2*extra))
	}
	w.add(339, short, numbers(order, 2, formats...))
	if l.Photometric == tiffmeta.PhotometricYCbCr {
		w.add(530, short, numbers(order, 2, l.Subsampling[:]...))
	}
	for _, code := range tiffmeta.DecodingTags() {
		kind, value, err := f.Extra(p, code)
		if err != nil {
			return nil, err
		}
		if value != nil {
			w.add(code, kind, value)
		}
	}
	return w.finish(encoded), nil
}

func numbers(order binary.ByteOrder, size int, values ...int64) []byte {
	b := make([]byte, size*len(values))
	for i, v := range values {
		if size == 2 {
			order.PutUint16(b[2*i:], uint16(v))
		} else {
			order.PutUint32(b[4*i:], uint32(v))
		}
	}
	return b
}

// writer makes a classic TIFF file of one directory.
type writer struct {
	order   binary.ByteOrder
	entries []entry
}

type entry struct {
	code, kind uint16
	value      []byte
}

func (w *writer) add(code, kind uint16, value []byte) {
	w.entries = append(w.entries, entry{code, kind, value})
}

// finish puts the directory behind the header, then the values that are too
// long for it, then the strip.
func (w *writer) finish(encoded []byte) []byte {
	entries := sorted(w.entries)
	head, behind := 8+2+12*len(entries)+4, 0
	for _, e := range entries {
		if len(e.value) > 4 {
			behind += (len(e.value) + 1) &^ 1
		}
	}
	out := make([]byte, head, head+behind+len(encoded))
	copy(out, "II")
	if w.order == binary.BigEndian {
		copy(out, "MM")
	}
	w.order.PutUint16(out[2:], 42)
	w.order.PutUint32(out[4:], 8)
	w.order.PutUint16(out[8:], uint16(len(entries)))
	for i, e := range entries {
		at := out[10+12*i:]
		w.order.PutUint16(at, e.code)
		w.order.PutUint16(at[2:], e.kind)
		w.order.PutUint32(at[4:], uint32(max(len(e.value)/sizeOf(e.kind), 1)))
		switch {
		case e.value == nil: // the strip
			w.order.PutUint32(at[8:], uint32(head+behind))
		case len(e.value) <= 4:
			copy(at[8:12], e.value)
		default:
			w.order.PutUint32(at[8:], uint32(len(out)))
			out = append(out, e.value...)
			if len(e.value)%2 == 1 {
				out = append(out, 0)
			}
		}
	}
	return append(out, encoded...)
}

func sizeOf(kind uint16) int {
	switch kind {
	case 3, 8:
		return 2
	case 4, 9, 11, 13:
		return 4
	case 5, 10, 12, 16, 17, 18:
		return 8
	default:
		return 1
	}
}
