//go:build native

package hdf5file

// #include <stdlib.h>
// #include "driver.h"
import "C"

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// element says what the elements of a data set are for clients.
type element struct {
	dtype structure.DType
	// exact says that an element in the file is the same bytes.
	exact bool
	// dims are those of an array type, which become the array's last axes.
	dims []int64
	// text is the kind of what is served as texts of fixed length: "string",
	// "object" or "region" (references); empty for everything else.
	text string
}

const (
	maxFields = 4096
	maxDepth  = 16
	maxItem   = 1 << 30
)

func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errdef.ErrUnsupported)...)
}

// elementOf looks at the type of a data set.
func elementOf(t C.hid_t) (element, error) {
	switch C.H5Tget_class(t) {
	case C.H5T_STRING:
		if C.H5Tis_variable_str(t) > 0 {
			return element{text: "string"}, nil
		}
		if size := int64(C.H5Tget_size(t)); size > 0 && size <= maxItem && C.H5Tget_strpad(t) != C.H5T_STR_NULLPAD {
			// What is behind a text's end is no part of it: the library puts zeros there.
			return element{dtype: structure.DType{Kind: 'S', ItemSize: size, Endianness: structure.NotApplicable}}, nil
		}
	case C.H5T_REFERENCE:
		if C.H5Tequal(t, C.tz_ref_type(1)) > 0 {
			return element{text: "region"}, nil
		}
		return element{text: "object"}, nil
	case C.H5T_ARRAY:
		base, dims, err := arrayOf(t)
		if err != nil {
			return element{}, err
		}
		defer C.H5Tclose(base)
		e, err := elementOf(base)
		e.dims = append(dims, e.dims...)
		if e.text != "" {
			return e, unsupported("an array type of %ss", e.text)
		}
		return e, err
	}
	budget := maxFields
	d, exact, err := dtypeOf(t, &budget, 0)
	return element{dtype: d, exact: exact}, err
}

// arrayOf returns the base, which the caller closes, and the extents of an
// array type.
func arrayOf(t C.hid_t) (C.hid_t, []int64, error) {
	n := C.H5Tget_array_ndims(t)
	if n < 1 || n > 32 {
		return 0, nil, fmt.Errorf("an array type of %d axes: %w", n, errdef.ErrUnprocessable)
	}
	var dims [32]C.hsize_t
	base := C.H5Tget_super(t)
	if base < 0 || C.H5Tget_array_dims2(t, &dims[0]) < 0 {
		return 0, nil, broken("an array type")
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(dims[i])
		if dims[i] > maxItem {
			C.H5Tclose(base)
			return 0, nil, unsupported("an array type of %d elements along an axis", dims[i])
		}
	}
	return base, out, nil
}

// dtypeOf is numpy's type for an HDF5 type, as h5py chooses it. exact is false
// if the library has to convert what is in the file.
func dtypeOf(t C.hid_t, budget *int, depth int) (d structure.DType, exact bool, err error) {
	size := int64(C.H5Tget_size(t))
	if *budget--; *budget < 0 || depth > maxDepth || size <= 0 || size > maxItem {
		return d, false, unsupported("a type of %d bytes, or of more than %d members", size, maxFields)
	}
	d = structure.DType{ItemSize: size, Endianness: order(t, size)}
	switch class := C.H5Tget_class(t); class {
	case C.H5T_INTEGER, C.H5T_BITFIELD:
		d.Kind = 'u'
		if class == C.H5T_INTEGER && C.H5Tget_sign(t) == C.H5T_SGN_2 {
			d.Kind = 'i'
		}
		return whole(t, d, class == C.H5T_BITFIELD)
	case C.H5T_FLOAT:
		return float(t, d)
	case C.H5T_STRING:
		if C.H5Tis_variable_str(t) > 0 {
			return d, false, unsupported("strings of variable length within a compound type")
		}
		return structure.DType{Kind: 'S', ItemSize: size, Endianness: structure.NotApplicable}, true, nil
	case C.H5T_ENUM:
		return enum(t, d)
	case C.H5T_OPAQUE:
		return opaque(t, size), true, nil
	case C.H5T_COMPOUND:
		return compound(t, size, budget, depth)
	case C.H5T_REFERENCE:
		return d, false, unsupported("references within a compound type")
	case C.H5T_VLEN:
		return d, false, unsupported("each element is an array of a length of its own, which no structure here can hold; write one regular array, or one array for all elements and one for where each begins")
	case C.H5T_TIME:
		return d, false, unsupported("the HDF5 type TIME")
	default:
		return d, false, unsupported("the HDF5 type class %d", class)
	}
}

