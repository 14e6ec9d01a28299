package ndslice

import (
	"encoding/binary"
	"fmt"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// A loop is one level of a copy: count steps, each so many bytes further in
// the block and in the result.
type loop struct{ count, src, dst int }

// maxLoops is how many axes are handled without allocating; numpy has at most 64.
const maxLoops = 64

// Gather copies a piece out of its block into the result of the selection
// that it was planned from.
//
// dst is the whole result of sel in C order, src the block in C order, of
// shape blockShape (which is p.Shape) and elements of itemSize bytes; src is
// only read. Pieces of one plan write to different bytes, so they may be
// gathered at the same time. Nothing is allocated.
//
// If dst or src has another length than its shape says, nothing is copied and
// the error is [errdef.ErrUnprocessable].
func Gather(dst []byte, sel Selection, p Piece, src []byte, blockShape []int64, itemSize int) error {
	if err := check(dst, sel, p, src, blockShape, itemSize); err != nil {
		return err
	}
	if itemSize == 0 {
		return nil
	}
	var space [maxLoops]loop
	loops := space[:0]
	from, to := 0, 0
	srcStride, dstStride := itemSize, itemSize
	// From the last axis outwards; a loop that goes on where the one inside it
	// ends is merged with it, so what is contiguous becomes one run.
	for i := len(sel) - 1; i >= 0; i-- {
		axis := p.Source[i]
		from += int(axis.Start) * srcStride
		to += int(p.Target[i]) * dstStride
		next := loop{count: int(axis.Count), src: int(axis.Step) * srcStride, dst: dstStride}
		last := len(loops) - 1
		switch {
		case next.count == 1:
		case last >= 0 && next.src == loops[last].src*loops[last].count && next.dst == loops[last].dst*loops[last].count:
			loops[last].count *= next.count
		default:
			loops = append(loops, next)
		}
		srcStride *= int(blockShape[i])
		dstStride *= int(sel[i].Count)
	}
	run(dst, src, to, from, loops, itemSize)
	return nil
}

// check compares lengths with shapes, and the piece with both.
func check(dst []byte, sel Selection, p Piece, src []byte, blockShape []int64, itemSize int) error {
	axes := len(sel)
	if len(p.Source) != axes || len(p.Target) != axes || len(blockShape) != axes || itemSize < 0 {
		return fmt.Errorf("gather: a piece of %d axes, a block of %d, a selection of %d: %w",
			len(p.Source), len(blockShape), axes, errdef.ErrUnprocessable)
	}
	block := int64(itemSize)
	for i, axis := range p.Source {
		block = mul(block, blockShape[i])
		low, high := axis.Start, axis.last()
		if low > high {
			low, high = high, low
		}
		if axis.Count < 1 || low < 0 || high >= blockShape[i] ||
			p.Target[i] < 0 || p.Target[i] > sel[i].Count-axis.Count {
			return fmt.Errorf("gather: axis %d: the piece leaves its block or its selection: %w",
				i, errdef.ErrUnprocessable)
		}
	}
	if int64(len(src)) != block {
		return fmt.Errorf("gather: the block has %d bytes, %v elements of %d make %d: %w",
			len(src), blockShape, itemSize, block, errdef.ErrUnprocessable)
	}
	if want := mul(sel.Len(), int64(itemSize)); int64(len(dst)) != want {
		return fmt.Errorf("gather: the result has %d bytes, the selection makes %d: %w",
			len(dst), want, errdef.ErrUnprocessable)
	}
	return nil
}

// run walks the outer loops and copies the innermost, which is loops[0].
func run(dst, src []byte, to, from int, loops []loop, itemSize int) {
	inner := loop{count: 1, src: itemSize, dst: itemSize}
	if len(loops) > 0 {
		inner, loops = loops[0], loops[1:]
	}
	var wheel [maxLoops]int
	for {
		row(dst[to:], src, from, inner, itemSize)
		level := 0
		for ; level < len(loops); level++ {
			outer := loops[level]
			to += outer.dst
			from += outer.src
			if wheel[level]++; wheel[level] < outer.count {
				break
			}
			wheel[level] = 0
			to -= outer.dst * outer.count
			from -= outer.src * outer.count
		}
		if level == len(loops) {
			return
		}
	}
}

// row copies one innermost loop to the start of dst: a memmove where both
// sides are contiguous, else element by element.
func row(dst, src []byte, from int, l loop, itemSize int) {
	if l.src == itemSize && l.dst == itemSize {
		copy(dst[:l.count*itemSize], src[from:])
		return
	}
	order := binary.NativeEndian
	to := 0
	switch itemSize {
	case 1:
		for range l.count {
			dst[to] = src[from]
			to, from = to+l.dst, from+l.src
		}
	case 2:
		for range l.count {
			order.PutUint16(dst[to:], order.Uint16(src[from:]))
			to, from = to+l.dst, from+l.src
		}
	case 4:
		for range l.count {
			order.PutUint32(dst[to:], order.Uint32(src[from:]))
			to, from = to+l.dst, from+l.src
		}
	case 8:
		for range l.count {
			order.PutUint64(dst[to:], order.Uint64(src[from:]))
			to, from = to+l.dst, from+l.src
		}
	default:
		for range l.count {
			copy(dst[to:to+itemSize], src[from:from+itemSize])
			to, from = to+l.dst, from+l.src
		}
	}
}
