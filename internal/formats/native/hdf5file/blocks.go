package hdf5file

import "slices"

const (
	// aimBytes is the size that blocks come close to. A chunk may be larger:
	// it is decoded as a whole.
	aimBytes = 2 << 20
	// rowBytes is how large a row (a frame of a stack) may be to stay in one
	// piece where there are no chunks.
	rowBytes = 4 << 20
)

// joined are the extents of blocks that are made of whole chunks: as many as
// come close to the aim, joined along the last axis first, so that a block is
// a part of as few rows as it can be. Along axes that may grow the extents do
// not depend on the shape: blocks that are full stay what they are. aim is how
// large blocks become along those.
func joined(shape, chunk []int64, item int64, grows []int, aim int64) []int64 {
	block := make([]int64, len(shape))
	size := max(item, 1)
	for i := range block {
		block[i] = max(chunk[i], 1)
		if !slices.Contains(grows, i) {
			block[i] = min(block[i], max(shape[i], 1))
		}
		size = times(size, block[i])
	}
	for i := len(block) - 1; i >= 0 && size < aimBytes; i-- {
		if slices.Contains(grows, i) {
			block[i] *= max(aim/size, 1)
			break
		}
		there := (max(shape[i], 1)-1)/max(chunk[i], 1) + 1
		n := min(there, max(aimBytes/size, 1))
		n = evenly(there, n)
		if n > 1 {
			size = times(size/block[i], n*chunk[i])
			block[i] = min(n*chunk[i], max(shape[i], 1))
		}
		if n < there {
			break
		}
	}
	return block
}

// rows are the extents of blocks that are runs of bytes in C order.
func rows(shape []int64, item int64) []int64 {
	block := slices.Clone(shape)
	row := max(item, 1)
	for i, n := range block {
		block[i] = max(n, 1)
		row = times(row, block[i])
	}
	for axis := 0; axis < len(block) && row > aimBytes; axis++ {
		row /= block[axis]
		if row <= rowBytes {
			block[axis] = evenly(block[axis], max(aimBytes/max(row, 1), 1))
			break
		}
		block[axis] = 1
	}
	return block
}

// evenly is the extent of the parts when n are cut into as few as hold at most
// limit each, of nearly the same size.
func evenly(n, limit int64) int64 {
	parts := (n-1)/limit + 1
	return (n-1)/parts + 1
}

// times multiplies and stops far above any size that matters.
func times(a, b int64) int64 {
	const ceiling = 1 << 61
	if b != 0 && a > ceiling/b {
		return ceiling
	}
	return a * b
}

// frames are like rows, but what is larger than rowBytes is cut only if it is
// far larger: behind a virtual data set lie chunks, mostly one a frame, that
// would be decoded once for each part of it.
func frames(shape []int64, item int64) []int64 {
	block := rows(shape, item)
	if len(shape) < 3 || block[0] > 1 {
		return block
	}
	size := max(item, 1)
	for i := len(shape) - 2; i < len(shape); i++ {
		size = times(size, max(shape[i], 1))
	}
	if size <= 16*rowBytes {
		for i := len(shape) - 2; i < len(shape); i++ {
			block[i] = max(shape[i], 1)
		}
	}
	return block
}