func order(t C.hid_t, size int64) structure.Endianness {
	switch {
	case size == 1:
		return structure.NotApplicable
	case C.H5Tget_order(t) == C.H5T_ORDER_BE:
		return structure.Big
	}
	return structure.Little
}

// wider is the least size of a native number that holds so many bytes.
func wider(size int64) int64 {
	for n := int64(1); n <= 8; n *= 2 {
		if n >= size {
			return n
		}
	}
	return 0
}

func whole(t C.hid_t, d structure.DType, bits bool) (structure.DType, bool, error) {
	exact := wider(d.ItemSize) == d.ItemSize && int64(C.H5Tget_precision(t)) == 8*d.ItemSize && C.H5Tget_offset(t) == 0
	if exact {
		return d, true, nil
	}
	if d.ItemSize = wider(d.ItemSize); d.ItemSize == 0 || bits {
		return d, false, unsupported("integers of %d bits in %d bytes", C.H5Tget_precision(t), C.H5Tget_size(t))
	}
	d.Endianness = structure.Little
	if d.ItemSize == 1 {
		d.Endianness = structure.NotApplicable
	}
	return d, false, nil
}

func float(t C.hid_t, d structure.DType) (structure.DType, bool, error) {
	d.Kind = 'f'
	if C.tz_is_ieee(t, C.int(d.ItemSize)) != 0 || d.ItemSize == 16 && C.tz_is_long_double(t) != 0 {
		return d, true, nil
	}
	d.Endianness = structure.Little
	switch {
	case d.ItemSize <= 4:
		d.ItemSize = 4
	default:
		d.ItemSize = 8
	}
	return d, false, nil
}

// enum is a bool if h5py would take it for one, else its base.
func enum(t C.hid_t, d structure.DType) (structure.DType, bool, error) {
	base := C.H5Tget_super(t)
	if base < 0 {
		return d, false, broken("an enumeration")
	}
	defer C.H5Tclose(base)
	if isBool(t) {
		return structure.DType{Kind: 'b', ItemSize: 1, Endianness: structure.NotApplicable}, d.ItemSize == 1, nil
	}
	d.Kind = 'u'
	if C.H5Tget_sign(base) == C.H5T_SGN_2 {
		d.Kind = 'i'
	}
	d.Endianness = order(base, d.ItemSize)
	out, exact, err := whole(base, d, false)
	if err == nil && !exact {
		err = unsupported("an enumeration of integers of odd width")
	}
	return out, exact, err
}

func isBool(t C.hid_t) bool {
	size := C.H5Tget_size(t)
	if size > 8 || C.H5Tget_nmembers(t) != 2 {
		return false
	}
	for i := range C.uint(2) {
		var value [8]byte
		if C.H5Tget_member_value(t, i, unsafe.Pointer(&value[0])) < 0 {
			_ = failure()
			return false
		}
		n := value[0] | value[size-1] // in either byte order
		if (n == 0) != (memberName(t, i) == "FALSE") || (n == 1) != (memberName(t, i) == "TRUE") {
			return false
		}
	}
	return true
}

func memberName(t C.hid_t, i C.uint) string {
	name := C.H5Tget_member_name(t, i)
	if name == nil {
		return ""
	}
	defer C.H5free_memory(unsafe.Pointer(name))
	return C.GoString(name)
}

// opaque is bytes, or the date or span of time that h5py has put there.
func opaque(t C.hid_t, size int64) structure.DType {
	d := structure.DType{Kind: 'V', ItemSize: size, Endianness: structure.NotApplicable}
	tag := C.H5Tget_tag(t)
	if tag == nil {
		return d
	}
	defer C.H5free_memory(unsafe.Pointer(tag))
	if text, ok := strings.CutPrefix(C.GoString(tag), "NUMPY:"); ok {
		if parsed, err := structure.ParseDType(text); err == nil && parsed.ItemSize == size {
			return parsed
		}
	}
	return d
}

