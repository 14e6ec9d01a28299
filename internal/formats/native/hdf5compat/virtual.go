package hdf5compat

import (
	"bytes"
	"encoding/binary"
	"math"
)

const (
	// collectionHead and objectHead are the lengths of what precedes the
	// objects of a global heap collection (section III.F), and each object.
	collectionHead = 16
	objectHead     = 16
	// smallest is the least size of a collection.
	smallest   = 4096
	maxMapping = 1 << 20
)

// patchVirtual lets the mappings of a virtual data set, which lie in a global
// heap, be seen as an older library wrote them.
func (t *Translator) patchVirtual(p []byte) (changed, beyond bool) {
	if len(p) < 14 {
		return false, false
	}
	changed = p[0] != 4
	p[0] = 4
	addr := binary.LittleEndian.Uint64(p[2:])
	c := collection{addr}
	objects, newer := c.objects(t)
	if !newer || len(t.images) >= maxImages {
		return changed, false
	}
	if t.moved[addr] == 0 {
		t.moved[addr] = t.free
		t.images[t.base+int64(t.free)] = c
		t.free += uint64(max(smallest, 2*len(objects))) // there is room to grow
	}
	binary.LittleEndian.PutUint64(p[2:], t.moved[addr])
	return true, true
}

// collection is a collection of a global heap, with the mappings in it as they
// are to be seen.
type collection struct{ addr uint64 }

// objects are the collection's objects with their heads. newer says that one
// of them is the mappings of a virtual data set, from a newer library.
func (c collection) objects(t *Translator) (out []byte, newer bool) {
	head := t.at(c.addr, collectionHead)
	if head == nil || string(head[:4]) != "GCOL" || c.addr == undefined {
		return nil, false
	}
	size := binary.LittleEndian.Uint64(head[8:])
	if size > maxRead {
		return nil, false
	}
	p := t.at(c.addr, int64(size))
	for at := collectionHead; at+objectHead <= len(p); {
		head := p[at : at+objectHead]
		n := binary.LittleEndian.Uint64(head[8:])
		at += objectHead
		if binary.LittleEndian.Uint16(head) == 0 || n > uint64(len(p)-at) {
			break
		}
		object := p[at : at+int(n)]
		at += (int(n) + 7) / 8 * 8
		if old := mappings(object); old != nil {
			newer = newer || !bytes.Equal(old, object)
			object = old
		}
		if len(out) > maxRead {
			return nil, false
		}
		out = append(out, head[:8]...)
		out = binary.LittleEndian.AppendUint64(out, uint64(len(object)))
		out = append(out, object...)
		out = append(out, make([]byte, -len(out)&7)...)
	}
	return out, newer
}

func (c collection) show(t *Translator) []byte {
	objects, _ := c.objects(t)
	if objects == nil {
		return nil
	}
	size := max(smallest, collectionHead+len(objects)+objectHead)
	p := append(make([]byte, 0, size), "GCOL\x01\x00\x00\x00"...)
	p = binary.LittleEndian.AppendUint64(p, uint64(size))
	p = append(p, objects...)
	free := size - len(p)
	p = append(p, make([]byte, 8)...)
	p = binary.LittleEndian.AppendUint64(p, uint64(free))
	return append(p, make([]byte, size-len(p))...)
}

// mapping is one of a virtual data set's.
type mapping struct{ file, set []byte }

// mappings are those of a virtual data set (section VII.F) in version 0, with
// selections as libraries before HDF5 1.12 have them; nil for what is none. In
// version 1 a byte says of each what it has in common with an earlier one.
func mappings(p []byte) []byte {
	if len(p) < 13 || p[0] > 1 || !checked(p) {
		return nil
	}
	version, count := p[0], binary.LittleEndian.Uint64(p[1:])
	if count > maxMapping {
		return nil
	}
	out := append([]byte{0}, p[1:9]...)
	r := &cursor{p: p[9 : len(p)-4]}
	seen := make([]mapping, 0, min(count, 1024))
	for range count {
		m := r.mapping(version, seen)
		seen = append(seen, m)
		out = append(append(append(out, m.file...), m.set...), r.selection()...)
		out = append(out, r.selection()...)
		if r.failed || len(out) > maxRead {
			return nil
		}
	}
	if len(r.p) > 0 {
		return nil
	}
	return sealed(out, true)
}

