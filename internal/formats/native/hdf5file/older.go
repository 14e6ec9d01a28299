//go:build native

package hdf5file

// #include "driver.h"
import "C"

import (
	"errors"
	"io"
	"runtime/cgo"
	"syscall"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/internal/formats/native/hdf5compat"
)

// descriptor reads an open file at offsets.
type descriptor int

// ReadAt implements [io.ReaderAt].
func (fd descriptor) ReadAt(p []byte, offset int64) (int, error) {
	for n := 0; ; {
		got, err := syscall.Pread(int(fd), p[n:], offset+int64(n))
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return n, err //nolint:wrapcheck // a reader's error
		case got == 0 && n < len(p):
			return n, io.EOF
		default:
			if n += got; n == len(p) {
				return n, nil
			}
		}
	}
}

// translator is that of one of the file's descriptors.
func translator(handle C.uintptr_t, fd C.int) *hdf5compat.Translator {
	f, ok := cgo.Handle(handle).Value().(*file)
	if !ok {
		return nil
	}
	t := f.older[int(fd)]
	if t == nil {
		t = hdf5compat.New(descriptor(fd))
		f.older[int(fd)] = t
	}
	return t
}

// terrazzoPatch is called by the driver with metadata that it read for a
// library older than HDF5 2. It returns 1 if addresses beyond the file's end
// stand in them now.
//
//export terrazzoPatch
func terrazzoPatch(handle C.uintptr_t, fd C.int, addr C.uint64_t, p unsafe.Pointer, size C.size_t) C.int {
	t := translator(handle, fd)
	if t != nil && t.Patch(int64(addr), unsafe.Slice((*byte)(p), int(size))) {
		return 1
	}
	return 0
}

// terrazzoShow is called by the driver for what lies beyond the file's end.
//
//export terrazzoShow
func terrazzoShow(handle C.uintptr_t, fd C.int, addr C.uint64_t, p unsafe.Pointer, size C.size_t) {
	if t := translator(handle, fd); t != nil {
		t.Read(int64(addr), unsafe.Slice((*byte)(p), int(size)))
	}
}