// compound is a structured type, or the complex number that h5py has put there.
func compound(t C.hid_t, size int64, budget *int, depth int) (structure.DType, bool, error) {
	n := C.H5Tget_nmembers(t)
	if n < 0 || int(n) > maxFields {
		return structure.DType{}, false, unsupported("a compound type of %d members", n)
	}
	d := structure.DType{ItemSize: size, Fields: make([]structure.Field, 0, n)}
	exact, at := true, int64(0)
	for i := range C.uint(n) {
		f, ok, err := field(t, i, budget, depth)
		if err != nil {
			return d, false, fmt.Errorf("member %.60q: %w", memberName(t, i), err)
		}
		offset := int64(C.H5Tget_member_offset(t, i))
		if offset < at {
			return d, false, unsupported("a compound type whose members overlap or are out of order")
		}
		if offset > at {
			d.Fields = append(d.Fields, padding(offset-at))
		}
		d.Fields = append(d.Fields, f)
		exact = exact && ok
		at = offset + memberSize(t, i)
	}
	if at < size {
		d.Fields = append(d.Fields, padding(size-at))
	}
	if c, ok := complexOf(d); ok && exact {
		return c, true, nil
	}
	if !exact {
		return d, false, unsupported("a compound type with numbers of odd width")
	}
	return d, true, nil
}

func padding(n int64) structure.Field {
	return structure.Field{Type: structure.DType{Kind: 'V', ItemSize: n, Endianness: structure.NotApplicable}}
}

func memberSize(t C.hid_t, i C.uint) int64 {
	m := C.H5Tget_member_type(t, i)
	defer C.H5Tclose(m)
	return int64(C.H5Tget_size(m))
}

func field(t C.hid_t, i C.uint, budget *int, depth int) (structure.Field, bool, error) {
	f := structure.Field{Name: memberName(t, i)}
	m := C.H5Tget_member_type(t, i)
	if m < 0 {
		return f, false, broken("a compound type")
	}
	defer C.H5Tclose(m)
	if C.H5Tget_class(m) == C.H5T_ARRAY {
		base, dims, err := arrayOf(m)
		if err != nil {
			return f, false, err
		}
		defer C.H5Tclose(base)
		f.Shape = dims
		d, exact, err := dtypeOf(base, budget, depth+1)
		f.Type = d
		return f, exact, err
	}
	d, exact, err := dtypeOf(m, budget, depth+1)
	f.Type = d
	return f, exact, err
}

func complexOf(d structure.DType) (structure.DType, bool) {
	if len(d.Fields) != 2 || d.Fields[0].Name != "r" || d.Fields[1].Name != "i" {
		return d, false
	}
	r, i := d.Fields[0], d.Fields[1]
	if r.Type.Kind != 'f' || r.Type.String() != i.Type.String() || r.Shape != nil || i.Shape != nil || r.Type.ItemSize < 4 {
		return d, false
	}
	return structure.DType{Kind: 'c', ItemSize: 2 * r.Type.ItemSize, Endianness: r.Type.Endianness}, true
}

// memoryType is the type that elements are read as; the caller closes it.
func (e element) memoryType(t C.hid_t) (C.hid_t, error) {
	base := t
	for C.H5Tget_class(base) == C.H5T_ARRAY && !e.exact {
		next := C.H5Tget_super(base)
		if base != t {
			C.H5Tclose(base)
		}
		base = next
	}
	var m C.hid_t
	big := C.int(0)
	if e.dtype.Endianness == structure.Big {
		big = 1
	}
	switch {
	case e.exact:
		m = C.H5Tcopy(t)
	case e.dtype.Kind == 'b':
		m = C.tz_bool()
	case e.dtype.Kind == 'S':
		if m = C.H5Tcopy(base); m >= 0 {
			C.H5Tset_strpad(m, C.H5T_STR_NULLPAD)
		}
	case e.dtype.Kind == 'f':
		m = C.tz_native_float(C.int(e.dtype.ItemSize), big)
	default:
		sign := C.int(0)
		if e.dtype.Kind == 'i' {
			sign = 1
		}
		m = C.tz_native_int(C.int(e.dtype.ItemSize), sign, big)
	}
	if base != t {
		C.H5Tclose(base)
	}
	if m < 0 {
		return 0, broken("a type in memory")
	}
	if len(e.dims) > 0 && !e.exact {
		dims := make([]C.hsize_t, len(e.dims))
		for i, n := range e.dims {
			dims[i] = C.hsize_t(n)
		}
		array := C.H5Tarray_create2(m, C.uint(len(dims)), &dims[0])
		C.H5Tclose(m)
		if array < 0 {
			return 0, broken("an array type in memory")
		}
		return array, nil
	}
	return m, nil
}
