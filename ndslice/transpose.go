package ndslice

// tile is the edge, in elements, of the squares that the last step of a
// transposition goes by: both sides stay in the nearest cache.
const tile = 32

// Transpose copies src, of shape and in C order, into dst with its axes in
// another order: axis i of dst is axis order[i] of src, as in
// numpy.transpose. Elements are itemSize bytes.
//
// order is a permutation of the axes, dst and src are apart and as long as the
// shape says. Nothing is allocated for up to 64 axes.
func Transpose(dst, src []byte, shape []int64, order []int, itemSize int) {
	var space [2 * maxLoops]loop
	loops := transposeLoops(space[:0], shape, order, itemSize)
	switch len(loops) {
	case 0:
		copy(dst, src)
		return
	case 1:
		loops = append(loops, loop{count: 1})
	}
	// loops[0] is the innermost of dst. The partner that it is tiled with is
	// the one that is contiguous in src; the rest is walked outside of both.
	partner := 1
	for i := 2; i < len(loops); i++ {
		if loops[i].src < loops[partner].src {
			partner = i
		}
	}
	loops[1], loops[partner] = loops[partner], loops[1]
	outer := loops[2:]
	var wheel [maxLoops]int
	to, from := 0, 0
	for {
		square(dst[to:], src[from:], loops[0], loops[1], itemSize)
		level := 0
		for ; level < len(outer); level++ {
			to, from = to+outer[level].dst, from+outer[level].src
			if wheel[level]++; wheel[level] < outer[level].count {
				break
			}
			wheel[level] = 0
			to -= outer[level].dst * outer[level].count
			from -= outer[level].src * outer[level].count
		}
		if level == len(outer) {
			return
		}
	}
}

// transposeLoops lists the axes of dst from the last outwards, those merged
// that go on in both where the one inside them ends. It is empty for what has
// no elements or one.
func transposeLoops(loops []loop, shape []int64, order []int, itemSize int) []loop {
	dstStride := itemSize
	for i := len(order) - 1; i >= 0; i-- {
		srcStride := itemSize
		for _, n := range shape[order[i]+1:] {
			srcStride *= int(n)
		}
		next := loop{count: int(shape[order[i]]), src: srcStride, dst: dstStride}
		last := len(loops) - 1
		switch {
		case next.count == 0:
			return loops[:0]
		case next.count == 1:
		case last >= 0 && next.src == loops[last].src*loops[last].count && next.dst == loops[last].dst*loops[last].count:
			loops[last].count *= next.count
		default:
			loops = append(loops, next)
		}
		dstStride *= next.count
	}
	return loops
}

// square copies two loops, in tiles.
func square(dst, src []byte, inner, outer loop, itemSize int) {
	if inner.src == itemSize { // rows: both sides are contiguous
		for i := range outer.count {
			copy(dst[i*outer.dst:][:inner.count*itemSize], src[i*outer.src:])
		}
		return
	}
	for a := 0; a < outer.count; a += tile {
		for b := 0; b < inner.count; b += tile {
			run := loop{count: min(tile, inner.count-b), src: inner.src, dst: itemSize}
			for i := a; i < min(a+tile, outer.count); i++ {
				row(dst[i*outer.dst+b*inner.dst:], src, i*outer.src+b*inner.src, run, itemSize)
			}
		}
	}
}
