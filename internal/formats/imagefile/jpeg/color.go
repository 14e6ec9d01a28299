package jpeg

// pixels puts the components together.
func (d *decoder) pixels() []byte {
	w, h, n := d.config.Width, d.config.Height, len(d.components)
	pix := make([]byte, w*h*n)
	var buffers, rows [4][]byte
	for i := range d.components {
		buffers[i] = make([]byte, max(w, 2*d.components[i].width))
	}
	coded := d.isYCC()
	for y := range h {
		for i := range d.components {
			rows[i] = d.row(&d.components[i], y, buffers[i])[:w]
		}
		out := pix[y*w*n : (y+1)*w*n]
		switch {
		case n == 1:
			copy(out, rows[0])
		case coded && n == 3:
			fromYCC(out, rows)
		case coded:
			fromYCCK(out, rows)
		default:
			interleave(out, rows[:n], n == 4)
		}
	}
	return pix
}

// isYCC reports whether three components are luma and chroma, and not colours:
// as libjpeg guesses where the file does not say it.
func (d *decoder) isYCC() bool {
	id := func(i int) byte { return d.components[i].id }
	switch {
	case len(d.components) == 4:
		return d.adobe && d.adobeMap != 0
	case len(d.components) != 3:
		return false
	case d.jfif:
		return true
	case d.adobe:
		return d.adobeMap != 0
	default:
		return id(0) != 'R' || id(1) != 'G' || id(2) != 'B'
	}
}

// rgb converts a pixel, with 16 fractional bits (JFIF 1.02).
func rgb(y, cb, cr byte) (r, g, b byte) {
	const half = 1 << 15
	l, u, v := int32(y), int32(cb)-128, int32(cr)-128
	return clamp(l + (91881*v+half)>>16), clamp(l + (half-22554*u-46802*v)>>16), clamp(l + (116130*u+half)>>16)
}

func fromYCC(out []byte, rows [4][]byte) {
	luma := rows[0]
	cb, cr := rows[1][:len(luma)], rows[2][:len(luma)]
	out = out[:3*len(luma)]
	for x, y := range luma {
		p := out[3*x : 3*x+3 : 3*x+3]
		p[0], p[1], p[2] = rgb(y, cb[x], cr[x])
	}
}

// fromYCCK converts to inverted CMYK. The file has inverted CMY, which is RGB,
// coded as YCC, and K; libjpeg turns CMY over, and Pillow all four.
func fromYCCK(out []byte, rows [4][]byte) {
	for x, y := range rows[0] {
		p := out[4*x : 4*x+4 : 4*x+4]
		p[0], p[1], p[2] = rgb(y, rows[1][x], rows[2][x])
		p[3] = ^rows[3][x]
	}
}

// interleave puts rows together as they are, or inverted.
func interleave(out []byte, rows [][]byte, invert bool) {
	mask := byte(0)
	if invert {
		mask = 0xff
	}
	n := len(rows)
	for i, row := range rows {
		for x, v := range row {
			out[n*x+i] = v ^ mask
		}
	}
}
