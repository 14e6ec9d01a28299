package column

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// write puts rows [from, to) of a into out, in the form f. A value that does
// not fit is errdef.ErrChanged: the column is not the one that was looked at.
func (f form) write(out []byte, a arrow.Array, from, to int) error {
	a = plain(a)
	at := func(i int) int { return i }
	if d, ok := a.(*array.Dictionary); ok {
		a = plain(d.Dictionary())
		at = func(i int) int {
			if d.IsNull(i) {
				return -1
			}
			return d.GetValueIndex(i)
		}
	} else if list, ok := a.(array.ListLike); ok {
		return f.writeLists(out, list, from, to)
	}
	put, err := f.putter(a)
	if err != nil {
		return err
	}
	size := int(f.dtype.ItemSize)
	for i := from; i < to; i++ {
		if !put(out[:size], at(i)) {
			return fmt.Errorf("row %d does not fit %s: %w", i, f.dtype, errdef.ErrChanged)
		}
		out = out[size:]
	}
	return nil
}

func (f form) writeLists(out []byte, list array.ListLike, from, to int) error {
	if from == to {
		return nil
	}
	first, _ := list.ValueOffsets(from)
	_, last := list.ValueOffsets(to - 1)
	if last-first != f.list*int64(to-from) {
		return fmt.Errorf("lists are not of %d values: %w", f.list, errdef.ErrChanged)
	}
	elements := f
	elements.list = -1
	return elements.write(out, list.ListValues(), int(first), int(last))
}

// putter writes one value; a negative index is a missing one. It says false if
// the value does not fit.
type putter func(out []byte, i int) bool

func (f form) putter(a arrow.Array) (putter, error) {
	null := func(i int) bool { return i < 0 || a.IsNull(i) }
	switch f.dtype.Kind {
	case 'U':
		return func(out []byte, i int) bool { return putText(out, textOf(a, i, f.missing)) }, nil
	case 'S':
		return func(out []byte, i int) bool {
			value := bytesOf(a, i)
			clear(out[copy(out, value):])
			return len(value) <= len(out)
		}, nil
	case 'b':
		bits, ok := a.(*array.Boolean)
		return func(out []byte, i int) bool {
			out[0] = 0
			if !null(i) && bits.Value(i) {
				out[0] = 1
			}
			return !null(i)
		}, wrong(ok, a)
	}
	if f.dtype.Kind == 'f' && integer(a.DataType()) {
		return f.integers(a, null)
	}
	return f.numbers(a, null)
}

const quietNaN = 0x7ff8000000000000

// integers become float64.
func (f form) integers(a arrow.Array, null func(int) bool) (putter, error) {
	value, err := integerOf(a)
	return func(out []byte, i int) bool {
		x := math.Float64frombits(quietNaN) // numpy's, math.NaN has another payload
		if !null(i) {
			x = value(i)
		}
		binary.LittleEndian.PutUint64(out, math.Float64bits(x))
		return true
	}, err
}

// numbers keep their bytes; those of dates get wider.
func (f form) numbers(a arrow.Array, null func(int) bool) (putter, error) {
	fixed, ok := a.DataType().(arrow.FixedWidthDataType)
	buffers := a.Data().Buffers()
	if !ok || len(buffers) < 2 || buffers[1] == nil && a.Len() > 0 {
		return nil, wrong(false, a)
	}
	width, offset := fixed.BitWidth()/8, a.Data().Offset()
	var data []byte
	if buffers[1] != nil {
		data = buffers[1].Bytes()
	}
	missing, has := f.notANumber()
	days := a.DataType().ID() == arrow.DATE32
	if !days && width != int(f.dtype.ItemSize) {
		return nil, wrong(false, a)
	}
	return func(out []byte, i int) bool {
		if null(i) {
			copy(out, missing)
			return has
		}
		value := data[(offset+i)*width : (offset+i+1)*width]
		if days {
			binary.LittleEndian.PutUint64(out, uint64(int64(int32(binary.LittleEndian.Uint32(value)))))
			return true
		}
		copy(out, value)
		return true
	}, nil
}

// notANumber is the value that stands for a missing one, if there is one.
func (f form) notANumber() ([]byte, bool) {
	switch {
	case f.dtype.Kind == 'M' || f.dtype.Kind == 'm':
		return binary.LittleEndian.AppendUint64(nil, 1<<63), true
	case f.dtype.Kind != 'f':
		return nil, false
	case f.dtype.ItemSize == 2:
		return binary.LittleEndian.AppendUint16(nil, 0x7e00), true
	case f.dtype.ItemSize == 4:
		return binary.LittleEndian.AppendUint32(nil, 0x7fc00000), true
	default:
		return binary.LittleEndian.AppendUint64(nil, quietNaN), true
	}
}

func wrong(ok bool, a arrow.Array) error {
	if ok {
		return nil
	}
	return fmt.Errorf("the column is now of %s: %w", a.DataType(), errdef.ErrChanged)
}

// integerOf reads integers as floats.
func integerOf(a arrow.Array) (func(i int) float64, error) {
	switch a := a.(type) {
	case *array.Int8:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Int16:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Int32:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Int64:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Uint8:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Uint16:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Uint32:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Uint64:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	}
	return nil, wrong(false, a)
}

// putText writes UTF-32, filled up with zeros.
func putText(out []byte, text string) bool {
	for _, r := range text {
		if len(out) < 4 {
			return false
		}
		binary.LittleEndian.PutUint32(out, uint32(r))
		out = out[4:]
	}
	clear(out)
	return true
}

// textOf is what Python's str gives for a value.
func textOf(a arrow.Array, i int, missing string) string {
	if i < 0 || a.IsNull(i) {
		return missing
	}
	switch a := a.(type) {
	case *array.Null:
		return missing
	case *array.String:
		return a.Value(i)
	case *array.LargeString:
		return a.Value(i)
	case *array.StringView:
		return a.Value(i)
	case *array.Boolean:
		if a.Value(i) {
			return "True"
		}
		return "False"
	case *array.Time32:
		return clock(a.Value(i).ToTime(a.DataType().(*arrow.Time32Type).Unit))
	case *array.Time64:
		return clock(a.Value(i).ToTime(a.DataType().(*arrow.Time64Type).Unit))
	default:
		return decimalOf(a, i)
	}
}

// decimalOf writes all digits that the type has, as Python does.
func decimalOf(a arrow.Array, i int) string {
	t, ok := a.DataType().(arrow.DecimalType)
	if !ok {
		return a.ValueStr(i)
	}
	switch a := a.(type) {
	case *array.Decimal32:
		return a.Value(i).ToString(t.GetScale())
	case *array.Decimal64:
		return a.Value(i).ToString(t.GetScale())
	case *array.Decimal128:
		return a.Value(i).ToString(t.GetScale())
	case *array.Decimal256:
		return a.Value(i).ToString(t.GetScale())
	}
	return a.ValueStr(i)
}

// clock writes a time of day as Python does, to the microsecond.
func clock(t time.Time) string {
	if t.Nanosecond()/1000 == 0 {
		return t.Format(time.TimeOnly)
	}
	return t.Format("15:04:05.000000")
}

// bytesOf is a value of bytes; nothing if it is missing.
func bytesOf(a arrow.Array, i int) []byte {
	if i < 0 || a.IsNull(i) {
		return nil
	}
	if b, ok := a.(interface{ Value(int) []byte }); ok {
		return b.Value(i)
	}
	return nil
}
