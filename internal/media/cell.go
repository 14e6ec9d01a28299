package media

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/internal/document"
)

// cells writes the values of one Arrow array as text.
type cells struct {
	// missing says whether a row has no value. NaN is none, as in pandas.
	missing func(row int) bool
	// write appends the value of a row that is not missing, as JSON or as
	// plain text.
	write func(dst []byte, row int) []byte
}

// append writes one value as JSON, null if it is missing.
func (c cells) append(dst []byte, row int) []byte {
	if c.missing(row) {
		return append(dst, "null"...)
	}
	return c.write(dst, row)
}

// cellsOf makes the cells of an array. In text, dates are printed with the
// precision that the array needs as a whole, as pandas does it.
func cellsOf(a arrow.Array, form notation) cells {
	c := cells{missing: a.IsNull}
	switch v := a.(type) {
	case *array.Null:
		c.missing = func(int) bool { return true }
	case *array.Boolean:
		c.write = func(dst []byte, row int) []byte { return document.AppendBool(dst, v.Value(row)) }
		if form != inJSON {
			c.write = func(dst []byte, row int) []byte { return document.AppendPythonBool(dst, v.Value(row)) }
		}
	case *array.Float16:
		return floatCells(a, form, 16, func(row int) float64 { return float64(v.Value(row).Float32()) })
	case *array.Float32:
		return floatCells(a, form, 32, func(row int) float64 { return float64(v.Value(row)) })
	case *array.Float64:
		return floatCells(a, form, 64, v.Value)
	case array.ExtensionArray:
		return cellsOf(v.Storage(), form)
	case *array.Dictionary:
		inner := cellsOf(v.Dictionary(), form)
		c.missing = func(row int) bool { return v.IsNull(row) || inner.missing(v.GetValueIndex(row)) }
		c.write = func(dst []byte, row int) []byte { return inner.write(dst, v.GetValueIndex(row)) }
	default:
		c.write = scalarWriter(a, form)
	}
	return c
}

// scalarWriter knows the types without missing values of their own.
func scalarWriter(a arrow.Array, form notation) func(dst []byte, row int) []byte {
	if write := integerWriter(a); write != nil {
		return write
	}
	if write := textWriter(a, form); write != nil {
		return write
	}
	if write := timeWriter(a, form); write != nil {
		return write
	}
	if write := nestedWriter(a); write != nil {
		return write
	}
	if form == inJSON {
		return func(dst []byte, row int) []byte { return document.AppendString(dst, a.ValueStr(row)) }
	}
	return func(dst []byte, row int) []byte { return append(dst, a.ValueStr(row)...) }
}

// quoted puts text that needs no escapes between quotes in JSON.
func quoted(form notation, write func(dst []byte, row int) []byte) func(dst []byte, row int) []byte {
	if form != inJSON {
		return write
	}
	return func(dst []byte, row int) []byte { return append(write(append(dst, '"'), row), '"') }
}

// floatCells writes floats as Tiled does: in JSON what Python's float makes of
// them, in text what numpy prints.
func floatCells(a arrow.Array, form notation, bits int, value func(int) float64) cells {
	c := cells{missing: func(row int) bool { return a.IsNull(row) || math.IsNaN(value(row)) }}
	c.write = func(dst []byte, row int) []byte { return document.AppendFloat(dst, value(row), 64) }
	if form != inJSON {
		c.write = func(dst []byte, row int) []byte { return document.AppendPythonFloat(dst, value(row), bits) }
	}
	return c
}

func integerWriter(a arrow.Array) func(dst []byte, row int) []byte {
	switch v := a.(type) {
	case *array.Int8:
		return func(dst []byte, row int) []byte { return document.AppendInt(dst, int64(v.Value(row))) }
	case *array.Int16:
		return func(dst []byte, row int) []byte { return document.AppendInt(dst, int64(v.Value(row))) }
	case *array.Int32:
		return func(dst []byte, row int) []byte { return document.AppendInt(dst, int64(v.Value(row))) }
	case *array.Int64:
		return func(dst []byte, row int) []byte { return document.AppendInt(dst, v.Value(row)) }
	case *array.Uint8:
		return func(dst []byte, row int) []byte { return document.AppendUint(dst, uint64(v.Value(row))) }
	case *array.Uint16:
		return func(dst []byte, row int) []byte { return document.AppendUint(dst, uint64(v.Value(row))) }
	case *array.Uint32:
		return func(dst []byte, row int) []byte { return document.AppendUint(dst, uint64(v.Value(row))) }
	case *array.Uint64:
		return func(dst []byte, row int) []byte { return document.AppendUint(dst, v.Value(row)) }
	default:
		return decimalWriter(a)
	}
}

