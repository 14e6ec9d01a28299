// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Element is what numbers of an array can be read into.
type Element interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64 | complex64 | complex128
}

// Read reads a slice of an array, as numpy writes it without brackets, into numbers in
// C order, and returns them with their shape; they are the caller's.
//
// T must be the array's own type; or float64 for any type of real numbers that it holds
// without loss (up to 32 bits, half precision included); or uint8 for booleans; or int64
// for times and durations, counted in the type's units with math.MinInt64 for NaT. Any
// other is errdef.ErrInvalid.
func Read[T Element](ctx context.Context, a *Array, slice string) ([]T, []int64, error) {
	sel, err := a.Select(slice)
	if err != nil {
		return nil, nil, err
	}
	size, err := a.sizeOf(sel)
	if err != nil {
		return nil, nil, err
	}
	if sameType[T](a.DataType()) {
		out := make([]T, sel.Len())
		data := bytesOf(out)
		if err := a.readInto(ctx, sel, data); err != nil {
			return nil, nil, err
		}
		toNative(data, a.DataType())
		return out, sel.Shape(), nil
	}
	_, ok := any([]T(nil)).([]float64)
	convert := widening(a.DataType())
	if !ok || convert == nil {
		var zero T
		return nil, nil, fmt.Errorf("%s: elements are %s, which []%T cannot take: %w", a, a.DataType(), zero, errdef.ErrInvalid)
	}
	data := make([]byte, size)
	if err := a.readInto(ctx, sel, data); err != nil {
		return nil, nil, err
	}
	toNative(data, a.DataType())
	wide := make([]float64, sel.Len())
	convert(wide, data)
	out, _ := any(wide).([]T)
	return out, sel.Shape(), nil
}

// bytesOf is the memory of a slice of numbers.
func bytesOf[T Element](values []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero))) //nolint:gosec // numbers have no pointers
}

// sameType tells whether elements of type d are values of T but for their byte order.
func sameType[T Element](d structure.DType) bool {
	var zero T
	if d.Fields != nil || d.ItemSize != int64(unsafe.Sizeof(zero)) {
		return false
	}
	kinds := "i"
	switch any(zero).(type) {
	case uint8:
		kinds = "ub"
	case uint16, uint32, uint64:
		kinds = "u"
	case float32, float64:
		kinds = "f"
	case complex64, complex128:
		kinds = "c"
	case int64:
		kinds = "imM"
	}
	return slices.Contains([]byte(kinds), d.Kind)
}

// toNative turns elements into the machine's byte order, in place.
func toNative(data []byte, d structure.DType) {
	size := int(d.ItemSize)
	if d.Kind == 'c' {
		size /= 2
	}
	var probe [2]byte
	binary.NativeEndian.PutUint16(probe[:], 1)
	if size < 2 || (d.Endianness == structure.Big) == (probe[0] == 0) {
		return
	}
	for at := 0; at+size <= len(data); at += size {
		slices.Reverse(data[at : at+size])
	}
}

// widening is how elements of type d become float64 without loss, or nil.
func widening(d structure.DType) func([]float64, []byte) {
	if d.Fields != nil {
		return nil
	}
	switch string(d.Kind) + string('0'+rune(d.ItemSize)) {
	case "b1", "u1":
		return widen(1, func(p []byte) float64 { return float64(p[0]) })
	case "i1":
		return widen(1, func(p []byte) float64 { return float64(int8(p[0])) })
	case "u2":
		return widen(2, func(p []byte) float64 { return float64(binary.NativeEndian.Uint16(p)) })
	case "i2":
		return widen(2, func(p []byte) float64 { return float64(int16(binary.NativeEndian.Uint16(p))) })
	case "u4":
		return widen(4, func(p []byte) float64 { return float64(binary.NativeEndian.Uint32(p)) })
	case "i4":
		return widen(4, func(p []byte) float64 { return float64(int32(binary.NativeEndian.Uint32(p))) })
	case "f4":
		return widen(4, func(p []byte) float64 {
			return float64(math.Float32frombits(binary.NativeEndian.Uint32(p)))
		})
	case "f2":
		return widen(2, func(p []byte) float64 { return half(binary.NativeEndian.Uint16(p)) })
	}
	return nil
}

func widen(size int, one func([]byte) float64) func([]float64, []byte) {
	return func(out []float64, data []byte) {
		for i := range out {
			out[i] = one(data[i*size:])
		}
	}
}

// half is a number of IEEE 754's half precision.
func half(bits uint16) float64 {
	sign := 1.0
	if bits&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
