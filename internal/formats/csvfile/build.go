package csvfile

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowType is the type of a column. Text has 64-bit offsets, as Tiled says.
func (k kind) arrowType() arrow.DataType {
	switch k {
	case kindInt:
		return arrow.PrimitiveTypes.Int64
	case kindUint:
		return arrow.PrimitiveTypes.Uint64
	case kindFloat:
		return arrow.PrimitiveTypes.Float64
	case kindBool:
		return arrow.FixedWidthTypes.Boolean
	default:
		return arrow.BinaryTypes.LargeString
	}
}

// size is that of a column in memory, from its rows and its bytes of text.
func (k kind) size(rows, text int64) int64 {
	bits := bitutil.BytesForBits(rows)
	switch k {
	case kindInt, kindUint:
		return 8 * rows
	case kindFloat:
		return 8*rows + bits
	case kindBool:
		return 2 * bits
	default:
		return 8*(rows+1) + bits + text
	}
}

// builder makes a column of the values that it is given, in memory of the
// garbage collector.
type builder struct {
	field  int
	kind   kind
	latin1 bool

	rows, nulls int
	valid       []byte // bits
	bits        []byte // of bools
	ints        []int64
	uints       []uint64
	floats      []float64
	ends        []int64
	text        []byte
}

func (b *builder) grow(rows int64) {
	switch b.kind {
	case kindInt:
		b.ints = make([]int64, 0, rows)
	case kindUint:
		b.uints = make([]uint64, 0, rows)
	case kindFloat:
		b.floats = make([]float64, 0, rows)
	case kindBool:
		b.bits = make([]byte, 0, bitutil.BytesForBits(rows))
	default:
		b.ends = make([]int64, 1, rows+1)
	}
	b.valid = make([]byte, 0, bitutil.BytesForBits(rows))
}

// add appends a value; false says that the column is of another type.
func (b *builder) add(value string) (ok bool) {
	if b.rows%8 == 0 {
		b.valid = append(b.valid, 0)
	}
	null := !b.number() && b.kind != kindVerbatim && missing(value)
	ok = true
	switch b.kind {
	case kindInt:
		var n int64
		n, ok = parseInt(value)
		b.ints = append(b.ints, n)
	case kindUint:
		var n uint64
		n, ok = parseUint(value)
		b.uints = append(b.uints, n)
	case kindFloat:
		var f float64
		if f, ok = parseFloat(value); !ok {
			null = missing(value)
			ok = null
		}
		b.floats = append(b.floats, f)
	case kindBool:
		ok = b.addBool(value, null)
	default:
		b.addText(value, null)
	}
	if null {
		b.nulls++
	} else {
		b.valid[b.rows/8] |= 1 << (b.rows % 8)
	}
	b.rows++
	return ok
}

// number says that missing values are looked for only where no number is.
func (b *builder) number() bool {
	return b.kind == kindInt || b.kind == kindUint || b.kind == kindFloat
}

func (b *builder) addBool(value string, null bool) bool {
	if b.rows%8 == 0 {
		b.bits = append(b.bits, 0)
	}
	is, ok := truth(value)
	if is {
		b.bits[b.rows/8] |= 1 << (b.rows % 8)
	}
	return ok || null
}

func (b *builder) addText(value string, null bool) {
	if b.latin1 {
		value = fromLatin1(value)
	}
	if !null {
		b.text = append(b.text, value...)
	}
	b.ends = append(b.ends, int64(len(b.text)))
}

func (b *builder) array() arrow.Array {
	buffers := []*memory.Buffer{nil}
	if b.nulls > 0 {
		buffers[0] = memory.NewBufferBytes(b.valid)
	}
	add := func(data []byte) { buffers = append(buffers, memory.NewBufferBytes(data)) }
	switch b.kind {
	case kindInt:
		add(arrow.Int64Traits.CastToBytes(b.ints))
	case kindUint:
		add(arrow.Uint64Traits.CastToBytes(b.uints))
	case kindFloat:
		add(arrow.Float64Traits.CastToBytes(b.floats))
	case kindBool:
		add(b.bits)
	default:
		add(arrow.Int64Traits.CastToBytes(b.ends))
		add(b.text)
	}
	return array.MakeFromData(array.NewData(b.kind.arrowType(), b.rows, buffers, nil, b.nulls, 0))
}
