package jpeg

import "encoding/binary"

// component is one of the frame's colours, with its samples.
type component struct {
	id   byte
	h, v int // sampling factors
	tq   byte
	seen bool

	width, height    int // in samples
	blocksX, blocksY int // that a scan of this component alone has
	strideX, strideY int // blocks in memory: whole MCUs

	quant *[64]uint16 // the table as it was when the first scan began
	coefs []int16     // of a progressive file, by block, in zigzag order
	plane []byte      // 8*strideX by 8*strideY samples

	dc, ac *huffman // of the scan under way
	pred   int
}

// frame reads the frame header and checks that what it asks for can be there.
func (d *decoder) frame(p []byte, progressive bool) error {
	if len(p) < 6 || len(p) != 6+3*int(p[5]) {
		return damaged("has a frame header of %d bytes", len(p))
	}
	if p[0] != 8 {
		return unsupported("has samples of %d bits; 8 are read", p[0])
	}
	d.progressive = progressive
	d.config = Config{
		Width: int(binary.BigEndian.Uint16(p[3:])), Height: int(binary.BigEndian.Uint16(p[1:])), Components: int(p[5]),
	}
	c := d.config
	switch {
	case c.Components != 1 && c.Components != 3 && c.Components != 4:
		return unsupported("has %d components; 1, 3 and 4 are read", c.Components)
	case c.Width == 0 || c.Height == 0:
		return damaged("is %d by %d pixels", c.Width, c.Height)
	case c.Width*c.Height > MaxPixels:
		return unsupported("has %d by %d pixels; at most %d are read", c.Width, c.Height, MaxPixels)
	}
	d.components = make([]component, c.Components)
	d.maxH, d.maxV = 1, 1
	for i := range d.components {
		q := p[6+3*i:]
		h, v := int(q[1]>>4), int(q[1]&15)
		if h < 1 || h > 4 || v < 1 || v > 4 || q[2] > 3 {
			return damaged("has sampling factors %d, %d and table %d", h, v, q[2])
		}
		d.components[i] = component{id: q[0], h: h, v: v, tq: q[2]}
		d.maxH, d.maxV = max(d.maxH, h), max(d.maxV, v)
	}
	return d.layout()
}

// layout computes the components' sizes. Each block of 64 samples takes a bit
// at least, in whatever process: more of them than bits are a lie.
func (d *decoder) layout() error {
	d.mcusX = ceil(d.config.Width, 8*d.maxH)
	d.mcusY = ceil(d.config.Height, 8*d.maxV)
	blocks := int64(0)
	for i := range d.components {
		c := &d.components[i]
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return unsupported("has sampling factors %d and %d under %d and %d", c.h, c.v, d.maxH, d.maxV)
		}
		c.width, c.height = ceil(d.config.Width*c.h, d.maxH), ceil(d.config.Height*c.v, d.maxV)
		c.blocksX, c.blocksY = ceil(c.width, 8), ceil(c.height, 8)
		c.strideX, c.strideY = d.mcusX*c.h, d.mcusY*c.v
		blocks += int64(c.blocksX) * int64(c.blocksY)
	}
	if blocks > 8*d.fileSize {
		return damaged("claims %d by %d pixels in a file of %d bytes", d.config.Width, d.config.Height, d.fileSize)
	}
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

func (d *decoder) allocate() {
	for i := range d.components {
		c := &d.components[i]
		n := 64 * c.strideX * c.strideY
		c.plane = make([]byte, n)
		if d.progressive {
			c.coefs = make([]int16, n)
		}
	}
}

// transform makes the samples of a progressive component.
func (c *component) transform() {
	for y := range c.strideY {
		for x := range c.strideX {
			var block [64]int32
			for i, v := range c.at(x, y) {
				if v != 0 {
					block[zigzag[i]] = int32(v) * int32(c.quant[i])
				}
			}
			c.put(&block, x, y)
		}
	}
	c.coefs = nil
}

// put writes the samples of a block.
func (c *component) put(block *[64]int32, x, y int) {
	stride := 8 * c.strideX
	inverseDCT(block, c.plane[8*y*stride+8*x:], stride)
}
