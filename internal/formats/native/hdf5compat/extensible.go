package hdf5compat

import (
	"encoding/binary"
	"math/bits"
)

// extensibleHead is the length of an extensible array's header.
const extensibleHead = 72

// extensible shows the header of an extensible array.
func (h indexHeader) extensible(t *Translator) []byte {
	p := t.at(h.addr, extensibleHead)
	if p == nil {
		return nil
	}
	a := array{
		width: h.width, was: int(p[6]) - 12, offset: (int(p[7]) + 7) / 8, inIndex: int64(p[8]),
		least: int64(p[9]), pointers: int64(p[10]), page: 1 << min(p[11], 62),
	}
	right := checked(p)
	log := func(n int64) int { return bits.Len64(uint64(n)) - 1 }
	if a.was < 1 || a.was > 8 || p[7] > 64 || a.least < 1 || a.pointers < 1 || log(a.least) > int(p[7]) || a.page > pageLimit {
		return nil
	}
	a.blocks, a.first = 1+int(p[7])-log(a.least), 2*log(a.pointers)
	index := binary.LittleEndian.Uint64(p[60:])
	t.register(index, indexBlock{a, index})
	p[6] = byte(element(h.width))
	binary.LittleEndian.PutUint64(p[60:], beyond(index))
	return sealed(p[:extensibleHead-4], right)
}

// array is what all blocks of an extensible array have in common.
type array struct {
	width, was int
	offset     int   // the length of a block's offset
	inIndex    int64 // elements in the index block
	least      int64 // elements of the smallest data block
	pointers   int64 // data blocks of the smallest secondary block
	page       int64 // elements of a page
	// blocks is how many secondary blocks there can be; those before first
	// have their data blocks in the index block.
	blocks, first int
}

// dataBlocks is how many data blocks a secondary block has, and of how many
// elements each is.
func (a array) dataBlocks(secondary int) (count, elements int64) {
	return 1 << min(secondary/2, 40), a.least << min((secondary+1)/2, 40)
}

const arrayHead = 4 + 1 + 1 + 8

// indexBlock has the first elements, data blocks, and the secondary blocks.
type indexBlock struct {
	array
	addr uint64
}

func (b indexBlock) show(t *Translator) []byte {
	data, secondary := 2*(b.pointers-1), max(b.blocks-b.first, 0)
	first := b.inIndex * int64(element(b.was))
	p := t.at(b.addr, arrayHead+first+8*(data+int64(secondary))+4)
	return reseal(p, arrayHead, func(to, from []byte) []byte {
		to = narrow(to, from[:first], b.was, b.width)
		from = from[first:]
		for s := 0; s < b.first; s++ {
			count, elements := b.dataBlocks(s)
			to, from = b.refer(t, to, from, count, elements)
		}
		for s := b.first; s < b.blocks && len(from) >= 8; s++ {
			addr := binary.LittleEndian.Uint64(from)
			t.register(addr, secondaryBlock{b.array, addr, s})
			to, from = binary.LittleEndian.AppendUint64(to, beyond(addr)), from[8:]
		}
		return to
	})
}

// refer copies the addresses of data blocks.
func (a array) refer(t *Translator, to, from []byte, count, elements int64) (out, rest []byte) {
	for ; count > 0 && len(from) >= 8; count-- {
		addr := binary.LittleEndian.Uint64(from)
		t.register(addr, dataBlock{a, addr, elements})
		if elements > a.page && addr < uint64(Beyond) {
			a.registerPages(t, addr, elements)
		}
		to, from = binary.LittleEndian.AppendUint64(to, beyond(addr)), from[8:]
	}
	return to, from
}

// secondaryBlock has the addresses of data blocks.
type secondaryBlock struct {
	array
	addr   uint64
	number int
}

func (b secondaryBlock) show(t *Translator) []byte {
	count, elements := b.dataBlocks(b.number)
	var written int64 // says of each page whether it was written
	if elements > b.page {
		written = count * ((elements/b.page + 7) / 8)
	}
	if count > pageLimit {
		return nil
	}
	head := arrayHead + b.offset + int(written)
	p := t.at(b.addr, int64(head)+8*count+4)
	return reseal(p, head, func(to, from []byte) []byte {
		to, _ = b.refer(t, to, from, count, elements)
		return to
	})
}

// dataBlock has elements, or pages of them.
type dataBlock struct {
	array
	addr     uint64
	elements int64
}

func (b dataBlock) show(t *Translator) []byte {
	head := arrayHead + b.offset
	if b.elements <= b.page {
		p := t.at(b.addr, int64(head)+b.elements*int64(element(b.was))+4)
		return reseal(p, head, func(to, from []byte) []byte { return narrow(to, from, b.was, b.width) })
	}
	return reseal(t.at(b.addr, int64(head)+4), head, nil)
}

// registerPages registers the pages of a data block, which the library reads
// without a look at the block.
func (a array) registerPages(t *Translator, addr uint64, elements int64) {
	prefix := int64(arrayHead + a.offset + 4)
	size := a.page*int64(element(a.width)) + 4
	start := Beyond + t.base + int64(addr) + prefix
	t.registerPages(pages{start, start + elements/a.page*size, size, func(i int64) image {
		return page{addr + uint64(prefix+i*(a.page*int64(element(a.was))+4)), a.page, a.was, a.width}
	}})
}
