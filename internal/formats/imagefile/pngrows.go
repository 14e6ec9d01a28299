package imagefile

import (
	"bufio"
	"context"
	"io"

	"github.com/klauspost/compress/zlib"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// pass is one of the reduced pictures that an interlaced one is sent as: where
// its first pixel is, and how far apart the others.
type pass struct{ x, y, dx, dy int }

// passes returns those of the header's kind: Adam7 has seven.
func (h pngHeader) passes() []pass {
	if !h.interlaced {
		return []pass{{0, 0, 1, 1}}
	}
	return []pass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
}

func decodePNG(ctx context.Context, f adapter.File) (layout, []byte, error) {
	h, err := readPNGHeader(f)
	if err != nil {
		return layout{}, nil, err
	}
	chunks, err := openIDAT(f)
	if err != nil {
		return layout{}, nil, err
	}
	z, err := zlib.NewReader(bufio.NewReaderSize(chunks, 32<<10))
	if err != nil {
		return layout{}, nil, chunks.explain(err)
	}
	data := make([]byte, h.width*h.height*h.pixelBytes())
	for _, p := range h.passes() {
		if err := h.decodePass(ctx, data, z, p); err != nil {
			return layout{}, nil, chunks.explain(err)
		}
	}
	// Only at the end of its data does the reader compare their checksum.
	if _, err := z.Read(make([]byte, 1)); err != nil && err != io.EOF {
		return layout{}, nil, chunks.explain(err)
	}
	return h.layout(), data, nil
}

// decodePass reads the rows of one pass and puts their pixels where they belong.
func (h pngHeader) decodePass(ctx context.Context, data []byte, z io.Reader, p pass) error {
	width, height := ceil(h.width-p.x, p.dx), ceil(h.height-p.y, p.dy)
	if width == 0 || height == 0 {
		return nil
	}
	size := h.pixelBytes()
	row, above := make([]byte, 1+h.rowBytes(width)), make([]byte, 1+h.rowBytes(width))
	pixels := make([]byte, width*size)
	step := max(1, h.samples()*h.depth/8) // bytes to the same sample of the pixel before
	for y := range height {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.ReadFull(z, row); err != nil {
			return err
		}
		if err := unfilter(row[0], row[1:], above[1:], step); err != nil {
			return err
		}
		at := ((p.y+y*p.dy)*h.width + p.x) * size
		if p.dx == 1 {
			h.unpack(data[at:at+width*size], row[1:])
		} else {
			h.unpack(pixels, row[1:])
			for x := range width {
				copy(data[at+x*p.dx*size:], pixels[x*size:(x+1)*size])
			}
		}
		row, above = above, row
	}
	return nil
}

func ceil(a, b int) int { return max(a+b-1, 0) / b }

// unfilter undoes a row's filter (PNG clause 9) in place.
func unfilter(filter byte, row, above []byte, step int) error {
	above = above[:len(row)]
	switch filter {
	case 0:
	case 1:
		for i := step; i < len(row); i++ {
			row[i] += row[i-step]
		}
	case 2:
		for i, v := range above {
			row[i] += v
		}
	case 3:
		for i := range min(step, len(row)) {
			row[i] += above[i] / 2
		}
		for i := step; i < len(row); i++ {
			row[i] += byte((int(row[i-step]) + int(above[i])) / 2)
		}
	case 4:
		for i := range min(step, len(row)) {
			row[i] += above[i]
		}
		for i := step; i < len(row); i++ {
			row[i] += paeth(int(row[i-step]), int(above[i]), int(above[i-step]))
		}
	default:
		return damaged("has a row with the filter %d", filter)
	}
	return nil
}

// paeth returns which of left, above and upper left is nearest to left + above -
// upper left; the first of equals.
func paeth(left, above, corner int) byte {
	toLeft, toAbove := abs(above-corner), abs(left-corner)
	toCorner := abs(left + above - 2*corner)
	switch {
	case toLeft <= toAbove && toLeft <= toCorner:
		return byte(left)
	case toAbove <= toCorner:
		return byte(above)
	default:
		return byte(corner)
	}
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}

// unpack turns a row of the file into pixels of the array.
func (h pngHeader) unpack(pixels, row []byte) {
	switch {
	case h.depth == 8:
		copy(pixels, row)
	case h.depth < 8:
		scale := byte(1)
		if h.colour == pngGrey && h.depth > 1 {
			scale = 255 / (1<<h.depth - 1)
		}
		for x := range pixels {
			at := x * h.depth
			pixels[x] = row[at/8] >> (8 - h.depth - at%8) & (1<<h.depth - 1) * scale
		}
	case h.colour == pngGrey: // big-endian there, little-endian here
		for i := 0; i < len(pixels); i += 2 {
			pixels[i], pixels[i+1] = row[i+1], row[i]
		}
	case h.colour == pngGreyAlpha:
		for i := 0; i < len(pixels); i += 4 {
			pixels[i], pixels[i+1], pixels[i+2], pixels[i+3] = row[i], row[i], row[i], row[i+2]
		}
	default:
		for i := range pixels {
			pixels[i] = row[2*i]
		}
	}
}
