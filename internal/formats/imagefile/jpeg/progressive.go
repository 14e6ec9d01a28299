package jpeg

// The four procedures of T.81 annex G: a scan of a progressive file brings the
// upper bits of coefficients, or one bit more of those that came before.

// at returns the coefficients of a block.
func (c *component) at(x, y int) []int16 {
	i := 64 * (y*c.strideX + x)
	return c.coefs[i : i+64 : i+64]
}

func (s *scanner) firstDC(c *component, x, y int) bool {
	size := s.symbol(c.dc)
	if size < 0 || size > 15 {
		return false
	}
	c.pred += s.extend(size)
	c.at(x, y)[0] = int16(c.pred << s.al)
	return true
}

func (s *scanner) refineDC(c *component, x, y int) bool {
	c.at(x, y)[0] |= int16(s.get(1) << s.al)
	return true
}

func (s *scanner) firstAC(c *component, x, y int) bool {
	if s.run > 0 {
		s.run--
		return true
	}
	coefs := c.at(x, y)
	for k := s.ss; k <= s.se; k++ {
		rs := s.symbol(c.ac)
		if rs < 0 {
			return false
		}
		run, size := rs>>4, rs&15
		switch {
		case size > 0:
			if k += run; k > 63 {
				return false
			}
			coefs[k] = int16(s.extend(size) << s.al)
		case run == 15:
			k += 15
		default:
			s.run = 1<<run + s.get(run) - 1 // this block is the first
			return true
		}
	}
	return true
}

func (s *scanner) refineAC(c *component, x, y int) bool {
	coefs := c.at(x, y)
	k := s.ss
	for ; k <= s.se && s.run == 0; k++ {
		rs := s.symbol(c.ac)
		if rs < 0 {
			return false
		}
		zeros, size := rs>>4, rs&15
		fresh := int16(0)
		if size > 0 {
			if fresh = -1 << s.al; s.get(1) == 1 {
				fresh = 1 << s.al
			}
		} else if zeros < 15 {
			s.run = 1<<zeros + s.get(zeros)
			break
		}
		k = s.refine(coefs, k, zeros)
		if fresh != 0 {
			if k > s.se {
				return false
			}
			coefs[k] = fresh
		}
	}
	if s.run > 0 {
		s.refine(coefs, k, 64)
		s.run--
	}
	return true
}

// refine reads a bit for each coefficient from k on that is not zero, and stops
// at the zero after that many zeros, or after the last of the band.
func (s *scanner) refine(coefs []int16, k, zeros int) int {
	for ; k <= s.se; k++ {
		v := coefs[k]
		switch {
		case v == 0:
			if zeros == 0 {
				return k
			}
			zeros--
		case s.get(1) == 0 || v&(1<<s.al) != 0:
		case v > 0:
			coefs[k] += 1 << s.al
		default:
			coefs[k] -= 1 << s.al
		}
	}
	return k
}
