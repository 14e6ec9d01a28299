package media

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// size is the number of elements and of bytes of an array that is wanted,
// [math.MaxInt64] where they are more.
func (a *Array) size() (elements, bytes int64) {
	elements = product(a.Shape)
	return elements, saturate(elements, a.Type.ItemSize)
}

func product(extents []int64) int64 {
	if slices.Contains(extents, 0) {
		return 0
	}
	n := int64(1)
	for _, extent := range extents {
		n = saturate(n, extent)
	}
	return n
}

// saturate multiplies two numbers >= 0 and stops at [math.MaxInt64].
func saturate(a, b int64) int64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

// pieces calls f with the data, piece by piece, and sees to it that they are
// as long as the array says.
func (a *Array) pieces(ctx context.Context, f func(piece []byte) error) error {
	_, left := a.size()
	for piece, err := range a.Data {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if left -= int64(len(piece)); left < 0 || a.Type.ItemSize > 0 && int64(len(piece))%a.Type.ItemSize != 0 {
			return fmt.Errorf("array: a piece of %d bytes does not fit %v elements of %d: %w",
				len(piece), a.Shape, a.Type.ItemSize, errdef.ErrUnprocessable)
		}
		if err := f(piece); err != nil {
			return err
		}
	}
	if left != 0 {
		return fmt.Errorf("array: the data end %d bytes early: %w", left, errdef.ErrUnprocessable)
	}
	return nil
}

// each calls f with the bytes of one element after the other.
func (a *Array) each(ctx context.Context, f func(item []byte) error) error {
	size := int(a.Type.ItemSize)
	if size == 0 {
		for range product(a.Shape) {
			if err := f(nil); err != nil {
				return err
			}
		}
		return nil
	}
	return a.pieces(ctx, func(piece []byte) error {
		for ; len(piece) > 0; piece = piece[size:] {
			if err := f(piece[:size]); err != nil {
				return err
			}
		}
		return nil
	})
}

// atMost refuses arrays of more axes than a media type has.
func (a *Array) atMost(axes int, mediaType string) error {
	if len(a.Shape) > axes {
		return fmt.Errorf("%s: an array of %d axes, at most %d can be written, use slice= to select fewer: %w",
			mediaType, len(a.Shape), axes, errdef.ErrNotAcceptable)
	}
	return nil
}

// maxHollow bounds what is written for data that have no bytes: empty lists,
// elements without length, members of them.
const maxHollow = 1 << 20

// hollow refuses arrays whose text would be large though they hold nothing.
func (a *Array) hollow(mediaType string) error {
	lists := int64(1)
	for _, extent := range a.Shape {
		if extent == 0 {
			break
		}
		lists = saturate(lists, extent)
	}
	elements, bytes := a.size()
	if elements == 0 && lists > maxHollow || bytes == 0 && elements > maxHollow || parts(a.Type) > maxHollow {
		return fmt.Errorf("%s: a shape of %v with elements of %d bytes would be all brackets: %w",
			mediaType, a.Shape, a.Type.ItemSize, errdef.ErrNotAcceptable)
	}
	return nil
}

// parts is how many simple values one element is made of.
func parts(t structure.DType) int64 {
	if t.Fields == nil {
		return 1
	}
	n := int64(0)
	for _, field := range t.Fields {
		n += min(saturate(product(field.Shape), parts(field.Type)), maxHollow+1)
	}
	return n
}

// isNumber says whether elements can be taken as pixels: numbers, booleans,
// and times, which are counts.
func isNumber(t structure.DType) bool {
	switch t.Kind {
	case 'b', 'i', 'u', 'f', 'c', 'm', 'M':
		return t.Fields == nil
	default:
		return false
	}
}
