package hdf5

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Classes of data types (IV.A.2.d); all are written as version 3.
const (
	version       = 3 << 4
	classInteger  = 0
	classFloat    = 1
	classString   = 3
	classOpaque   = 5
	classCompound = 6
	classRef      = 7
	classEnum     = 8
	classVlen     = 9
	classArray    = 10
)

// datatypeOf is the message for a type, with h5py's conventions: booleans are
// an enumeration, complex numbers a compound of r and i, times are opaque.
func datatypeOf(t structure.DType) ([]byte, error) {
	if t.ItemSize <= 0 || t.ItemSize > 1<<31-1 {
		return nil, fmt.Errorf("elements of %d bytes: %w", t.ItemSize, errdef.ErrNotAcceptable)
	}
	if t.Fields != nil {
		return compound(t)
	}
	order := byte(0)
	if t.Endianness == structure.Big {
		order = 1
	}
	switch t.Kind {
	case 'b':
		b := u32([]byte{version | classEnum, 2, 0, 0}, 1)
		b = append(b, integer(1, 0, true)...)
		return append(b, "FALSE\x00TRUE\x00\x00\x01"...), nil
	case 'i', 'u':
		return integer(t.ItemSize, order, t.Kind == 'i'), nil
	case 'f':
		return float(t.ItemSize, order)
	case 'c':
		part, err := float(t.ItemSize/2, order)
		if err != nil {
			return nil, err
		}
		b := u32([]byte{version | classCompound, 2, 0, 0}, t.ItemSize)
		b = append(append(b, "r\x00\x00"...), part...)
		return append(append(append(b, "i\x00"...), byte(t.ItemSize/2)), part...), nil
	case 'S':
		return u32([]byte{version | classString, 1, 0, 0}, t.ItemSize), nil
	case 'U':
		return u32([]byte{version | classString, 0x11, 0, 0}, t.ItemSize), nil
	case 'm', 'M':
		return opaque("NUMPY:"+t.String(), t.ItemSize), nil
	}
	return opaque("", t.ItemSize), nil
}

func integer(size int64, order byte, signed bool) []byte {
	if signed {
		order |= 8
	}
	b := u32([]byte{version | classInteger, order, 0, 0}, size)
	return u16(u16(b, 0), int(8*size))
}

// float is an IEEE number of 2, 4 or 8 bytes, or the 80 bits of x87 in 16.
func float(size int64, order byte) ([]byte, error) {
	form := map[int64]struct {
		sign, precision, at, exponent, mantissa int
		bias                                    int64
		implied                                 byte
	}{
		2: {15, 16, 10, 5, 10, 15, 0x20}, 4: {31, 32, 23, 8, 23, 127, 0x20}, 8: {63, 64, 52, 11, 52, 1023, 0x20},
		16: {79, 80, 64, 15, 64, 16383, 0},
	}
	f, ok := form[size]
	if !ok {
		return nil, fmt.Errorf("floats of %d bytes: %w", size, errdef.ErrNotAcceptable)
	}
	b := u32([]byte{version | classFloat, order | f.implied, byte(f.sign), 0}, size) //nolint:gosec // from the table
	b = u16(u16(b, 0), f.precision)
	return u32(append(b, byte(f.at), byte(f.exponent), 0, byte(f.mantissa)), f.bias), nil //nolint:gosec // from the table
}

func opaque(tag string, size int64) []byte {
	padded := append([]byte(tag), make([]byte, (8-len(tag)%8)%8)...)
	b := u32([]byte{version | classOpaque, byte(len(padded)), 0, 0}, size) //nolint:gosec // tags are short
	return append(b, padded...)
}

func objectReference() []byte { return u32([]byte{version | classRef, 0, 0, 0}, 8) }

// vlen is a sequence of base, or a text.
func vlen(base []byte, bits int) []byte {
	b := u16([]byte{version | classVlen}, bits)
	return append(u32(append(b, 0), 16), base...)
}

// compound is a structured type. Padding is left out of the members, and
// stays in the length.
func compound(t structure.DType) ([]byte, error) {
	width := 1
	for n := t.ItemSize; n > 255; n >>= 8 {
		width++
	}
	members, count, offset := []byte(nil), 0, int64(0)
	for _, field := range t.Fields {
		elements, ok := structure.DataSize(field.Shape, field.Type.ItemSize)
		if !ok {
			return nil, fmt.Errorf("field %.100q: too large: %w", field.Name, errdef.ErrNotAcceptable)
		}
		at := offset
		offset += elements
		if field.Name == "" || elements == 0 {
			continue
		}
		member, err := datatypeOf(field.Type)
		if err != nil {
			return nil, fmt.Errorf("field %.100q: %w", field.Name, err)
		}
		if len(field.Shape) > 0 {
			b := append(u32([]byte{version | classArray, 0, 0, 0}, elements), byte(len(field.Shape))) //nolint:gosec // few axes
			for _, extent := range field.Shape {
				b = u32(b, extent)
			}
			member = append(b, member...)
		}
		members = append(append(members, field.Name...), 0)
		members = append(members, binary.LittleEndian.AppendUint64(nil, uint64(at))[:width]...) //nolint:gosec // not negative
		members = append(members, member...)
		count++
	}
	if count == 0 || count > 65535 {
		return nil, fmt.Errorf("a structure of %d members: %w", count, errdef.ErrNotAcceptable)
	}
	b := u16([]byte{version | classCompound}, count)
	return append(u32(append(b, 0), t.ItemSize), members...), nil
}

// stored is how elements lie in the file: as they are, but for kind U, which
// takes as many bytes in UTF-8 as in UTF-32, or fewer.
func stored(t structure.DType, data []byte) []byte {
	switch {
	case t.Fields != nil && hasText(t):
		out := slices.Clone(data)
		for at := int64(0); at+t.ItemSize <= int64(len(out)); at += t.ItemSize {
			restructure(t, out[at:at+t.ItemSize])
		}
		return out
	case t.Fields != nil || t.Kind != 'U':
		return data
	}
	out := make([]byte, len(data))
	copy(out, data)
	recode(t, out)
	return out
}

func hasText(t structure.DType) bool {
	return t.Fields == nil && t.Kind == 'U' || slices.ContainsFunc(t.Fields, func(f structure.Field) bool { return hasText(f.Type) })
}

// restructure recodes the texts within one element.
func restructure(t structure.DType, element []byte) {
	for _, field := range t.Fields {
		size, _ := structure.DataSize(field.Shape, field.Type.ItemSize)
		part := element[:size]
		element = element[size:]
		switch {
		case field.Type.Fields == nil:
			if field.Type.Kind == 'U' {
				recode(field.Type, part)
			}
		case field.Type.ItemSize > 0:
			for ; len(part) > 0; part = part[field.Type.ItemSize:] {
				restructure(field.Type, part[:field.Type.ItemSize])
			}
		}
	}
}

// recode turns elements of kind U into UTF-8 where they lie.
func recode(t structure.DType, data []byte) {
	var order binary.ByteOrder = binary.LittleEndian
	if t.Endianness == structure.Big {
		order = binary.BigEndian
	}
	size := int(t.ItemSize)
	var text []byte
	for ; size > 0 && len(data) >= size; data = data[size:] {
		text = text[:0]
		for at := 0; at+4 <= size; at += 4 {
			r := order.Uint32(data[at:])
			if r == 0 && isZero(data[at:size]) {
				break
			}
			text = utf8.AppendRune(text, rune(min(r, utf8.MaxRune+1)))
		}
		clear(data[copy(data[:size], text):size])
	}
}

func isZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}