// decimalWriter writes numbers with all digits of their scale.
func decimalWriter(a arrow.Array) func(dst []byte, row int) []byte {
	kind, ok := a.DataType().(arrow.DecimalType)
	if !ok {
		return nil
	}
	scale := kind.GetScale()
	switch v := a.(type) {
	case *array.Decimal32:
		return func(dst []byte, row int) []byte { return append(dst, v.Value(row).ToString(scale)...) }
	case *array.Decimal64:
		return func(dst []byte, row int) []byte { return append(dst, v.Value(row).ToString(scale)...) }
	case *array.Decimal128:
		return func(dst []byte, row int) []byte { return append(dst, v.Value(row).ToString(scale)...) }
	case *array.Decimal256:
		return func(dst []byte, row int) []byte { return append(dst, v.Value(row).ToString(scale)...) }
	default:
		return nil
	}
}

// stringy and bytesy are what all string and bytes arrays can do.
type (
	stringy interface{ Value(row int) string }
	bytesy  interface{ Value(row int) []byte }
)

func textWriter(a arrow.Array, form notation) func(dst []byte, row int) []byte {
	switch v := a.(type) {
	case stringy:
		if form == inJSON {
			return func(dst []byte, row int) []byte { return document.AppendString(dst, v.Value(row)) }
		}
		return func(dst []byte, row int) []byte { return append(dst, v.Value(row)...) }
	case bytesy:
		if form == inJSON {
			return func(dst []byte, row int) []byte { return appendBytesAsText(dst, v.Value(row)) }
		}
		return func(dst []byte, row int) []byte { return appendPythonBytes(dst, v.Value(row)) }
	default:
		return nil
	}
}

// appendBytesAsText writes bytes as a JSON string: UTF-8 if it is, else latin-1.
func appendBytesAsText(dst, data []byte) []byte {
	if utf8.Valid(data) {
		return document.AppendString(dst, data)
	}
	text := make([]byte, 0, 2*len(data))
	for _, c := range data {
		text = utf8.AppendRune(text, rune(c))
	}
	return document.AppendString(dst, text)
}

// nestedWriter writes lists as lists, structs and maps as objects, in JSON
// whatever the form: a cell has no other notation for them.
func nestedWriter(a arrow.Array) func(dst []byte, row int) []byte {
	switch v := a.(type) {
	case *array.Map:
		keys, items := cellsOf(v.Keys(), inText), cellsOf(v.Items(), inJSON)
		return func(dst []byte, row int) []byte {
			start, end := v.ValueOffsets(row)
			dst = append(dst, '{')
			for i := start; i < end; i++ {
				if i > start {
					dst = append(dst, ',')
				}
				dst = append(document.AppendString(dst, keys.write(nil, int(i))), ':')
				dst = items.append(dst, int(i))
			}
			return append(dst, '}')
		}
	case array.ListLike:
		items := cellsOf(v.ListValues(), inJSON)
		return func(dst []byte, row int) []byte {
			start, end := v.ValueOffsets(row)
			dst = append(dst, '[')
			for i := start; i < end; i++ {
				if i > start {
					dst = append(dst, ',')
				}
				dst = items.append(dst, int(i))
			}
			return append(dst, ']')
		}
	case *array.Struct:
		return structCells(v)
	default:
		return nil
	}
}

func structCells(v *array.Struct) func(dst []byte, row int) []byte {
	fields := v.DataType().(*arrow.StructType).Fields()
	members := make([]cells, len(fields))
	for i := range members {
		members[i] = cellsOf(v.Field(i), inJSON)
	}
	return func(dst []byte, row int) []byte {
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(document.AppendString(dst, fields[i].Name), ':')
			dst = m.append(dst, row)
		}
		return append(dst, '}')
	}
}

// timeOf is the time of a row of a timestamp array, in its zone. A zone that
// this machine does not know is taken for UTC.
func timeOf(v *array.Timestamp) func(row int) time.Time {
	kind := v.DataType().(*arrow.TimestampType)
	zone, err := kind.GetZone()
	if err != nil || zone == nil {
		zone = time.UTC
	}
	return func(row int) time.Time { return v.Value(row).ToTime(kind.Unit).In(zone) }
}