// cursor reads what was encoded. After a failure it gives zeros.
type cursor struct {
	p      []byte
	failed bool
}

func (r *cursor) bytes(n int) []byte {
	if n < 0 || n > len(r.p) {
		r.failed, r.p = true, nil
		return nil
	}
	b := r.p[:n]
	r.p = r.p[n:]
	return b
}

func (r *cursor) number(width int) uint64 { return number(r.bytes(width)) }

// text reads a text with the NUL behind it.
func (r *cursor) text() []byte { return r.bytes(after(r.p, 0)) }

const (
	fileAsBefore = 1 << iota // the number of an earlier mapping stands for the file
	setAsBefore
	ownFile
)

func (r *cursor) mapping(version byte, seen []mapping) mapping {
	if version == 0 {
		return mapping{r.text(), r.text()}
	}
	flags := r.number(1)
	var m mapping
	switch {
	case flags&ownFile != 0:
		m.file = []byte(".\x00")
	case flags&fileAsBefore != 0:
		m.file = r.earlier(seen).file
	default:
		m.file = r.text()
	}
	if flags&setAsBefore != 0 {
		m.set = r.earlier(seen).set
	} else {
		m.set = r.text()
	}
	return m
}

func (r *cursor) earlier(seen []mapping) mapping {
	if n := r.number(8); n < uint64(len(seen)) {
		return seen[n]
	}
	r.failed = true
	return mapping{}
}

// The kinds of selections (section VII.C).
const (
	selectNone  = 0
	selectSlabs = 2
	selectAll   = 3
)

// selection reads a selection, and returns it in the version that all
// libraries read.
func (r *cursor) selection() []byte {
	start := r.p
	kind, version := r.number(4), r.number(4)
	switch {
	case (kind == selectAll || kind == selectNone) && version == 1:
		r.bytes(8)
	case kind == selectSlabs && version == 1:
		r.bytes(4)
		r.bytes(int(r.number(4)))
	case kind == selectSlabs && version == 2:
		r.bytes(5)
		r.bytes(32 * int(min(r.number(4), 32)))
	case kind == selectSlabs && version == 3:
		return r.slabs()
	default:
		r.failed = true
	}
	if r.failed {
		return nil
	}
	return start[:len(start)-len(r.p)]
}

// slabs reads the rest of a hyperslab selection of version 3, whose numbers are
// as wide as they need to be: regular ones become version 2, others version 1.
func (r *cursor) slabs() []byte {
	regular, width, rank := r.number(1)&1 != 0, int(r.number(1)), int(r.number(4))
	if rank > 32 || width > 8 || width < 2 {
		r.failed = true
		return nil
	}
	out := binary.LittleEndian.AppendUint32(nil, selectSlabs)
	if regular {
		out = append(out, 2, 0, 0, 0, 1)
		out = binary.LittleEndian.AppendUint32(out, uint32(4+32*rank))
		out = binary.LittleEndian.AppendUint32(out, uint32(rank))
		for range 4 * rank {
			n := r.number(width)
			if n == math.MaxUint64>>(64-8*width) {
				n = math.MaxUint64 // without limit
			}
			out = binary.LittleEndian.AppendUint64(out, n)
		}
		return out
	}
	blocks := r.number(width)
	if blocks > uint64(len(r.p)) || rank == 0 {
		r.failed = true
		return nil
	}
	out = append(out, 1, 0, 0, 0, 0, 0, 0, 0)
	out = binary.LittleEndian.AppendUint32(out, uint32(8+8*uint64(rank)*blocks))
	out = binary.LittleEndian.AppendUint32(out, uint32(rank))
	out = binary.LittleEndian.AppendUint32(out, uint32(blocks))
	for range 2 * uint64(rank) * blocks {
		n := r.number(width)
		r.failed = r.failed || n > math.MaxUint32
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
		if r.failed {
			return nil
		}
	}
	return out
}
