package hdf5compat

import (
	"encoding/binary"
	"math/bits"
)

const (
	// filteredChunks is the type of the records of chunks with filters in a
	// version 2 B-tree (section III.A.2).
	filteredChunks = 11
	btreeHead      = 38
	// nodeFrame is what a node has besides records and pointers.
	nodeFrame = 4 + 1 + 1 + 4
	maxNode   = 16 << 20
)

// record is the length of a record: an element and the chunk's place.
func record(c chunked, width int) int { return element(width) + 8*c.rank }

// btree shows the header of a version 2 B-tree.
func (h indexHeader) btree(t *Translator) []byte {
	p := t.at(h.addr, btreeHead)
	if p == nil {
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(p[6:]))
	depth := int(binary.LittleEndian.Uint16(p[12:]))
	was := int(binary.LittleEndian.Uint16(p[10:])) - 12 - 8*h.rank
	right := checked(p)
	if was < 1 || was > 8 || depth > maxDepth || size > maxNode {
		return nil
	}
	from, ok := formOf(size, record(h.chunked, was), depth)
	to, also := formOf(size, record(h.chunked, h.width), depth)
	if !ok || !also {
		return nil
	}
	tree := &btree{from, to, was, h.width, size}
	root := binary.LittleEndian.Uint64(p[16:])
	t.register(root, node{tree, root, int(binary.LittleEndian.Uint16(p[24:])), depth})
	binary.LittleEndian.PutUint16(p[10:], uint16(to.record))
	binary.LittleEndian.PutUint64(p[16:], beyond(root))
	return sealed(p[:btreeHead-4], right)
}

type btree struct {
	from, to   form
	was, width int
	size       int64
}

// form says how wide the numbers in nodes are, which follows from how many
// records fit into them.
type form struct {
	record int
	few    int   // the length of a number of records of one node
	all    []int // that of one and those below it, by depth
}

func formOf(size int64, record, depth int) (form, bool) {
	most := uint64(max(size-nodeFrame, 0)) / uint64(record)
	if most == 0 {
		return form{}, false
	}
	f := form{record: record, few: lengthOf(most), all: make([]int, 1, depth+1)}
	total := most
	for d := 1; d <= depth; d++ {
		pointer := uint64(8 + f.few + f.all[d-1])
		room := uint64(size) - nodeFrame
		if room < pointer {
			return form{}, false
		}
		most = (room - pointer) / (uint64(record) + pointer)
		high, low := bits.Mul64(most+1, total)
		if total = low + most; high != 0 || total < low {
			return form{}, false
		}
		f.all = append(f.all, lengthOf(total))
	}
	return f, true
}

// lengthOf is the length of the numbers up to most.
func lengthOf(most uint64) int { return (bits.Len64(most)-1)/8 + 1 }

// node is a node of the tree; its depth is 0 for a leaf.
type node struct {
	*btree
	addr    uint64
	records int
	depth   int
}

func (n node) show(t *Translator) []byte {
	const head = nodeFrame - 4
	used := head + n.records*n.from.record
	pointer := 8 + n.from.few
	if n.depth > 0 {
		pointer += n.from.all[n.depth-1]
		used += (n.records + 1) * pointer
	}
	p := t.at(n.addr, n.size)
	if p == nil || used+4 > len(p) {
		return nil
	}
	out := append(make([]byte, 0, n.size), p[:head]...)
	from := p[head:used]
	for range n.records {
		out = narrow(out, from[:element(n.was)], n.was, n.width)
		out = append(out, from[element(n.was):n.from.record]...)
		from = from[n.from.record:]
	}
	for n.depth > 0 && len(from) >= pointer {
		out = n.refer(t, out, from[:pointer])
		from = from[pointer:]
	}
	out = sealed(out, checked(p[:used+4]))
	return append(out, make([]byte, max(0, int(n.size)-len(out)))...)
}

// refer appends a pointer to a node below.
func (n node) refer(t *Translator, out, from []byte) []byte {
	addr := binary.LittleEndian.Uint64(from)
	few := number(from[8 : 8+n.from.few])
	all := number(from[8+n.from.few:])
	if few <= uint64(n.size) {
		t.register(addr, node{n.btree, addr, int(few), n.depth - 1})
	}
	out = binary.LittleEndian.AppendUint64(out, beyond(addr))
	out = appendNumber(out, few, n.to.few)
	return appendNumber(out, all, n.to.all[n.depth-1])
}
