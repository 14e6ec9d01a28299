package hdf5compat

import "encoding/binary"

const (
	// fixedHead is the length of a fixed array's header.
	fixedHead = 28
	// pageLimit bounds the elements of a page, and of a block without pages.
	pageLimit = 1 << 21
)

// fixed shows the header of a fixed array.
func (h indexHeader) fixed(t *Translator) []byte {
	p := t.at(h.addr, fixedHead)
	if p == nil {
		return nil
	}
	b := fixedBlock{
		addr: binary.LittleEndian.Uint64(p[16:]), header: h.addr, width: h.width, was: int(p[6]) - 12,
		elements: int64(min(binary.LittleEndian.Uint64(p[8:]), 1<<62)), page: 1 << min(p[7], 62),
	}
	right := checked(p)
	if b.was < 1 || b.was > 8 {
		return nil
	}
	t.register(b.addr, b)
	p[6] = byte(element(h.width))
	binary.LittleEndian.PutUint64(p[16:], beyond(b.addr))
	return sealed(p[:fixedHead-4], right)
}

// fixedBlock is the data block of a fixed array.
type fixedBlock struct {
	addr, header   uint64
	width, was     int
	elements, page int64
}

func (b fixedBlock) show(t *Translator) []byte {
	const head = 4 + 1 + 1 + 8
	if b.elements <= b.page {
		if b.elements > pageLimit {
			return nil
		}
		p := t.at(b.addr, head+b.elements*int64(element(b.was))+4)
		return reseal(p, head, func(to, from []byte) []byte { return narrow(to, from, b.was, b.width) })
	}
	count := (b.elements + b.page - 1) / b.page
	prefix := head + (count+7)/8 + 4
	p := t.at(b.addr, prefix)
	if p == nil || b.page > pageLimit {
		return nil
	}
	size := b.page*int64(element(b.width)) + 4
	start := Beyond + t.base + int64(b.addr) + prefix
	t.registerPages(pages{start, start + count*size, size, func(i int64) image {
		n := min(b.page, b.elements-i*b.page)
		return page{b.addr + uint64(prefix+i*(b.page*int64(element(b.was))+4)), n, b.was, b.width}
	}})
	return reseal(p, len(p)-4, nil)
}

// page is a page of elements, of a fixed or an extensible array.
type page struct {
	addr       uint64
	elements   int64
	was, width int
}

func (g page) show(t *Translator) []byte {
	p := t.at(g.addr, g.elements*int64(element(g.was))+4)
	return reseal(p, 0, func(to, from []byte) []byte { return narrow(to, from, g.was, g.width) })
}

// reseal rebuilds a block that ends in its checksum: what precedes head stays,
// with the address of the header of its array as it is seen; rest makes the
// rest. A page has no head.
func reseal(p []byte, head int, rest func(to, from []byte) []byte) []byte {
	if p == nil {
		return nil
	}
	end := len(p) - 4
	right := checked(p)
	out := append(make([]byte, 0, len(p)), p[:head]...)
	if head >= 14 {
		binary.LittleEndian.PutUint64(out[6:], beyond(binary.LittleEndian.Uint64(out[6:])))
	}
	if rest != nil {
		out = rest(out, p[head:end])
	} else {
		out = append(out, p[head:end]...)
	}
	return sealed(out, right)
}
