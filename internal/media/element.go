package media

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/structure"
)

// notation is how the elements of an array are written as text.
type notation int

const (
	// inJSON is what Tiled's JSON has, where it has something.
	inJSON notation = iota
	// inText is what numpy's str gives: one cell of a CSV.
	inText
	// inRepr is what stands inside a tuple or list in text.
	inRepr
)

// writer appends one element, given its bytes.
type writer func(dst, item []byte) []byte

// writerOf makes the writer for a data type. It knows every type that
// structure knows; numbers that have no form in JSON are written as
//
//	complex                 [re, im]
//	timedelta               the count of its units
//	datetime before year 0  as ISO 8601 writes it, with a sign
//	NaT                     null
func writerOf(t structure.DType, form notation) writer {
	if t.Fields != nil {
		return structWriter(t, form)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if t.Endianness == structure.Big {
		order = binary.BigEndian
	}
	switch t.Kind {
	case 'b':
		if form == inJSON {
			return func(dst, item []byte) []byte { return document.AppendBool(dst, item[0] != 0) }
		}
		return func(dst, item []byte) []byte { return document.AppendPythonBool(dst, item[0] != 0) }
	case 'i', 'u':
		return intWriter(t, order)
	case 'f':
		return floatWriter(int(t.ItemSize), order, form)
	case 'c':
		return complexWriter(int(t.ItemSize), order, form)
	case 'M':
		return dateWriter(t, order, form)
	case 'm':
		return deltaWriter(t, order, form)
	case 'U':
		return unicodeWriter(order, form)
	case 'S':
		return func(dst, item []byte) []byte { return appendBytes(dst, trim(item), form, false) }
	default:
		return func(dst, item []byte) []byte { return appendBytes(dst, item, form, true) }
	}
}

func intWriter(t structure.DType, order binary.ByteOrder) writer {
	switch string(t.Kind) + string(rune('0'+t.ItemSize)) {
	case "i1":
		return func(dst, item []byte) []byte { return document.AppendInt(dst, int64(int8(item[0]))) }
	case "i2":
		return func(dst, item []byte) []byte { return document.AppendInt(dst, int64(int16(order.Uint16(item)))) }
	case "i4":
		return func(dst, item []byte) []byte { return document.AppendInt(dst, int64(int32(order.Uint32(item)))) }
	case "i8":
		return func(dst, item []byte) []byte { return document.AppendInt(dst, int64(order.Uint64(item))) }
	case "u1":
		return func(dst, item []byte) []byte { return document.AppendUint(dst, uint64(item[0])) }
	case "u2":
		return func(dst, item []byte) []byte { return document.AppendUint(dst, uint64(order.Uint16(item))) }
	case "u4":
		return func(dst, item []byte) []byte { return document.AppendUint(dst, uint64(order.Uint32(item))) }
	default:
		return func(dst, item []byte) []byte { return document.AppendUint(dst, order.Uint64(item)) }
	}
}

// floatOf returns how to read a float of so many bytes, and the width that its
// text has to read back in.
func floatOf(size int, order binary.ByteOrder) (read func([]byte) float64, bits int) {
	switch size {
	case 2:
		return func(item []byte) float64 { return document.FromHalf(order.Uint16(item)) }, 16
	case 4:
		return func(item []byte) float64 { return float64(math.Float32frombits(order.Uint32(item))) }, 32
	case 8:
		return func(item []byte) float64 { return math.Float64frombits(order.Uint64(item)) }, 64
	default:
		if order == binary.ByteOrder(binary.BigEndian) {
			return func(item []byte) float64 {
				return document.FromExtended(order.Uint64(item[8:]), order.Uint16(item[6:]))
			}, 64
		}
		return func(item []byte) float64 { return document.FromExtended(order.Uint64(item), order.Uint16(item[8:])) }, 64
	}
}

func floatWriter(size int, order binary.ByteOrder, form notation) writer {
	read, bits := floatOf(size, order)
	if form == inJSON {
		bits = max(bits, 32) // orjson has no narrower floats
		return func(dst, item []byte) []byte { return document.AppendFloat(dst, read(item), bits) }
	}
	return func(dst, item []byte) []byte { return document.AppendPythonFloat(dst, read(item), bits) }
}

func complexWriter(size int, order binary.ByteOrder, form notation) writer {
	half := size / 2
	read, bits := floatOf(half, order)
	if form == inJSON {
		return func(dst, item []byte) []byte {
			dst = append(document.AppendFloat(append(dst, '['), read(item), bits), ',')
			return append(document.AppendFloat(dst, read(item[half:]), bits), ']')
		}
	}
	// numpy.savetxt writes (re+imj) with a blank before it.
	return func(dst, item []byte) []byte {
		if form == inText {
			dst = append(dst, ' ')
		}
		dst = document.AppendPythonFloat(append(dst, '('), read(item), bits)
		sign := len(dst)
		dst = document.AppendPythonFloat(append(dst, '+'), read(item[half:]), bits)
		if dst[sign+1] == '-' {
			dst = append(dst[:sign], dst[sign+1:]...)
		}
		return append(dst, 'j', ')')
	}
}

// trim cuts the NULs off that pad fixed strings.
func trim(item []byte) []byte {
	for len(item) > 0 && item[len(item)-1] == 0 {
		item = item[:len(item)-1]
	}
	return item
}

// appendBytes writes bytes as a data URI, or as Python's repr; void prints
// every byte of it as an escape.
func appendBytes(dst, item []byte, form notation, void bool) []byte {
	if form == inJSON {
		return document.AppendDataURI(dst, item)
	}
	if !void {
		return appendPythonBytes(dst, item)
	}
	const upper = "0123456789ABCDEF"
	dst = append(dst, 'b', '\'')
	for _, c := range item {
		dst = append(dst, '\\', 'x', upper[c>>4], upper[c&15])
	}
	return append(dst, '\'')
}

// appendPythonBytes writes the repr of bytes.
func appendPythonBytes(dst, data []byte) []byte {
	const lower = "0123456789abcdef"
	quote := byte('\'')
	for _, c := range data {
		if c == '"' {
			quote = '\''
			break
		}
		if c == '\'' {
			quote = '"'
		}
	}
	dst = append(dst, 'b', quote)
	for _, c := range data {
		switch {
		case c == quote || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ' || c >= 0x7f:
			dst = append(dst, '\\', 'x', lower[c>>4], lower[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, quote)
}

// unicodeWriter writes UCS-4 strings; what is no character becomes U+FFFD.
func unicodeWriter(order binary.ByteOrder, form notation) writer {
	var scratch []byte
	return func(dst, item []byte) []byte {
		scratch = scratch[:0]
		end := len(item) / 4
		for end > 0 && order.Uint32(item[4*end-4:]) == 0 {
			end--
		}
		for i := range end {
			// Beyond int32 is no character either, and AppendRune says so.
			scratch = utf8.AppendRune(scratch, rune(order.Uint32(item[4*i:])))
		}
		switch form {
		case inJSON:
			return document.AppendString(dst, scratch)
		case inRepr:
			return append(append(append(dst, '\''), scratch...), '\'')
		default:
			return append(dst, scratch...)
		}
	}
}

// structWriter writes the members of a structured element: as a list in JSON,
// as Python prints a tuple in text.
func structWriter(t structure.DType, form notation) writer {
	inner := inRepr
	open, closing, comma := byte('('), byte(')'), ", "
	if form == inJSON {
		inner, open, closing, comma = inJSON, '[', ']', ","
	}
	members := membersOf(t, inner)
	return func(dst, item []byte) []byte {
		dst = append(dst, open)
		for i, m := range members {
			if i > 0 {
				dst = append(dst, comma...)
			}
			dst = m.write(dst, item[m.from:m.to])
		}
		if form != inJSON && len(members) == 1 {
			dst = append(dst, ',')
		}
		return append(dst, closing)
	}
}

// member is one field of a structured element.
type member struct {
	from, to int
	write    writer
}

func membersOf(t structure.DType, form notation) []member {
	members := make([]member, 0, len(t.Fields))
	at := 0
	for _, field := range t.Fields {
		count := 1
		for _, extent := range field.Shape {
			count *= int(extent)
		}
		size := count * int(field.Type.ItemSize)
		write := writerOf(field.Type, form)
		for i := len(field.Shape) - 1; i >= 0; i-- {
			write = listWriter(write, int(field.Shape[i]), form)
		}
		members = append(members, member{from: at, to: at + size, write: write})
		at += size
	}
	return members
}

// listWriter writes count equal parts of an item as a list.
func listWriter(write writer, count int, form notation) writer {
	comma := map[notation]string{inJSON: ",", inText: " ", inRepr: ", "}[form]
	return func(dst, item []byte) []byte {
		dst = append(dst, '[')
		for i := range count {
			if i > 0 {
				dst = append(dst, comma...)
			}
			size := len(item) / count
			dst = write(dst, item[i*size:(i+1)*size])
		}
		return append(dst, ']')
	}
}
