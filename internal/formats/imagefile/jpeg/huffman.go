package jpeg

// lookBits is how long codes may be to be found by one look into a table.
const lookBits = 9

// huffman is a table of T.81 annex C, made for decoding.
type huffman struct {
	look   [1 << lookBits]uint16 // value<<8 | length of the code, 0 if it is longer
	values []byte
	// For each length: the greatest code of it, left-aligned to 16 bits, plus
	// one (0 if there is none), and what to add to a code to get its index.
	limit  [17]int32
	offset [17]int32
}

// newHuffman reads a table, 16 counts and then the values, from the start of p
// and returns how many bytes it took.
func newHuffman(p []byte) (*huffman, int, error) {
	total := 0
	for _, n := range p[:16] {
		total += int(n)
	}
	if total > 256 || total > len(p)-16 {
		return nil, 0, damaged("has a Huffman table of %d codes", total)
	}
	h := &huffman{values: p[16 : 16+total]}
	code, index := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		h.offset[length] = index - code
		for range p[length-1] {
			if length <= lookBits {
				entry := uint16(h.values[index])<<8 | uint16(length)
				first := code << (lookBits - length)
				for i := range int32(1) << (lookBits - length) {
					if int(first+i) < len(h.look) {
						h.look[first+i] = entry
					}
				}
			}
			code++
			index++
		}
		if code > 1<<length {
			return nil, 0, damaged("has a Huffman table with too many codes of %d bits", length)
		}
		if p[length-1] > 0 {
			h.limit[length] = code << (16 - length)
		}
		code <<= 1
	}
	return h, 16 + total, nil
}

// bitReader reads the entropy-coded data of one scan. Behind a marker, or the
// end of the data, it gives zeros: overrun tells whether any were used.
type bitReader struct {
	data  []byte
	at    int
	acc   uint64 // the low n bits are the next ones
	n     int
	extra int // zeros that were added at the end
}

// fill makes at least 32 bits available.
func (r *bitReader) fill() {
	for r.n <= 56 {
		var b byte
		switch {
		case r.at >= len(r.data):
			r.extra += 8
		case r.data[r.at] != 0xff:
			b = r.data[r.at]
			r.at++
		case r.at+1 < len(r.data) && r.data[r.at+1] == 0:
			b = 0xff
			r.at += 2
		default:
			r.extra += 8
		}
		r.acc = r.acc<<8 | uint64(b)
		r.n += 8
	}
}

// overrun reports whether bits were used that were not there.
func (r *bitReader) overrun() bool { return r.extra > r.n }

// get returns the next k bits, at most 16.
func (r *bitReader) get(k int) int {
	if r.n < k {
		r.fill()
	}
	r.n -= k
	return int(r.acc>>r.n) & (1<<k - 1)
}

// extend reads k bits as T.81 figure F.12 codes signed numbers: those that begin
// with 0 are negative.
func (r *bitReader) extend(k int) int {
	if k == 0 {
		return 0
	}
	v := r.get(k)
	if v < 1<<(k-1) {
		v += -1<<k + 1
	}
	return v
}

// symbol reads a Huffman code; -1 if there is no such code.
func (r *bitReader) symbol(h *huffman) int {
	if r.n < 16 {
		r.fill()
	}
	entry := h.look[r.acc>>(r.n-lookBits)&(1<<lookBits-1)]
	if entry != 0 {
		r.n -= int(entry & 0xff)
		return int(entry >> 8)
	}
	next := int32(r.acc >> (r.n - 16) & 0xffff)
	for length := lookBits + 1; length <= 16; length++ {
		if next < h.limit[length] {
			r.n -= length
			return int(h.values[next>>(16-length)+h.offset[length]])
		}
	}
	return -1
}

// align drops the bits that were read ahead.
func (r *bitReader) align() { r.n, r.acc, r.extra = 0, 0, 0 }

// atMarker moves to the next marker and returns it, or 0.
func (r *bitReader) atMarker() byte {
	for ; r.at+1 < len(r.data); r.at++ {
		if m := r.data[r.at+1]; r.data[r.at] == 0xff && m != 0 && m != 0xff {
			return m
		}
	}
	return 0
}
