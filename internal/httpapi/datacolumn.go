package httpapi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// columnKind is how the elements of an array stand in a column of a table.
type columnKind struct {
	dtype structure.DType
	arrow arrow.DataType
}

// columnOf finds the column for a data type. Complex numbers, long doubles,
// structures and uncommon units of time have none, as in Tiled:
// errdef.ErrNotAcceptable.
func columnOf(t structure.DType) (columnKind, error) {
	kinds := map[string]arrow.DataType{
		"b1": arrow.FixedWidthTypes.Boolean,
		"i1": arrow.PrimitiveTypes.Int8, "i2": arrow.PrimitiveTypes.Int16, "i4": arrow.PrimitiveTypes.Int32, "i8": arrow.PrimitiveTypes.Int64,
		"u1": arrow.PrimitiveTypes.Uint8, "u2": arrow.PrimitiveTypes.Uint16, "u4": arrow.PrimitiveTypes.Uint32, "u8": arrow.PrimitiveTypes.Uint64,
		"f2": arrow.FixedWidthTypes.Float16, "f4": arrow.PrimitiveTypes.Float32, "f8": arrow.PrimitiveTypes.Float64,
		"M8[s]": arrow.FixedWidthTypes.Timestamp_s, "M8[ms]": arrow.FixedWidthTypes.Timestamp_ms,
		"M8[us]": arrow.FixedWidthTypes.Timestamp_us, "M8[ns]": arrow.FixedWidthTypes.Timestamp_ns,
		"m8[s]": arrow.FixedWidthTypes.Duration_s, "m8[ms]": arrow.FixedWidthTypes.Duration_ms,
		"m8[us]": arrow.FixedWidthTypes.Duration_us, "m8[ns]": arrow.FixedWidthTypes.Duration_ns,
	}
	switch kind, ok := kinds[t.String()[1:]]; {
	case t.Fields == nil && t.Kind == 'S':
		return columnKind{t, arrow.BinaryTypes.Binary}, nil
	case t.Fields == nil && t.Kind == 'U':
		return columnKind{t, arrow.BinaryTypes.String}, nil
	case t.Fields == nil && ok && t.Kind == 'M': // numpy's have no time zone
		return columnKind{t, &arrow.TimestampType{Unit: kind.(*arrow.TimestampType).Unit}}, nil
	case t.Fields == nil && ok:
		return columnKind{t, kind}, nil
	}
	return columnKind{}, fmt.Errorf("elements of type %.80s cannot stand in a table; read it as an array: %w", t, errdef.ErrNotAcceptable)
}

// array makes a column of rows elements that lie in data. It may keep data.
func (k columnKind) array(elements []byte, rows int64) arrow.Array {
	n := int(rows)
	switch k.dtype.Kind {
	case 'b':
		bits := make([]byte, bitutil.BytesForBits(rows))
		for i, b := range elements {
			if b != 0 {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		return makeArray(k.arrow, n, 0, nil, bits)
	case 'S', 'U':
		return k.texts(elements, n)
	}
	if k.dtype.Endianness == structure.Big {
		elements = turned(elements, int(k.dtype.ItemSize))
	}
	if k.dtype.Kind != 'm' && k.dtype.Kind != 'M' {
		return makeArray(k.arrow, n, 0, nil, elements)
	}
	valid, nulls := make([]byte, bitutil.BytesForBits(rows)), 0
	for i := range n {
		if int64(binary.LittleEndian.Uint64(elements[8*i:])) == math.MinInt64 { // NaT
			nulls++
			continue
		}
		valid[i/8] |= 1 << (i % 8)
	}
	return makeArray(k.arrow, n, nulls, valid, elements)
}

// texts makes a column of fixed-size texts, which end where nothing but NULs
// follow.
func (k columnKind) texts(elements []byte, rows int) arrow.Array {
	size := int(k.dtype.ItemSize)
	ends, text := make([]byte, 4, 4*(rows+1)), []byte(nil)
	for i := range rows {
		item := elements[i*size : (i+1)*size]
		if k.dtype.Kind == 'S' {
			text = append(text, bytes.TrimRight(item, "\x00")...)
		} else {
			text = k.appendUnicode(text, item)
		}
		ends = binary.LittleEndian.AppendUint32(ends, uint32(len(text)))
	}
	return makeArray(k.arrow, rows, 0, nil, ends, text)
}

// appendUnicode appends an element of kind U as UTF-8.
func (k columnKind) appendUnicode(text, item []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	if k.dtype.Endianness == structure.Big {
		order = binary.BigEndian
	}
	for len(item) >= 4 && order.Uint32(item[len(item)-4:]) == 0 {
		item = item[:len(item)-4]
	}
	for ; len(item) >= 4; item = item[4:] {
		text = utf8.AppendRune(text, rune(min(order.Uint32(item), utf8.MaxRune+1)))
	}
	return text
}

func makeArray(t arrow.DataType, rows, nulls int, valid []byte, parts ...[]byte) arrow.Array {
	buffers := []*memory.Buffer{nil}
	if valid != nil {
		buffers[0] = memory.NewBufferBytes(valid)
	}
	for _, p := range parts {
		buffers = append(buffers, memory.NewBufferBytes(p))
	}
	data := array.NewData(t, rows, buffers, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// turned returns a copy of the elements in the other byte order.
func turned(elements []byte, size int) []byte {
	out := slices.Clone(elements)
	for i := 0; i+size <= len(out); i += size {
		slices.Reverse(out[i : i+size])
	}
	return out
}
