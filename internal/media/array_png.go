package media

import (
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// arrayPNG is image/png: the elements between the 1st and the 99th percentile,
// in 8 bits. Two axes, or fewer, are a gray image; a third of 2, 3 or 4 holds
// gray with alpha, RGB or RGBA, all on one scale, as Tiled does it.
type arrayPNG struct{}

func (arrayPNG) Version() int { return 1 }

// maxSide is the widest and highest image that a PNG can be.
const maxSide = 1<<31 - 1

func (arrayPNG) Plan(p Payload) (int64, error) {
	_, _, _, err := imageShape(p.Array, typePNG)
	return -1, err
}

// imageShape is how many rows, columns and channels the image has.
func imageShape(a *Array, mediaType string) (height, width, channels int64, err error) {
	if err := a.atMost(3, mediaType); err != nil {
		return 0, 0, 0, err
	}
	bad := func(why string) (int64, int64, int64, error) {
		return 0, 0, 0, fmt.Errorf("%s: %s, the shape is %v and the type %s: %w",
			mediaType, why, a.Shape, a.Type, errdef.ErrNotAcceptable)
	}
	height, width, channels = 1, 1, 1
	switch len(a.Shape) {
	case 3:
		height, width, channels = a.Shape[0], a.Shape[1], a.Shape[2]
		if channels < 2 || channels > 4 {
			return bad("a third axis has to be 2, 3 or 4 channels")
		}
	case 2:
		height, width = a.Shape[0], a.Shape[1]
	case 1:
		width = a.Shape[0]
	}
	if !isNumber(a.Type) {
		return bad("only numbers have a picture")
	}
	if height < 1 || width < 1 || height > maxSide || width > maxSide/8 {
		return bad("no picture is of this size")
	}
	return height, width, channels, nil
}

func (arrayPNG) Encode(ctx context.Context, w io.Writer, p Payload) error {
	height, width, channels, err := imageShape(p.Array, typePNG)
	if err != nil {
		return err
	}
	low, high, _, err := p.Array.percentiles(ctx)
	if err != nil {
		return err
	}
	image, err := newPNG(w, uint32(height), uint32(width), int(channels))
	if err != nil {
		return err
	}
	var gray []byte
	err = p.Array.pixels(ctx, func(values []float32) error {
		gray = grayscale(gray[:0], values, low, high)
		return image.write(gray)
	})
	if err != nil {
		return err
	}
	return image.close()
}

// png writes an image of 8 bits a channel row by row.
type png struct {
	w        io.Writer
	channels int
	row      []byte // what is there of the present row
	previous []byte // the row above
	filtered []byte
	best     []byte
	zip      *zlib.Writer
	idat     *idat
}

// newPNG writes the header.
func newPNG(w io.Writer, height, width uint32, channels int) (*png, error) {
	size := int(width) * channels
	image := &png{
		w: w, channels: channels,
		row: make([]byte, 0, size), previous: make([]byte, size),
		filtered: make([]byte, 1+size), best: make([]byte, 1+size),
	}
	colours := [...]byte{1: 0, 2: 4, 3: 2, 4: 6} // gray, gray and alpha, RGB, RGBA
	header := binary.BigEndian.AppendUint32(nil, width)
	header = binary.BigEndian.AppendUint32(header, height)
	header = append(header, 8, colours[channels], 0, 0, 0)
	if _, err := io.WriteString(w, "\x89PNG\r\n\x1a\n"); err != nil {
		return nil, err
	}
	if err := image.chunk("IHDR", header); err != nil {
		return nil, err
	}
	image.idat = &idat{png: image}
	var err error
	image.zip, err = zlib.NewWriterLevel(image.idat, zlib.BestSpeed)
	return image, err
}

// chunk writes one chunk of the file.
func (p *png) chunk(name string, data []byte) error {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	head = append(head, name...)
	sum := crc32.Update(crc32.ChecksumIEEE(head[4:]), crc32.IEEETable, data)
	for _, part := range [][]byte{head, data, binary.BigEndian.AppendUint32(nil, sum)} {
		if _, err := p.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// idat writes compressed data as chunks of some size.
type idat struct {
	png *png
	buf []byte
}

func (d *idat) Write(data []byte) (int, error) {
	if d.buf = append(d.buf, data...); len(d.buf) < sinkSize {
		return len(data), nil
	}
	return len(data), d.flush()
}

func (d *idat) flush() error {
	err := d.png.chunk("IDAT", d.buf)
	d.buf = d.buf[:0]
	return err
}

// write takes channel values in the order of the image.
func (p *png) write(data []byte) error {
	for len(data) > 0 {
		n := min(len(data), cap(p.row)-len(p.row))
		p.row, data = append(p.row, data[:n]...), data[n:]
		if len(p.row) < cap(p.row) {
			continue
		}
		if _, err := p.zip.Write(p.filter()); err != nil {
			return err
		}
		p.row, p.previous = p.previous[:0], p.row
	}
	return nil
}

// filter picks what the row is subtracted from: nothing, its left neighbours
// or the row above, whichever leaves the smallest sum.
func (p *png) filter() []byte {
	p.best[0] = 0
	least := 0
	for i, c := range p.row {
		p.best[1+i] = c
		least += magnitude(c)
	}
	for kind := byte(1); kind <= 2; kind++ {
		p.filtered[0] = kind
		sum := 0
		for i, c := range p.row {
			switch {
			case kind == 2:
				c -= p.previous[i]
			case i >= p.channels:
				c -= p.row[i-p.channels]
			}
			p.filtered[1+i] = c
			sum += magnitude(c)
		}
		if sum < least {
			least = sum
			p.best, p.filtered = p.filtered, p.best
		}
	}
	return p.best
}

// magnitude takes a byte as a signed difference.
func magnitude(c byte) int { return min(int(c), 256-int(c)) }

// close writes what is left and the end of the file.
func (p *png) close() error {
	if err := p.zip.Close(); err != nil {
		return err
	}
	if err := p.idat.flush(); err != nil {
		return err
	}
	return p.chunk("IEND", nil)
}
