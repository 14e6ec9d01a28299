package hdf5compat

import (
	"encoding/binary"
	"math/bits"
)

// The chunk indexes that have sizes of chunks in them (section IV.A.2.i,
// version 4).
const (
	indexFixed      = 3
	indexExtensible = 4
	indexBTree      = 5
)

// The classes of layouts.
const (
	layoutChunked = 2
	layoutVirtual = 3
)

// chunked is what an index needs to know of its data set.
type chunked struct {
	rank  int // without the axis of an element's bytes
	width int // of a chunk's size, as the library computes it
}

// patchLayout gives the layout of a data set with chunks its older version.
// beyond says that its index has to be seen in its old width.
func (t *Translator) patchLayout(p []byte) (changed, beyond bool) {
	switch {
	case len(p) < 5 || p[0] != 4 && p[0] != 5:
		return false, false
	case p[1] == layoutVirtual:
		return t.patchVirtual(p)
	case p[0] == 4:
		return false, false
	case p[1] != layoutChunked: // contiguous and compact ones are as they were
		p[0] = 4
		return true, false
	}
	c, at, ok := chunks(p)
	if !ok {
		return false, false
	}
	var info int
	switch p[at] {
	case indexFixed:
		info = 1
	case indexExtensible:
		info = 5
	case indexBTree:
		info = 6
	default: // one chunk, or none that was not there from the beginning
		p[0] = 4
		return true, false
	}
	at += 1 + info
	if len(p) < at+8 {
		return false, false
	}
	addr := binary.LittleEndian.Uint64(p[at:])
	surplus := 0
	if addr != undefined {
		surplus = t.surplus(addr, c)
	}
	if surplus < 0 { // it would be seen larger than it is
		return false, false
	}
	p[0] = 4
	if surplus == 0 {
		return true, false
	}
	t.register(addr, indexHeader{addr, c})
	binary.LittleEndian.PutUint64(p[at:], addr+uint64(Beyond))
	return true, true
}

// chunks reads the shape of a chunk, and returns where the index begins.
func chunks(p []byte) (c chunked, at int, ok bool) {
	rank, width := int(p[3]), int(p[4])
	at = 5 + rank*width
	if rank < 2 || rank > 33 || width < 1 || width > 8 || len(p) <= at {
		return c, 0, false
	}
	size := uint64(1)
	for i := range rank {
		n := number(p[5+i*width : 5+(i+1)*width])
		high, low := bits.Mul64(size, n)
		if n == 0 || high != 0 || low > 1<<32-1 {
			return c, 0, false // larger than an older library knows
		}
		size = low
	}
	return chunked{rank - 1, min(8, 1+(bits.Len64(size)-1+8)/8)}, at, true
}

// surplus is how much wider the sizes of chunks are in the index than the
// library expects.
func (t *Translator) surplus(addr uint64, c chunked) int {
	p := t.at(addr, 12)
	switch {
	case p == nil:
		return 0
	case (string(p[:4]) == "FAHD" || string(p[:4]) == "EAHD") && p[5] == 1:
		return int(p[6]) - element(c.width)
	case string(p[:4]) == "BTHD" && p[5] == filteredChunks:
		return int(binary.LittleEndian.Uint16(p[10:])) - record(c, c.width)
	}
	return 0
}

// element is the length of an index's element: address, size and filter mask.
func element(width int) int { return 8 + width + 4 }

// narrow appends elements with the chunks' sizes in another width.
func narrow(to, from []byte, was, width int) []byte {
	for n := element(was); len(from) >= n; from = from[n:] {
		to = append(to, from[:8]...)
		to = appendNumber(to, number(from[8:8+was]), width)
		to = append(to, from[8+was:n]...)
	}
	return to
}

// indexHeader is the header of an index.
type indexHeader struct {
	addr uint64
	chunked
}

func (h indexHeader) show(t *Translator) []byte {
	p := t.at(h.addr, 4)
	switch string(p) {
	case "FAHD":
		return h.fixed(t)
	case "EAHD":
		return h.extensible(t)
	case "BTHD":
		return h.btree(t)
	}
	return nil
}
