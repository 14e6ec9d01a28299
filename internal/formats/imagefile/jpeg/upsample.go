package jpeg

// row writes a row of the whole picture, as this component sees it, to dst and
// returns it, or memory of the component's own where nothing is to be done.
// dst has room for twice the component's width, and for the picture's.
//
// Twofold reduction, in either direction or both, is undone with a triangle
// filter: each sample is three parts the nearest and one part the next nearest,
// and where two roundings are as good they alternate. Everything else, and what
// is at most two samples wide, is repeated.
func (d *decoder) row(c *component, y int, dst []byte) []byte {
	across, down := d.maxH/c.h, d.maxV/c.v
	stride := 8 * c.strideX
	near := y / down
	in := c.plane[near*stride : near*stride+c.width]
	switch {
	case across == 1 && down == 1:
		return in
	case across == 2 && down == 1 && c.width > 2:
		widen(dst, in)
	case down == 2 && (across == 1 || across == 2 && c.width > 2):
		far := min(max(near-1+y%2*2, 0), c.height-1)
		next := c.plane[far*stride : far*stride+c.width]
		if across == 1 {
			blend(dst, in, next, 1+uint16(y%2))
		} else {
			widenBlend(dst, in, next)
		}
	default:
		for x := range d.config.Width {
			dst[x] = in[x/across]
		}
	}
	return dst
}

// widen doubles a row.
func widen(dst, in []byte) {
	n := len(in)
	dst[0], dst[2*n-1] = in[0], in[n-1]
	for x := 1; x < n; x++ {
		a, b := uint16(in[x-1]), uint16(in[x])
		dst[2*x-1] = byte((3*a + b + 2) >> 2)
		dst[2*x] = byte((3*b + a + 1) >> 2)
	}
}

// blend makes a row between two.
func blend(dst, in, next []byte, rounding uint16) {
	next = next[:len(in)]
	for x, v := range in {
		dst[x] = byte((3*uint16(v) + uint16(next[x]) + rounding) >> 2)
	}
}

// widenBlend does both at once, with one rounding.
func widenBlend(dst, in, next []byte) {
	n := len(in)
	next = next[:n]
	a := 3*uint16(in[0]) + uint16(next[0])
	dst[0] = byte((4*a + 8) >> 4)
	for x := 1; x < n; x++ {
		b := 3*uint16(in[x]) + uint16(next[x])
		dst[2*x-1] = byte((3*a + b + 7) >> 4)
		dst[2*x] = byte((3*b + a + 8) >> 4)
		a = b
	}
	dst[2*n-1] = byte((4*a + 7) >> 4)
}
