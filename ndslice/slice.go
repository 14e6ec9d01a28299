// Package ndslice is the arithmetic of N-dimensional slices as numpy means
// them: parse what a client asked for, settle it against a shape, compose,
// plan it over a grid of blocks, gather the pieces, and cut a result into
// windows of bounded size.
//
// Everything is pure and works on values: no I/O, no state, safe for
// concurrent use. Shapes and blocks are lists of extents >= 0, one per axis;
// a 0-d array has none and holds one element. Where a doc comment asks for
// valid arguments (a Selection that belongs to the shape of a Grid), what
// [Slice.Normalise], [All], [OfBlock], [Selection.Compose] and
// [Selection.Windows] return is valid.
package ndslice

import (
	"fmt"
	"math"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxText bounds the text that [Parse] reads, in bytes: 64 axes of three
// numbers fit.
const maxText = 4096

// A Part is what a client asked for along one axis: an index, which drops the
// axis, or a slice with the meaning of Python's start:stop:step, nil where
// nothing was written.
type Part struct {
	// Index says that Start, which is then not nil, is an index.
	Index             bool
	Start, Stop, Step *int64
}

// A Slice is what a client asked for, one Part per leading axis; the axes
// that it does not name are taken whole. Its nil value is everything.
type Slice []Part

// Parse reads the form that slices have in a URL: parts joined by commas,
// each an index or start:stop:step with any of the three left out, nothing
// else ("" is everything). Numbers beyond int64 are clamped to it, which
// changes no meaning: no axis is that long.
//
// Text of another form, or longer than 4096 bytes, is
// [errdef.ErrUnprocessable]; an empty part beside a comma is
// [errdef.ErrInvalid]. Tiled answers 422 and 400 there.
func Parse(text string) (Slice, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("slice: %d bytes of text, at most %d are read: %w",
			len(text), maxText, errdef.ErrUnprocessable)
	}
	slice := make(Slice, 0, 1+strings.Count(text, ","))
	empty := false
	for word := range strings.SplitSeq(text, ",") {
		part, ok := parsePart(word)
		if !ok {
			return nil, fmt.Errorf("slice %q: %q is neither an index nor start:stop:step: %w",
				text, word, errdef.ErrUnprocessable)
		}
		empty = empty || word == ""
		slice = append(slice, part)
	}
	if empty {
		return nil, fmt.Errorf("slice %q: a part is empty, write ':' for a whole axis: %w",
			text, errdef.ErrInvalid)
	}
	return slice, nil
}

// parsePart reads one part; ok is false if it does not have the form.
func parsePart(word string) (part Part, ok bool) {
	fields := strings.SplitN(word, ":", 4)
	if len(fields) > 3 {
		return Part{}, false
	}
	targets := [3]**int64{&part.Start, &part.Stop, &part.Step}
	for i, field := range fields {
		if field == "" {
			continue
		}
		value, ok := parseInt(field)
		if !ok {
			return Part{}, false
		}
		*targets[i] = &value
	}
	part.Index = len(fields) == 1
	return part, true
}

// parseInt reads -?[0-9]+ and clamps it to int64.
func parseInt(text string) (value int64, ok bool) {
	digits, negative := strings.CutPrefix(text, "-")
	if digits == "" {
		return 0, false
	}
	// Counted downwards: the lowest int64 has no positive twin.
	for i := range len(digits) {
		digit := int64(digits[i]) - '0'
		if digit < 0 || digit > 9 {
			return 0, false
		}
		if value < (math.MinInt64+digit)/10 {
			value = math.MinInt64
			continue
		}
		value = value*10 - digit
	}
	switch {
	case negative:
		return value, true
	case value == math.MinInt64:
		return math.MaxInt64, true
	default:
		return -value, true
	}
}

// Normalise settles what was asked for against a shape, as numpy does:
// negative indices count from the end, slices are clipped, axes without a
// part are taken whole.
//
// An index out of range, a step of 0 and more parts than axes are
// [errdef.ErrInvalid].
func (s Slice) Normalise(shape []int64) (Selection, error) {
	if len(s) > len(shape) {
		return nil, fmt.Errorf("slice: %d parts for an array of %d axes: %w",
			len(s), len(shape), errdef.ErrInvalid)
	}
	selection := All(shape)
	for i, part := range s {
		axis, err := part.normalise(shape[i])
		if err != nil {
			return nil, fmt.Errorf("slice: axis %d: %w", i, err)
		}
		selection[i] = axis
	}
	return selection, nil
}

func (p Part) normalise(extent int64) (Axis, error) {
	if p.Index {
		if p.Start == nil {
			return Axis{}, fmt.Errorf("an index without a value: %w", errdef.ErrInvalid)
		}
		index := *p.Start
		if index < -extent || index >= extent {
			return Axis{}, fmt.Errorf("index %d is out of range for an extent of %d: %w",
				index, extent, errdef.ErrInvalid)
		}
		if index < 0 {
			index += extent
		}
		return Axis{Start: index, Step: 1, Count: 1, Index: true}, nil
	}
	step := int64(1)
	if p.Step != nil {
		// The lowest int64 cannot be negated; one more is as far.
		step = max(*p.Step, -math.MaxInt64)
	}
	if step == 0 {
		return Axis{}, fmt.Errorf("a step of 0: %w", errdef.ErrInvalid)
	}
	// Python's slice.indices: a negative step stops before the first element.
	low, high, start, stop := int64(0), extent, int64(0), extent
	if step < 0 {
		low, high, start, stop = -1, extent-1, extent-1, -1
	}
	if p.Start != nil {
		start = clip(*p.Start, extent, low, high)
	}
	if p.Stop != nil {
		stop = clip(*p.Stop, extent, low, high)
	}
	return axisOf(start, stop, step), nil
}

// clip resolves one end of a slice.
func clip(value, extent, low, high int64) int64 {
	if value < 0 {
		value += extent
	}
	return min(max(value, low), high)
}

// axisOf is the axis of start, start+step, … before stop, in its one form.
func axisOf(start, stop, step int64) Axis {
	count := int64(0)
	switch {
	case step > 0 && stop > start:
		count = (stop-start-1)/step + 1
	case step < 0 && stop < start:
		count = (start-stop-1)/-step + 1
	}
	return Axis{Start: start, Step: step, Count: count}.canonical()
}
