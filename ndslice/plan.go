package ndslice

import "iter"

// A Piece is the part of a selection that lies in one block.
type Piece struct {
	// Block is the index of the block in the grid.
	Block []int64
	// Shape is the shape of that block, clipped as [Grid.BlockShape] says.
	Shape []int64
	// Source is what is taken of the block: one axis per axis of the block,
	// Step of either sign, Index never set.
	Source Selection
	// Target is where it goes: along axis i, counted before any axis is
	// dropped, the elements of Source[i] are elements Target[i],
	// Target[i]+1, … of the result.
	Target []int64
}

// Whole says whether the piece is its whole block, in the order of the block:
// then, if the selection has no other piece, the bytes of the block are the
// bytes of the result.
func (p Piece) Whole() bool { return p.Source.IsAll(p.Shape) }

// Len is the number of elements of the piece.
func (p Piece) Len() int64 { return p.Source.Len() }

// Touched is the number of blocks of the grid that hold an element of the
// selection, [math.MaxInt64] if it is larger. It enumerates nothing.
func (s Selection) Touched(g Grid) int64 {
	touched := int64(1)
	for i, axis := range s {
		if axis.Count == 0 {
			return 0
		}
		touched = mul(touched, axis.touched(g.Block[i]))
	}
	return touched
}

// touched is the number of blocks of one extent that an axis with elements
// touches. Steps up to the extent skip no block, larger ones land in a new
// block each time.
func (a Axis) touched(extent int64) int64 {
	if abs(a.Step) >= extent {
		return a.Count
	}
	return abs(a.last()/extent-a.Start/extent) + 1
}

// part is the nth touched block along the axis, in ascending order: the first
// element j that lies in it, and how many do.
func (a Axis) part(extent, nth int64) (block, first, count int64) {
	if abs(a.Step) >= extent {
		first = nth
		if a.Step < 0 {
			first = a.Count - 1 - nth
		}
		return (a.Start + first*a.Step) / extent, first, 1
	}
	block = min(a.Start, a.last())/extent + nth
	next := block + 1
	if a.Step < 0 {
		next = block - 1
	}
	first = a.enters(block, extent)
	return block, first, min(a.enters(next, extent), a.Count) - first
}

// enters is the first element that lies in the block, on the way through all
// that the axis touches.
func (a Axis) enters(block, extent int64) int64 {
	if a.Step > 0 {
		return ceil(block*extent-a.Start, a.Step)
	}
	return ceil(a.Start-(block+1)*extent+1, -a.Step)
}

// ceil divides by a number > 0 and rounds up, to 0 at least.
func ceil(a, b int64) int64 {
	if a <= 0 {
		return 0
	}
	return (a-1)/b + 1
}

func abs(a int64) int64 {
	if a < 0 {
		return -a
	}
	return a
}

// Plan yields the pieces of the selection, one for each block of the grid
// that holds an element of it and for no other, blocks in C order. The
// selection must be valid for the grid's shape, the grid pass
// [Grid.Validate].
//
// A piece belongs to who receives it and stays valid; they are allocated many
// at a time.
func (s Selection) Plan(g Grid) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		left := s.Touched(g)
		var slab slab
		// The odometer of touched blocks, the last axis fastest.
		wheel := make([]int64, len(s))
		for ; left > 0; left-- {
			piece := slab.piece(len(s), left)
			for i, axis := range s {
				block, first, count := axis.part(g.Block[i], wheel[i])
				source := axis.sub(first, count)
				source.Start -= block * g.Block[i]
				source.Index = false
				piece.Block[i], piece.Shape[i] = block, g.extent(i, block)
				piece.Source[i], piece.Target[i] = source, first
			}
			if !yield(piece) {
				return
			}
			for i := len(s) - 1; i >= 0; i-- {
				if wheel[i]++; wheel[i] < s[i].touched(g.Block[i]) {
					break
				}
				wheel[i] = 0
			}
		}
	}
}

// A slab hands out pieces cut from two larger allocations.
type slab struct {
	ints []int64
	axes []Axis
}

// slabPieces is how many pieces share an allocation: a piece that is kept
// keeps that many alive, some 100 bytes for each axis.
const slabPieces = 32

// piece returns an empty piece of n axes; left is how many will be asked for.
func (s *slab) piece(n int, left int64) Piece {
	if len(s.axes) < n {
		pieces := int(min(left, slabPieces))
		s.ints, s.axes = make([]int64, 3*n*pieces), make([]Axis, n*pieces)
	}
	piece := Piece{
		Block:  s.ints[0:n:n],
		Shape:  s.ints[n : 2*n : 2*n],
		Target: s.ints[2*n : 3*n : 3*n],
		Source: s.axes[0:n:n],
	}
	s.ints, s.axes = s.ints[3*n:], s.axes[n:]
	return piece
}
