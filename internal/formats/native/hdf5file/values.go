//go:build native

package hdf5file

// #include <stdlib.h>
// #include <string.h>
// #include "driver.h"
import "C"

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// value says how elements in memory become plain values.
type value struct {
	class  C.H5T_class_t
	size   int
	signed bool
	truth  bool // an enumeration that is a bool
	vlen   bool // a string of variable length
	region bool // a reference to a part
	long   bool // an 80-bit float in 16 bytes
	pad    C.H5T_str_t
	base   *value
	dims   []int // of an array
	fields []struct {
		name   string
		offset int
		of     *value
	}
}

// valueOf looks at a type in memory: one that H5Tget_native_type made.
func valueOf(t C.hid_t, depth int) (*value, error) {
	v := &value{class: C.H5Tget_class(t), size: int(C.H5Tget_size(t))}
	if depth > maxDepth || v.size <= 0 || v.size > maxItem {
		return nil, unsupported("a type of %d bytes, or nested too deep", v.size)
	}
	var err error
	switch v.class {
	case C.H5T_INTEGER:
		v.signed = C.H5Tget_sign(t) == C.H5T_SGN_2
	case C.H5T_FLOAT:
		v.long = v.size == 16
	case C.H5T_STRING:
		v.vlen, v.pad = C.H5Tis_variable_str(t) > 0, C.H5Tget_strpad(t)
	case C.H5T_REFERENCE:
		v.region = C.H5Tequal(t, C.tz_ref_type(1)) > 0
	case C.H5T_ENUM, C.H5T_VLEN, C.H5T_ARRAY:
		v.truth = v.class == C.H5T_ENUM && isBool(t)
		base := C.H5Tget_super(t)
		if base < 0 {
			return nil, broken("a type")
		}
		v.base, err = valueOf(base, depth+1)
		C.H5Tclose(base)
		if err == nil && v.class == C.H5T_ARRAY {
			err = v.array(t)
		}
	case C.H5T_COMPOUND:
		err = v.compound(t, depth)
	}
	return v, err
}

func (v *value) array(t C.hid_t) error {
	base, dims, err := arrayOf(t)
	if err != nil {
		return err
	}
	C.H5Tclose(base)
	for _, n := range dims {
		v.dims = append(v.dims, int(n))
	}
	return nil
}

func (v *value) compound(t C.hid_t, depth int) error {
	for i := range C.uint(max(C.H5Tget_nmembers(t), 0)) {
		m := C.H5Tget_member_type(t, i)
		of, err := valueOf(m, depth+1)
		C.H5Tclose(m)
		if err != nil {
			return err
		}
		v.fields = append(v.fields, struct {
			name   string
			offset int
			of     *value
		}{memberName(t, i), int(C.H5Tget_member_offset(t, i)), of})
	}
	return nil
}

// plain is one element as a plain value: numbers, texts, lists; a complex
// number as its two parts, other compounds as the list of their members.
func (v *value) plain(file *file, b []byte) any {
	switch v.class {
	case C.H5T_INTEGER, C.H5T_BITFIELD, C.H5T_ENUM:
		if v.truth {
			return b[0] != 0
		}
		signed := v.signed
		if v.base != nil {
			signed = v.base.signed
		}
		return integer(b[:v.size], signed)
	case C.H5T_FLOAT:
		return floating(b[:v.size])
	case C.H5T_STRING:
		if v.vlen {
			return cText(b)
		}
		return v.text(b[:v.size])
	case C.H5T_REFERENCE:
		return file.reference(v.region, b)
	case C.H5T_OPAQUE:
		return append([]byte(nil), b[:v.size]...)
	case C.H5T_VLEN:
		return v.list(file, b)
	case C.H5T_ARRAY:
		return nested(v.dims, b, v.base.size, func(e []byte) any { return v.base.plain(file, e) })
	case C.H5T_COMPOUND:
		out := make([]any, len(v.fields))
		for i, f := range v.fields {
			out[i] = f.of.plain(file, b[f.offset:])
		}
		return out
	}
	return nil
}

// list copies an array of variable length out of the library's memory.
func (v *value) list(file *file, b []byte) any {
	n := *(*C.size_t)(unsafe.Pointer(&b[0]))
	p := *(*unsafe.Pointer)(unsafe.Pointer(&b[8]))
	if p == nil || n == 0 {
		return []any{}
	}
	if n > maxValue/C.size_t(v.base.size) {
		return nil
	}
	data := unsafe.Slice((*byte)(p), int(n)*v.base.size)
	return nested([]int{int(n)}, data, v.base.size, func(e []byte) any { return v.base.plain(file, e) })
}

// nested makes lists in lists of the elements in b.
func nested(dims []int, b []byte, size int, one func([]byte) any) any {
	if len(dims) == 0 {
		return one(b)
	}
	step := size
	for _, n := range dims[1:] {
		step *= n
	}
	out := make([]any, dims[0])
	for i := range out {
		out[i] = nested(dims[1:], b[i*step:], size, one)
	}
	return out
}

func integer(b []byte, signed bool) any {
	var n uint64
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	shift := 64 - 8*len(b)
	switch {
	case shift < 0:
		return nil
	case signed:
		return int64(n<<shift) >> shift
	case n > math.MaxInt64:
		return n
	}
	return int64(n)
}

func floating(b []byte) any {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case 16: // x87: 64 bits of mantissa, 15 of exponent
		mantissa, high := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint16(b[8:])
		exponent := int(high & 0x7FFF)
		f := math.Ldexp(float64(mantissa), exponent-16383-63)
		if exponent == 0x7FFF {
			f = math.Inf(1)
			if mantissa<<1 != 0 {
				f = math.NaN()
			}
		}
		if high&0x8000 != 0 {
			f = -f
		}
		return f
	}
	return nil
}

