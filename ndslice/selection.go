package ndslice

import (
	"fmt"
	"math"
	"strconv"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// An Axis is a normalised selection along one axis: element j, for j in
// [0, Count), is at Start + j*Step.
//
// It has one form: Start is 0 where Count is 0, Step is 1 where Count is at
// most 1. So equal selections are equal values.
type Axis struct {
	Start, Step, Count int64
	// Index says that Count is 1 and the axis is dropped from the result.
	Index bool
}

// canonical gives the axis its one form.
func (a Axis) canonical() Axis {
	if a.Count == 0 {
		a.Start = 0
	}
	if a.Count <= 1 {
		a.Step = 1
	}
	return a
}

// last is where the last element is; Count must not be 0.
func (a Axis) last() int64 { return a.Start + (a.Count-1)*a.Step }

// sub is the axis that takes elements first, first+1, … first+count-1 of a.
func (a Axis) sub(first, count int64) Axis {
	return Axis{Start: a.Start + first*a.Step, Step: a.Step, Count: count, Index: a.Index}.canonical()
}

// A Selection is a normalised slice, one Axis per axis of the shape that it
// belongs to. It is immutable by convention: methods return new ones.
type Selection []Axis

// All selects everything of shape.
func All(shape []int64) Selection {
	selection := make(Selection, len(shape))
	for i, extent := range shape {
		selection[i] = Axis{Step: 1, Count: extent}
	}
	return selection
}

// OfBlock is the selection of one advertised chunk, given the extents of all
// chunks along each axis, which need not be regular. Its axes are never
// dropped. A chunk that does not exist, or an index of another number of
// axes, is [errdef.ErrUnprocessable].
func OfBlock(chunks [][]int64, block []int64) (Selection, error) {
	if len(block) != len(chunks) {
		return nil, fmt.Errorf("block: %d numbers for an array of %d axes: %w",
			len(block), len(chunks), errdef.ErrUnprocessable)
	}
	selection := make(Selection, len(chunks))
	for i, index := range block {
		if index < 0 || index >= int64(len(chunks[i])) {
			return nil, fmt.Errorf("block: axis %d: %d is out of range, there are %d: %w",
				i, index, len(chunks[i]), errdef.ErrUnprocessable)
		}
		start := int64(0)
		for _, extent := range chunks[i][:index] {
			start += extent
		}
		selection[i] = Axis{Start: start, Step: 1, Count: chunks[i][index]}.canonical()
	}
	return selection, nil
}

// Shape is the shape of the result, without the dropped axes. It is never nil.
func (s Selection) Shape() []int64 {
	shape := make([]int64, 0, len(s))
	for _, axis := range s {
		if !axis.Index {
			shape = append(shape, axis.Count)
		}
	}
	return shape
}

// Len is the number of elements selected, [math.MaxInt64] if it is larger.
func (s Selection) Len() int64 {
	length := int64(1)
	for _, axis := range s {
		if axis.Count == 0 {
			return 0
		}
		length = mul(length, axis.Count)
	}
	return length
}

// mul multiplies two numbers >= 0 and stops at [math.MaxInt64].
func mul(a, b int64) int64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

// String is the selection in the form that [Parse] reads. Equal selections of
// equal shapes print equally, others of the same shape differently, so it can
// stand in keys and validators.
func (s Selection) String() string {
	text := make([]byte, 0, 24*len(s))
	for i, axis := range s {
		if i > 0 {
			text = append(text, ',')
		}
		text = axis.append(text)
	}
	return string(text)
}

func (a Axis) append(text []byte) []byte {
	text = strconv.AppendInt(text, a.Start, 10)
	if a.Index {
		return text
	}
	text = append(text, ':')
	switch {
	case a.Count == 0:
		text = append(text, '0')
	case a.Step > 0:
		text = strconv.AppendInt(text, a.last()+1, 10)
	case a.last() > 0:
		text = strconv.AppendInt(text, a.last()-1, 10)
	default:
		// Down to element 0: a stop of -1 would mean the last element, only
		// leaving it out means "before the first".
	}
	if a.Step != 1 {
		text = append(text, ':')
		text = strconv.AppendInt(text, a.Step, 10)
	}
	return text
}

// IsAll says whether the selection is everything of shape, in order and with
// no axis dropped.
func (s Selection) IsAll(shape []int64) bool {
	if len(s) != len(shape) {
		return false
	}
	for i, axis := range s {
		if axis.Index || axis.Start != 0 || axis.Step != 1 || axis.Count != shape[i] {
			return false
		}
	}
	return true
}

// Compose is the one selection that does what s and then t do: t selects from
// the result of s, so it has one axis for each axis that s does not drop, and
// must be valid for s.Shape(). Axes that t lacks are taken whole.
func (s Selection) Compose(t Selection) Selection {
	result := make(Selection, len(s))
	next := 0
	for i, axis := range s {
		result[i] = axis
		if axis.Index || next >= len(t) {
			continue
		}
		inner := t[next]
		next++
		result[i] = Axis{
			Start: axis.Start + inner.Start*axis.Step,
			Step:  axis.Step * inner.Step,
			Count: inner.Count,
			Index: inner.Index,
		}.canonical()
	}
	return result
}
