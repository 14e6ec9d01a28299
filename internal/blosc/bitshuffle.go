package blosc

import "encoding/binary"

// bitUnshuffle undoes the bit shuffle, which puts bit 0 of the first byte of
// all elements before all bits 1, and so on: 8 × width rows of one bit for each
// element. It goes by way of tmp, where the bytes are whole again but still
// shuffled. The three slices have the same length and do not overlap.
//
// A block whose number of elements is not a multiple of 8 was left alone by
// whoever wrote it (the format has no other way to say so), and so were the
// bytes after the last whole element.
func bitUnshuffle(dst, src, tmp []byte, width int) {
	n := len(src) / width
	if n%8 != 0 {
		copy(dst, src)
		return
	}
	row := n / 8
	for b := range width {
		bitRows(tmp[b*n:(b+1)*n], src[b*n:(b+1)*n], row)
	}
	copy(tmp[n*width:], src[n*width:])
	if width == 1 {
		copy(dst, tmp)
		return
	}
	unshuffle(dst, tmp, width)
}

// bitRows turns eight rows of bits, each row bytes long, into 8 × row bytes.
func bitRows(dst, src []byte, row int) {
	g := 0
	for ; g+8 <= row; g += 8 {
		var m [8]uint64
		for k := range m {
			m[k] = binary.LittleEndian.Uint64(src[k*row+g:])
		}
		transposeBytes(&m)
		out := dst[8*g : 8*g+64]
		for k := range m {
			binary.LittleEndian.PutUint64(out[8*k:], transposeBits(m[k]))
		}
	}
	for ; g < row; g++ {
		var x uint64
		for k := range 8 {
			x |= uint64(src[k*row+g]) << (8 * k)
		}
		binary.LittleEndian.PutUint64(dst[8*g:], transposeBits(x))
	}
}

// transposeBits turns bit i of byte k into bit k of byte i.
func transposeBits(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00aa00aa00aa00aa
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000cccc0000cccc
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000f0f0f0f0
	return x ^ t ^ t<<28
}
