package excelfile

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowType is the type of a column. Text has 64-bit offsets, times are
// nanoseconds, as Tiled says.
func (k columnKind) arrowType() arrow.DataType {
	switch k {
	case kindInt:
		return arrow.PrimitiveTypes.Int64
	case kindUint:
		return arrow.PrimitiveTypes.Uint64
	case kindFloat:
		return arrow.PrimitiveTypes.Float64
	case kindBool:
		return arrow.FixedWidthTypes.Boolean
	case kindDate:
		return &arrow.TimestampType{Unit: arrow.Nanosecond}
	case kindSpan:
		return arrow.FixedWidthTypes.Duration_ns
	default:
		return arrow.BinaryTypes.LargeString
	}
}

// size is that of a column in memory, from its rows and its bytes of text.
func (k columnKind) size(rows, text int64) int64 {
	bits := bitutil.BytesForBits(rows)
	switch k {
	case kindBool:
		return 2 * bits
	case kindText, kindTruth:
		return 8*(rows+1) + bits + text
	default:
		return 8*rows + bits
	}
}

// builder makes a column of the cells that it is given, in memory of the
// garbage collector.
type builder struct {
	column int
	kind   columnKind

	rows, nulls int
	valid       []byte // bits
	words       []byte // of 8 bytes: numbers, or ends of texts
	text        []byte
	// first says for 0 and 1 what came first in a column of text, a number or
	// a bool: pandas takes the later for the same and writes it alike.
	first [2]cellKind
}

// skip appends nulls.
func (b *builder) skip(rows int64) {
	for range rows {
		b.put(0, false)
	}
}

// put appends a value of 8 bytes.
func (b *builder) put(word uint64, valid bool) {
	if b.rows%8 == 0 {
		b.valid = append(b.valid, 0)
	}
	if valid {
		b.valid[b.rows/8] |= 1 << (b.rows % 8)
	} else {
		b.nulls++
	}
	b.rows++
	switch b.kind {
	case kindBool:
		if (b.rows-1)%8 == 0 {
			b.words = append(b.words, 0)
		}
		b.words[(b.rows-1)/8] |= byte(word) << ((b.rows - 1) % 8)
		return
	case kindText, kindTruth:
		if len(b.words) == 0 {
			b.words = append(b.words, make([]byte, 8)...)
		}
		word = uint64(len(b.text))
	default:
	}
	for i := range 8 {
		b.words = append(b.words, byte(word>>(8*i)))
	}
}

// add appends a cell; false says that it is not of the column's type.
func (b *builder) add(c *cell) bool {
	if c.kind == cellError || c.kind == cellText && missing(c.text) {
		b.put(0, false)
		return b.kind != kindInt && b.kind != kindUint && b.kind != kindBool
	}
	switch b.kind {
	case kindDate, kindSpan:
		b.put(uint64(c.number*1000), true)
		return b.kind == kindDate && c.kind == cellDate || b.kind == kindSpan && c.kind == cellSpan
	case kindText:
		b.addText(c)
		return true
	default:
	}
	value := *c
	if c.kind == cellText {
		is, ok := truth(c.text)
		if ok {
			value = cell{kind: cellBool}
			if is {
				value.number = 1
			}
		} else if value, ok = numeric(c.text); !ok {
			return false
		}
	}
	switch b.kind {
	case kindTruth:
		b.text = append(b.text, value.String()...)
		b.put(0, true)
		return value.kind == cellBool
	case kindFloat:
		b.put(math.Float64bits(value.asFloat()), true)
	default:
		b.put(uint64(value.number), true)
	}
	return b.fits(value.kind)
}

// fits says whether a column of this type may have such a value.
func (b *builder) fits(kind cellKind) bool {
	switch b.kind {
	case kindBool:
		return kind == cellBool
	case kindInt:
		return kind == cellInt || kind == cellBool
	case kindUint:
		return kind == cellInt || kind == cellUint || kind == cellBool
	default:
		return kind == cellInt || kind == cellUint || kind == cellFloat || kind == cellBool
	}
}

func (b *builder) addText(c *cell) {
	if (c.kind == cellInt || c.kind == cellBool) && (c.number == 0 || c.number == 1) {
		if b.first[c.number] == cellEmpty {
			b.first[c.number] = c.kind
		}
		alike := *c
		alike.kind = b.first[c.number]
		c = &alike
	}
	b.text = append(b.text, c.String()...)
	b.put(0, true)
}

func (c *cell) asFloat() float64 {
	switch c.kind {
	case cellInt, cellBool:
		return float64(c.number)
	case cellUint:
		return float64(uint64(c.number))
	default:
		return c.float
	}
}

func (b *builder) array() arrow.Array {
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(b.words)}
	if b.nulls > 0 {
		buffers[0] = memory.NewBufferBytes(b.valid)
	}
	if b.kind == kindText || b.kind == kindTruth {
		if len(b.words) == 0 {
			buffers[1] = memory.NewBufferBytes(make([]byte, 8))
		}
		buffers = append(buffers, memory.NewBufferBytes(b.text))
	}
	data := array.NewData(b.kind.arrowType(), b.rows, buffers, nil, b.nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}
