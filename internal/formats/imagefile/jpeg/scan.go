package jpeg

import "context"

// zigzag is where in a block, row by row, the coefficients of a file belong.
var zigzag = [64]uint8{ //nolint:gochecknoglobals // a table of the standard
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

// scanner decodes one scan.
type scanner struct {
	bitReader
	components     []*component
	ss, se, ah, al int
	decode         func(c *component, x, y int) bool // false: damaged
	run            int                               // blocks that follow without coefficients
	block          [64]int32
}

// scan decodes the scan whose header is p and whose data follow.
func (d *decoder) scan(ctx context.Context, p []byte) error {
	s, err := d.newScanner(p)
	if err != nil {
		return err
	}
	err = d.mcus(ctx, s)
	d.at = s.at
	return err
}

func (d *decoder) newScanner(p []byte) (*scanner, error) {
	if len(p) < 6 || len(p) != 4+2*int(p[0]) || int(p[0]) > len(d.components) {
		return nil, damaged("has a scan header of %d bytes", len(p))
	}
	n := int(p[0])
	tail := p[1+2*n:]
	s := &scanner{
		bitReader: bitReader{data: d.data, at: d.at},
		ss:        int(tail[0]), se: int(tail[1]), ah: int(tail[2] >> 4), al: int(tail[2] & 15),
	}
	if err := d.chooseDecoder(s, n); err != nil {
		return nil, err
	}
	for i := range n {
		c, err := d.scanComponent(s, p[1+2*i], p[2+2*i])
		if err != nil {
			return nil, err
		}
		s.components = append(s.components, c)
	}
	return s, nil
}

// chooseDecoder picks the procedure for a block by the kind of scan.
func (d *decoder) chooseDecoder(s *scanner, n int) error {
	if !d.progressive {
		s.decode, s.ss, s.se, s.ah = s.sequential, 0, 63, 0
		return nil
	}
	if s.ss > s.se || s.se > 63 || s.al > 13 || s.ss == 0 && s.se != 0 || s.ss > 0 && n != 1 {
		return damaged("has a scan of coefficients %d to %d at bit %d for %d components", s.ss, s.se, s.al, n)
	}
	switch {
	case s.ss == 0 && s.ah == 0:
		s.decode = s.firstDC
	case s.ss == 0:
		s.decode = s.refineDC
	case s.ah == 0:
		s.decode = s.firstAC
	default:
		s.decode = s.refineAC
	}
	return nil
}

// scanComponent finds the component of that id and gives it its tables.
func (d *decoder) scanComponent(s *scanner, id, tables byte) (*component, error) {
	var c *component
	for i := range d.components {
		if d.components[i].id == id {
			c = &d.components[i]
		}
	}
	for _, other := range s.components {
		if other == c {
			c = nil
		}
	}
	if c == nil || tables>>4 > 3 || tables&15 > 3 {
		return nil, damaged("has a scan of component %d with tables %#02x", id, tables)
	}
	c.pred, c.dc, c.ac = 0, d.dc[tables>>4], d.ac[tables&15]
	if s.ss == 0 && s.ah == 0 && c.dc == nil || s.se > 0 && c.ac == nil {
		return nil, damaged("has a scan of component %d without its Huffman tables", id)
	}
	if !c.seen {
		if c.quant = d.quant[c.tq]; c.quant == nil {
			return nil, damaged("has no quantisation table %d", c.tq)
		}
		c.seen = true
	}
	return c, nil
}

// mcus decodes all blocks of a scan in their order: those of a scan of one
// component row by row, of several interleaved.
func (d *decoder) mcus(ctx context.Context, s *scanner) error {
	across, down := d.mcusX, d.mcusY
	if len(s.components) == 1 {
		across, down = s.components[0].blocksX, s.components[0].blocksY
	}
	untilRestart, next := d.restart, byte(markRST0)
	for y := range down {
		if err := ctx.Err(); err != nil {
			return err
		}
		for x := range across {
			if d.restart > 0 && untilRestart == 0 {
				if !s.restarts(next) {
					return damaged("has no restart marker %d where it belongs", next-markRST0)
				}
				untilRestart, next = d.restart, markRST0+(next+1)&7
			}
			untilRestart--
			if !s.mcu(x, y) || s.overrun() {
				return damaged("has a scan that is damaged or cut off near block %d, %d of %d by %d", x, y, across, down)
			}
		}
	}
	return nil
}

// mcu decodes the blocks of one MCU.
func (s *scanner) mcu(x, y int) bool {
	if len(s.components) == 1 {
		return s.decode(s.components[0], x, y)
	}
	for _, c := range s.components {
		for v := range c.v {
			for h := range c.h {
				if !s.decode(c, x*c.h+h, y*c.v+v) {
					return false
				}
			}
		}
	}
	return true
}

// restarts steps over the restart marker that must come next.
func (s *scanner) restarts(marker byte) bool {
	if s.atMarker() != marker {
		return false
	}
	s.at += 2
	s.align()
	s.run = 0
	for _, c := range s.components {
		c.pred = 0
	}
	return true
}

// sequential decodes a block of a baseline file, and transforms it.
func (s *scanner) sequential(c *component, x, y int) bool {
	s.block = [64]int32{}
	size := s.symbol(c.dc)
	if size < 0 || size > 15 {
		return false
	}
	c.pred += s.extend(size)
	s.block[0] = int32(int16(c.pred)) * int32(c.quant[0])
	for k := 1; k < 64; k++ {
		rs := s.symbol(c.ac)
		if rs < 0 {
			return false
		}
		run, size := rs>>4, rs&15
		if size == 0 {
			if run != 15 {
				break
			}
			k += 15
			continue
		}
		if k += run; k > 63 {
			return false
		}
		s.block[zigzag[k]] = int32(s.extend(size)) * int32(c.quant[k])
	}
	c.put(&s.block, x, y)
	return true
}
