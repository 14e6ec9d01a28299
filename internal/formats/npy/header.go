package npy

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

const (
	magic = "\x93NUMPY"
	// firstRead is enough for the header of any array without many fields.
	firstRead = 4 << 10
	// maxHeader bounds the text of a header: some thousand fields.
	maxHeader = 1 << 20
	// maxAxes is numpy's own limit.
	maxAxes = 64
)

// header is what an NPY file says before its data.
type header struct {
	dtype   structure.DType
	shape   []int64
	fortran bool
	// offset is where the data begin.
	offset int64
}

// readHeader reads and checks the header of a file of format version 1, 2 or
// 3 (numpy.lib.format). The data that it claims lie within the file, so that
// whoever allocates by it allocates no more than the file holds. Errors are
// errdef.ErrUnprocessable, and ErrUnsupported for arrays of Python objects.
func readHeader(f adapter.File) (header, error) {
	text, offset, err := headerText(f)
	if err != nil {
		return header{}, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return header{}, err
	}
	h.offset = offset
	if size, ok := structure.DataSize(h.shape, h.dtype.ItemSize); !ok || size > f.Size()-offset {
		return header{}, unprocessable("shape %v of %d-byte elements is more than the %d bytes of data in the file",
			h.shape, h.dtype.ItemSize, f.Size()-offset)
	}
	return h, nil
}

// headerText returns the literal, and where the data begin behind it.
func headerText(f adapter.File) (string, int64, error) {
	start := make([]byte, min(f.Size(), firstRead))
	if err := adapter.ReadFull(f, start, 0); err != nil {
		return "", 0, err
	}
	if len(start) < len(magic)+4 || string(start[:len(magic)]) != magic {
		return "", 0, unprocessable("does not begin as an NPY file does")
	}
	major := start[len(magic)]
	var length, offset int64
	switch {
	case major == 1:
		length, offset = int64(binary.LittleEndian.Uint16(start[8:])), 10
	case (major == 2 || major == 3) && len(start) >= 12:
		length, offset = int64(binary.LittleEndian.Uint32(start[8:])), 12
	default:
		return "", 0, unprocessable("has the format version %d, versions 1 to 3 are known", major)
	}
	if length > maxHeader || length > f.Size()-offset {
		return "", 0, unprocessable("the header claims %d bytes, the file has %d", length, f.Size())
	}
	text := start[offset:]
	if int64(len(text)) < length {
		text = make([]byte, length)
		if err := adapter.ReadFull(f, text, offset); err != nil {
			return "", 0, err
		}
	}
	text = text[:length]
	if major == 3 {
		if !utf8.Valid(text) {
			return "", 0, unprocessable("the header is not UTF-8")
		}
		return string(text), offset + length, nil
	}
	return latin1(text), offset + length, nil
}

func latin1(text []byte) string {
	runes := make([]rune, len(text))
	for i, b := range text {
		runes[i] = rune(b)
	}
	return string(runes)
}

func parseHeader(text string) (header, error) {
	value, err := literal(text)
	if err != nil {
		return header{}, unprocessable("the header %w", err)
	}
	dict, _ := value.(map[string]any)
	descr, hasDescr := dict["descr"]
	fortran, hasOrder := dict["fortran_order"].(bool)
	extents, hasShape := dict["shape"].([]any)
	if len(dict) != 3 || !hasDescr || !hasOrder || !hasShape || len(extents) > maxAxes {
		return header{}, unprocessable("the header does not have the keys descr, fortran_order and shape alone")
	}
	h := header{fortran: fortran, shape: make([]int64, len(extents))}
	for i, extent := range extents {
		n, ok := extent.(int64)
		if !ok || n < 0 {
			return header{}, unprocessable("axis %d of the shape is no extent", i)
		}
		h.shape[i] = n
	}
	h.dtype, err = structure.ParseDescr(descr)
	if err != nil {
		return header{}, err
	}
	if (h.dtype.Kind == 'm' || h.dtype.Kind == 'M') && h.dtype.Units == "" {
		h.dtype.Units = "[generic]"
	}
	return h, nil
}

func unprocessable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}
