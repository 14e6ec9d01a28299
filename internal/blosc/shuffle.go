package blosc

import "encoding/binary"

// The byte shuffle puts the first bytes of all elements of a block before all
// the second bytes, and so on; bytes after the last whole element stay where
// they are. Widths 2, 4, 8 and 16 go eight elements at a time through uint64s.

// unshuffle undoes the byte shuffle: src and dst have the same length and do
// not overlap.
func unshuffle(dst, src []byte, width int) {
	n := len(src) / width
	done := 0
	switch width {
	case 2:
		done = unshuffle2(dst, src, n)
	case 4:
		done = unshuffle4(dst, src, n)
	case 8, 16:
		done = unshuffle8(dst, src, n, width)
	}
	for b := range width {
		plane := src[b*n : (b+1)*n]
		for i, at := done, done*width+b; i < n; i, at = i+1, at+width {
			dst[at] = plane[i]
		}
	}
	copy(dst[n*width:], src[n*width:])
}

// spread puts the four low bytes of x into the even bytes of the result.
func spread(x uint64) uint64 {
	x &= 0xffffffff
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & 0x00ff00ff00ff00ff
}

// spread16 puts the two low 16-bit words of x into the even words of the result.
func spread16(x uint64) uint64 {
	x &= 0xffffffff
	return (x | x<<16) & 0x0000ffff0000ffff
}

func unshuffle2(dst, src []byte, n int) int {
	a, b := src[:n], src[n:2*n]
	i := 0
	for ; i+8 <= n; i += 8 {
		x := binary.LittleEndian.Uint64(a[i:])
		y := binary.LittleEndian.Uint64(b[i:])
		out := dst[2*i : 2*i+16]
		binary.LittleEndian.PutUint64(out, spread(x)|spread(y)<<8)
		binary.LittleEndian.PutUint64(out[8:], spread(x>>32)|spread(y>>32)<<8)
	}
	return i
}

func unshuffle4(dst, src []byte, n int) int {
	a, b, c, d := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
	i := 0
	for ; i+8 <= n; i += 8 {
		x, y := binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[i:])
		z, w := binary.LittleEndian.Uint64(c[i:]), binary.LittleEndian.Uint64(d[i:])
		low0, low1 := spread(x)|spread(y)<<8, spread(x>>32)|spread(y>>32)<<8
		high0, high1 := spread(z)|spread(w)<<8, spread(z>>32)|spread(w>>32)<<8
		out := dst[4*i : 4*i+32]
		binary.LittleEndian.PutUint64(out, spread16(low0)|spread16(high0)<<16)
		binary.LittleEndian.PutUint64(out[8:], spread16(low0>>32)|spread16(high0>>32)<<16)
		binary.LittleEndian.PutUint64(out[16:], spread16(low1)|spread16(high1)<<16)
		binary.LittleEndian.PutUint64(out[24:], spread16(low1>>32)|spread16(high1>>32)<<16)
	}
	return i
}

// unshuffle8 handles widths that are multiples of 8: a transposition of 8 × 8
// bytes for each eight elements and each eight bytes of the width.
func unshuffle8(dst, src []byte, n, width int) int {
	done := n &^ 7
	for half := 0; half < width; half += 8 {
		planes := src[half*n : (half+8)*n]
		for i := 0; i < done; i += 8 {
			var m [8]uint64
			for b := range m {
				m[b] = binary.LittleEndian.Uint64(planes[b*n+i:])
			}
			transposeBytes(&m)
			for e := range m {
				binary.LittleEndian.PutUint64(dst[(i+e)*width+half:], m[e])
			}
		}
	}
	return done
}

// shuffle does the byte shuffle: src and dst have the same length and do not
// overlap.
func shuffle(dst, src []byte, width int) {
	n := len(src) / width
	done := 0
	switch width {
	case 2:
		done = shuffle2(dst, src, n)
	case 4:
		done = shuffle4(dst, src, n)
	case 8, 16:
		done = shuffle8(dst, src, n, width)
	}
	for b := range width {
		plane := dst[b*n : (b+1)*n]
		for i, at := done, done*width+b; i < n; i, at = i+1, at+width {
			plane[i] = src[at]
		}
	}
	copy(dst[n*width:], src[n*width:])
}

// gather puts the even bytes of x into the four low bytes of the result.
func gather(x uint64) uint64 {
	x &= 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return (x | x>>16) & 0xffffffff
}

func shuffle2(dst, src []byte, n int) int {
	a, b := dst[:n], dst[n:2*n]
	i := 0
	for ; i+8 <= n; i += 8 {
		in := src[2*i : 2*i+16]
		x, y := binary.LittleEndian.Uint64(in), binary.LittleEndian.Uint64(in[8:])
		binary.LittleEndian.PutUint64(a[i:], gather(x)|gather(y)<<32)
		binary.LittleEndian.PutUint64(b[i:], gather(x>>8)|gather(y>>8)<<32)
	}
	return i
}

func shuffle4(dst, src []byte, n int) int {
	i := 0
	for ; i+8 <= n; i += 8 {
		in := src[4*i : 4*i+32]
		x, y := binary.LittleEndian.Uint64(in), binary.LittleEndian.Uint64(in[8:])
		z, w := binary.LittleEndian.Uint64(in[16:]), binary.LittleEndian.Uint64(in[24:])
		even0, even1 := gather(x)|gather(y)<<32, gather(z)|gather(w)<<32
		odd0, odd1 := gather(x>>8)|gather(y>>8)<<32, gather(z>>8)|gather(w>>8)<<32
		binary.LittleEndian.PutUint64(dst[i:], gather(even0)|gather(even1)<<32)
		binary.LittleEndian.PutUint64(dst[n+i:], gather(odd0)|gather(odd1)<<32)
		binary.LittleEndian.PutUint64(dst[2*n+i:], gather(even0>>8)|gather(even1>>8)<<32)
		binary.LittleEndian.PutUint64(dst[3*n+i:], gather(odd0>>8)|gather(odd1>>8)<<32)
	}
	return i
}

func shuffle8(dst, src []byte, n, width int) int {
	done := n &^ 7
	for half := 0; half < width; half += 8 {
		planes := dst[half*n : (half+8)*n]
		for i := 0; i < done; i += 8 {
			var m [8]uint64
			for e := range m {
				m[e] = binary.LittleEndian.Uint64(src[(i+e)*width+half:])
			}
			transposeBytes(&m)
			for b := range m {
				binary.LittleEndian.PutUint64(planes[b*n+i:], m[b])
			}
		}
	}
	return done
}

// transposeBytes turns byte b of word e into byte e of word b, by exchanging
// ever smaller squares: 4 × 4, 2 × 2 and single bytes.
func transposeBytes(m *[8]uint64) {
	for i := range 4 {
		a, b := m[i], m[i+4]
		m[i] = a&0x00000000ffffffff | b<<32
		m[i+4] = a>>32 | b&0xffffffff00000000
	}
	for _, i := range [4]int{0, 1, 4, 5} {
		a, b := m[i], m[i+2]
		m[i] = a&0x0000ffff0000ffff | b&0x0000ffff0000ffff<<16
		m[i+2] = a>>16&0x0000ffff0000ffff | b&0xffff0000ffff0000
	}
	for i := 0; i < 8; i += 2 {
		a, b := m[i], m[i+1]
		m[i] = a&0x00ff00ff00ff00ff | b&0x00ff00ff00ff00ff<<8
		m[i+1] = a>>8&0x00ff00ff00ff00ff | b&0xff00ff00ff00ff00
	}
}
