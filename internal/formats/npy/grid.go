package npy

import (
	"slices"

	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

const (
	// aimBytes is the size that blocks come close to and do not exceed.
	aimBytes = 2 << 20
	// rowBytes is how large a row (a frame of a stack) may be to stay in one
	// piece: reading it takes one open and one read.
	rowBytes = 4 << 20
)

// blockShape cuts the array so that each block is one range of bytes in the
// file: along the slowest axis into groups of rows of about aimBytes, or, if
// one row is larger than rowBytes, along the axes behind it.
func blockShape(h header) []int64 {
	block := slices.Clone(h.shape)
	if h.fortran {
		slices.Reverse(block)
	}
	row, ok := structure.DataSize(block, h.dtype.ItemSize)
	for axis := 0; axis < len(block) && (!ok || row > aimBytes); axis++ {
		row /= block[axis]
		if row <= rowBytes {
			block[axis] = evenly(block[axis], max(aimBytes/max(row, 1), 1))
			break
		}
		block[axis] = 1
	}
	if h.fortran {
		slices.Reverse(block)
	}
	for i := range block {
		block[i] = max(block[i], 1)
	}
	return block
}

// evenly is the extent of the blocks when n are cut into as few as hold at
// most limit each, of nearly the same size.
func evenly(n, limit int64) int64 {
	blocks := (n-1)/limit + 1
	return (n-1)/blocks + 1
}

// position is where the block's first element lies in the file, counted in
// elements.
func position(g ndslice.Grid, block []int64, fortran bool) int64 {
	at := int64(0)
	for i := range block {
		axis := i
		if fortran {
			axis = len(block) - 1 - i
		}
		at = at*g.Shape[axis] + block[axis]*g.Block[axis]
	}
	return at
}
