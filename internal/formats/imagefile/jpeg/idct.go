package jpeg

// Constants of the transform with 13 fractional bits: the cosines of Loeffler,
// Ligtenberg and Moschytz (1989), figure 1, as sums that save multiplications.
const (
	fracBits = 13
	passBits = 2 // more, that are kept between the two passes

	k0298 = 2446
	k0390 = 3196
	k0541 = 4433
	k0765 = 6270
	k0899 = 7373
	k1175 = 9633
	k1501 = 12299
	k1847 = 15137
	k1961 = 16069
	k2053 = 16819
	k2562 = 20995
	k3072 = 25172
)

// inverseDCT writes the 8 × 8 samples of a block of dequantised coefficients to
// dst, whose rows are stride apart. It uses b as working memory. Columns come
// first, since the rounding between the passes shows in the result.
func inverseDCT(b *[64]int32, dst []byte, stride int) {
	const down = fracBits - passBits
	for x := range 8 {
		if b[8+x]|b[16+x]|b[24+x]|b[32+x]|b[40+x]|b[48+x]|b[56+x] == 0 {
			v := b[x] << passBits
			b[x], b[8+x], b[16+x], b[24+x] = v, v, v, v
			b[32+x], b[40+x], b[48+x], b[56+x] = v, v, v, v
			continue
		}
		e0, e1, e2, e3 := even(b[x], b[16+x], b[32+x], b[48+x], 1<<(down-1))
		o0, o1, o2, o3 := odd(b[8+x], b[24+x], b[40+x], b[56+x])
		b[x], b[56+x] = (e0+o0)>>down, (e0-o0)>>down
		b[8+x], b[48+x] = (e1+o1)>>down, (e1-o1)>>down
		b[16+x], b[40+x] = (e2+o2)>>down, (e2-o2)>>down
		b[24+x], b[32+x] = (e3+o3)>>down, (e3-o3)>>down
	}
	for y := range 8 {
		const down = fracBits + passBits + 3
		in := b[8*y : 8*y+8 : 8*y+8]
		out := dst[y*stride : y*stride+8 : y*stride+8]
		if in[1]|in[2]|in[3]|in[4]|in[5]|in[6]|in[7] == 0 {
			v := sample((in[0] + 1<<(passBits+2)) >> (passBits + 3))
			for i := range out {
				out[i] = v
			}
			continue
		}
		e0, e1, e2, e3 := even(in[0], in[2], in[4], in[6], 1<<(down-1))
		o0, o1, o2, o3 := odd(in[1], in[3], in[5], in[7])
		out[0], out[7] = sample((e0+o0)>>down), sample((e0-o0)>>down)
		out[1], out[6] = sample((e1+o1)>>down), sample((e1-o1)>>down)
		out[2], out[5] = sample((e2+o2)>>down), sample((e2-o2)>>down)
		out[3], out[4] = sample((e3+o3)>>down), sample((e3-o3)>>down)
	}
}

// even is what the coefficients of even index add to outputs 0 to 3, and, in
// reverse order, to 4 to 7; half is added to each for rounding.
func even(c0, c2, c4, c6, half int32) (e0, e1, e2, e3 int32) {
	z := (c2 + c6) * k0541
	low, high := z-c6*k1847, z+c2*k0765
	sum, difference := (c0+c4)<<fracBits+half, (c0-c4)<<fracBits+half
	return sum + high, difference + low, difference - low, sum - high
}

// odd is what those of odd index add to outputs 0 to 3, and take away from 7 to 4.
func odd(c1, c3, c5, c7 int32) (o0, o1, o2, o3 int32) {
	z5 := (c7 + c3 + c5 + c1) * k1175
	z3, z4 := z5-(c7+c3)*k1961, z5-(c5+c1)*k0390
	z1, z2 := (c7+c1)*k0899, (c5+c3)*k2562
	return c1*k1501 - z1 + z4, c3*k3072 - z2 + z3, c5*k2053 - z2 + z4, c7*k0298 - z1 + z3
}

// sample shifts a value to 0…255, and cuts off what is beyond.
func sample(v int32) byte { return clamp(v + 128) }

func clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^(v >> 31)) // 0 for what is negative, else 255
	}
	return byte(v)
}
