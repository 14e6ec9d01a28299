package jpeg

import (
	"context"
	"encoding/binary"
)

// Markers of T.81, table B.1.
const (
	markSOI   = 0xd8
	markEOI   = 0xd9
	markSOS   = 0xda
	markDQT   = 0xdb
	markDHT   = 0xc4
	markDRI   = 0xdd
	markRST0  = 0xd0
	markRST7  = 0xd7
	markSOF0  = 0xc0
	markSOF1  = 0xc1
	markSOF2  = 0xc2
	markSOF15 = 0xcf
	markJPG   = 0xc8
	markDAC   = 0xcc
	markAPP0  = 0xe0
	markAPP14 = 0xee
	markTEM   = 0x01
)

// maxScans bounds the work that a progressive file can ask for: a scan of a few
// bytes may go through the whole picture.
const maxScans = 100

// decoder reads one file.
type decoder struct {
	data     []byte
	at       int // of the next byte of data
	fileSize int64

	config      Config
	progressive bool
	components  []component
	maxH, maxV  int
	mcusX       int // MCUs in a row of an interleaved scan
	mcusY       int

	quant    [4]*[64]uint16 // in zigzag order; nil before it was defined
	dc, ac   [4]*huffman
	restart  int // MCUs between restart markers, or 0
	jfif     bool
	adobe    bool
	adobeMap byte // the transform of the Adobe segment
}

// marker finds the next marker. As in libjpeg, what is not a marker is passed over.
func (d *decoder) marker() (byte, error) {
	for ; d.at+1 < len(d.data); d.at++ {
		if m := d.data[d.at+1]; d.data[d.at] == 0xff && m != 0 && m != 0xff {
			d.at += 2
			return m, nil
		}
	}
	return 0, errShort
}

// segment returns the parameters of the segment that begins here.
func (d *decoder) segment() ([]byte, error) {
	if len(d.data)-d.at < 2 {
		return nil, errShort
	}
	n := int(binary.BigEndian.Uint16(d.data[d.at:]))
	if n < 2 {
		return nil, damaged("has a segment of length %d", n)
	}
	if n > len(d.data)-d.at {
		return nil, errShort
	}
	p := d.data[d.at+2 : d.at+n]
	d.at += n
	return p, nil
}

// untilFrame reads all up to the frame header.
func (d *decoder) untilFrame() error {
	if len(d.data) < 3 || d.data[0] != 0xff || d.data[1] != markSOI || d.data[2] != 0xff {
		return damaged("does not begin as a JPEG file does")
	}
	d.at = 2
	for {
		m, err := d.marker()
		if err != nil {
			return err
		}
		switch {
		case m == markSOF0, m == markSOF1, m == markSOF2:
			p, err := d.segment()
			if err != nil {
				return err
			}
			return d.frame(p, m == markSOF2)
		case m >= markSOF0 && m <= markSOF15 && m != markDHT && m != markJPG && m != markDAC:
			return unsupported("is a JPEG of process %d; baseline and progressive Huffman coding are read", m-markSOF0)
		case m == markSOS, m == markEOI:
			return damaged("has data before its frame header")
		}
		if err := d.misc(m); err != nil {
			return err
		}
	}
}

// scans reads all that follows the frame header: tables and scans, to the end
// of the image.
func (d *decoder) scans(ctx context.Context) error {
	for n := 0; ; {
		m, err := d.marker()
		if err != nil {
			return damaged("is cut off: its end marker is missing")
		}
		switch {
		case m == markEOI:
			for _, c := range d.components {
				if !c.seen {
					return damaged("has no data for component %d", c.id)
				}
			}
			return nil
		case m == markSOS:
			p, err := d.segment()
			if err != nil {
				return err
			}
			if n++; n > maxScans {
				return unsupported("has more than %d scans", maxScans)
			}
			if err := d.scan(ctx, p); err != nil {
				return err
			}
		case m >= markSOF0 && m <= markSOF15 && m != markDHT && m != markJPG && m != markDAC:
			return damaged("has two frame headers")
		default:
			if err := d.misc(m); err != nil {
				return err
			}
		}
	}
}

// misc reads a segment of tables, or passes over one of no interest.
func (d *decoder) misc(m byte) error {
	if m == markTEM || m == markSOI || m >= markRST0 && m <= markRST7 {
		return nil // without parameters
	}
	p, err := d.segment()
	if err != nil {
		return err
	}
	switch m {
	case markDQT:
		return d.quantTables(p)
	case markDHT:
		return d.huffmanTables(p)
	case markDRI:
		if len(p) != 2 {
			return damaged("has a restart interval of %d bytes", len(p))
		}
		d.restart = int(binary.BigEndian.Uint16(p))
	case markAPP0:
		d.jfif = d.jfif || len(p) >= 14 && string(p[:5]) == "JFIF\x00"
	case markAPP14:
		if len(p) >= 12 && string(p[:5]) == "Adobe" {
			d.adobe, d.adobeMap = true, p[11]
		}
	}
	return nil
}

func (d *decoder) quantTables(p []byte) error {
	for len(p) > 0 {
		id, size := p[0]&15, 1+int(p[0]>>4)
		if id > 3 || size > 2 || len(p) < 1+64*size {
			return damaged("has a quantisation table that does not parse")
		}
		table := new([64]uint16)
		for i := range table {
			if size == 2 {
				table[i] = binary.BigEndian.Uint16(p[1+2*i:])
			} else {
				table[i] = uint16(p[1+i])
			}
		}
		d.quant[id] = table
		p = p[1+64*size:]
	}
	return nil
}

func (d *decoder) huffmanTables(p []byte) error {
	for len(p) > 0 {
		if len(p) < 17 || p[0]&15 > 3 || p[0]>>4 > 1 {
			return damaged("has a Huffman table that does not parse")
		}
		class, id := p[0]>>4, p[0]&15
		h, used, err := newHuffman(p[1:])
		if err != nil {
			return err
		}
		if class == 0 {
			d.dc[id] = h
		} else {
			d.ac[id] = h
		}
		p = p[1+used:]
	}
	return nil
}
