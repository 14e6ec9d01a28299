// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"slices"
	"sync/atomic"
)

// Pieces of a body whose length is not known begin at firstPiece and double.
const (
	firstPiece   = 16 << 10
	largestPiece = 4 << 20
)

// buffer holds a body while it arrives. What was written never moves, so readers keep
// slices of it while it grows. Its memory is counted in a budget before it is
// allocated. The owner's lock guards it.
type buffer struct {
	pieces  [][]byte
	starts  []int64 // offset of each piece
	size    int64
	counted int64
	inAir   *atomic.Int64
	most    int64 // of the budget
	limit   int64 // of this body
}

// expect makes room for a body of known length at once, or tells that there is none.
func (b *buffer) expect(n int64) bool {
	if n > b.limit || !b.count(n) {
		return false
	}
	b.pieces, b.starts = [][]byte{make([]byte, 0, n)}, []int64{0}
	return true
}

// count takes n bytes from the budget.
func (b *buffer) count(n int64) bool {
	if b.inAir.Add(n) > b.most {
		b.inAir.Add(-n)
		return false
	}
	b.counted += n
	return true
}

// release gives the budget back and takes no more bytes. Those there are may still be in
// a store's hands.
func (b *buffer) release() {
	b.inAir.Add(-b.counted)
	b.counted, b.limit = 0, -1
}

// write copies p, or tells that it is too much for the limit or the budget; then
// nothing of p was kept.
func (b *buffer) write(p []byte) bool {
	if b.size+int64(len(p)) > b.limit {
		return false
	}
	last := len(b.pieces) - 1
	room := 0
	if last >= 0 {
		room = cap(b.pieces[last]) - len(b.pieces[last])
	}
	if room < len(p) {
		next := max(len(p)-room, min(largestPiece, max(firstPiece, int(b.size))))
		if !b.count(int64(next)) {
			return false
		}
		b.pieces = append(b.pieces, make([]byte, 0, next))
		b.starts = append(b.starts, b.size+int64(room))
	}
	if last >= 0 {
		b.pieces[last] = append(b.pieces[last], p[:min(room, len(p))]...)
	}
	if room < len(p) {
		b.pieces[last+1] = append(b.pieces[last+1], p[room:]...)
	}
	b.size += int64(len(p))
	return true
}

// from returns the bytes of one piece that begin at off; none if off is the end.
func (b *buffer) from(off int64) []byte {
	i, found := slices.BinarySearch(b.starts, off)
	if !found {
		i--
	}
	if i < 0 || off >= b.size {
		return nil
	}
	return b.pieces[i][off-b.starts[i]:]
}

// whole returns the body in one slice, which readers may share.
func (b *buffer) whole() []byte {
	if len(b.pieces) == 1 && cap(b.pieces[0]) == len(b.pieces[0]) {
		return b.pieces[0]
	}
	out := make([]byte, 0, b.size)
	for _, piece := range b.pieces {
		out = append(out, piece...)
	}
	return out
}