// text is a fixed string without what fills it up. What is no UTF-8 is taken
// for Latin-1.
func (v *value) text(b []byte) string {
	s := string(b)
	switch v.pad {
	case C.H5T_STR_SPACEPAD:
		s = strings.TrimRight(s, " ")
	case C.H5T_STR_NULLTERM:
		s, _, _ = strings.Cut(s, "\x00")
	default:
		s = strings.TrimRight(s, "\x00")
	}
	return decoded(s)
}

func decoded(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, 0, len(s))
	for i := range len(s) {
		runes = append(runes, rune(s[i]))
	}
	return string(runes)
}

// cText copies a string of variable length out of the library's memory.
func cText(b []byte) string {
	return decoded(string(cBytes(b)))
}

func cBytes(b []byte) []byte {
	p := *(**C.char)(unsafe.Pointer(&b[0]))
	if p == nil {
		return nil
	}
	n := C.strnlen(p, maxValue)
	return C.GoBytes(unsafe.Pointer(p), C.int(n))
}

// reference is the path of what is referred to, or empty for nothing.
func (f *file) reference(region bool, b []byte) string {
	addr := C.uint64_t(binary.LittleEndian.Uint64(b))
	if addr == 0 {
		return ""
	}
	if region && C.tz_region_address(f.id, unsafe.Pointer(&b[0]), &addr) < 0 {
		_ = failure()
		return ""
	}
	return f.path(uint64(addr))
}

// path is the first path, in the order of names, that leads to an address.
func (f *file) path(addr uint64) string {
	if f.paths == nil {
		f.paths = make(map[uint64]string)
		var list *C.char
		var size C.size_t
		if C.tz_paths(f.id, &list, &size) < 0 {
			_ = failure()
			return ""
		}
		defer C.free(unsafe.Pointer(list))
		for all := unsafe.Slice((*byte)(unsafe.Pointer(list)), int(size)); len(all) > 8; {
			end := 8 + bytes.IndexByte(all[8:], 0)
			name := "/" + strings.TrimPrefix(string(all[8:end]), ".")
			f.paths[binary.LittleEndian.Uint64(all)] = decoded(name)
			all = all[end+1:]
		}
	}
	return f.paths[addr]
}

const (
	// maxValue bounds the bytes of one attribute, or of one value of variable
	// length, maxAttributes those of an object.
	maxValue      = 16 << 20
	maxAttributes = 10_000
)

// attributes are those of an object, by name. One that cannot be read has its
// reason as its value: the others are wanted all the same.
func (o object) attributes() (map[string]any, error) {
	var names *C.char
	var size C.size_t
	if C.tz_attributes(o.id, &names, &size) < 0 {
		return nil, broken(o.file.place.Name + ": attributes")
	}
	defer C.free(unsafe.Pointer(names))
	out := make(map[string]any)
	for i, name := range split(names, size) {
		if i >= maxAttributes {
			return nil, fmt.Errorf("%s: more than %d attributes: %w", o.file.place.Name, maxAttributes, errdef.ErrTooLarge)
		}
		v, err := o.attribute(string(name))
		if err != nil {
			v = "cannot be read: " + err.Error()
		}
		out[decoded(string(name))] = v
	}
	return out, nil
}

func (o object) attribute(name string) (any, error) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	a := C.H5Aopen(o.id, c, C.H5P_DEFAULT)
	if a < 0 {
		return nil, broken(name)
	}
	defer C.H5Aclose(a)
	space := C.H5Aget_space(a)
	t := C.H5Aget_type(a)
	if space < 0 || t < 0 {
		return nil, broken(name)
	}
	defer C.H5Sclose(space)
	defer C.H5Tclose(t)
	if C.H5Sget_simple_extent_type(space) == C.H5S_NULL {
		return nil, nil
	}
	dims, err := extent(space)
	if err != nil {
		return nil, err
	}
	return readValues(o.file, t, space, dims, maxValue, func(m C.hid_t, b unsafe.Pointer) bool { return C.H5Aread(a, m, b) >= 0 })
}

// extent is the shape of a data space.
func extent(space C.hid_t) ([]int, error) {
	var dims [32]C.hsize_t
	n := C.H5Sget_simple_extent_dims(space, &dims[0], nil)
	if n < 0 {
		return nil, broken("a data space")
	}
	out := make([]int, n)
	for i := range out {
		if dims[i] > math.MaxInt32 {
			return nil, unsupported("a value of %d elements along an axis", dims[i])
		}
		out[i] = int(dims[i])
	}
	return out, nil
}

// readValues reads all elements of a data space as plain values.
func readValues(file *file, t, space C.hid_t, dims []int, limit int, read func(C.hid_t, unsafe.Pointer) bool) (any, error) {
	m := C.H5Tget_native_type(t, C.H5T_DIR_ASCEND)
	if m < 0 {
		return nil, broken("a type")
	}
	defer C.H5Tclose(m)
	v, err := valueOf(m, 0)
	if err != nil {
		return nil, err
	}
	size := v.size
	for _, n := range dims {
		if n > 0 && size > limit/n {
			return nil, fmt.Errorf("more than %d bytes: %w", limit, errdef.ErrTooLarge)
		}
		size *= n
	}
	b := make([]byte, max(size, 16))
	if size > 0 && !read(m, unsafe.Pointer(&b[0])) {
		return nil, broken("a value")
	}
	defer C.H5Dvlen_reclaim(m, space, C.H5P_DEFAULT, unsafe.Pointer(&b[0]))
	return nested(dims, b, v.size, func(e []byte) any { return v.plain(file, e) }), nil
}
