package media

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// arrayTIFF is image/tiff: the elements as they are, uncompressed, one page for
// each of the leading axes' elements. The description holds the shape in the
// form that tifffile reads, so that imread gives the array back; other
// programs see the pages.
//
// The data come first and the directories behind them, all at places that
// follow from the shape, so the length is known and nothing is held.
type arrayTIFF struct{}

func (arrayTIFF) Version() int { return 1 }

// maxTIFF is how large the file can be: its offsets have 32 bits.
const maxTIFF = math.MaxUint32

// tiffLayout is where things stand in a file.
type tiffLayout struct {
	height, width, samples, pages int64
	pageBytes                     int64
	description                   string
	order                         binary.AppendByteOrder
	entries                       int64 // of a directory
	directory                     int64 // bytes of one, with what belongs to it
	start                         int64 // of the directories
}

func layoutTIFF(a *Array) (tiffLayout, error) {
	if err := a.atMost(4, typeTIFF); err != nil {
		return tiffLayout{}, err
	}
	l := tiffLayout{height: 1, width: 1, samples: 1, pages: 1, order: binary.LittleEndian}
	if a.Type.Endianness == structure.Big {
		l.order = binary.BigEndian
	}
	shape := a.Shape
	if n := len(shape); n >= 3 && (a.Type.Kind == 'u' && a.Type.ItemSize <= 2) && (shape[n-1] == 3 || shape[n-1] == 4) {
		l.samples, shape = shape[n-1], shape[:n-1]
	}
	switch n := len(shape); {
	case n >= 2:
		l.height, l.width, l.pages = shape[n-2], shape[n-1], product(shape[:n-2])
	case n == 1:
		l.width = shape[0]
	}
	_, bytes := a.size()
	if !isNumber(a.Type) || a.Type.ItemSize > 16 || strings.IndexByte("mM", a.Type.Kind) >= 0 || bytes == 0 {
		return l, fmt.Errorf("%s: no picture of shape %v and type %s: %w", typeTIFF, a.Shape, a.Type, errdef.ErrNotAcceptable)
	}
	l.description = `{"shape": ` + jsonShape(a.Shape) + "}\x00"
	if len(l.description)%2 != 0 {
		l.description += "\x00"
	}
	l.pageBytes = bytes / l.pages
	l.start = 8 + bytes + bytes%2
	if l.entries = 11; l.samples == 4 {
		l.entries++
	}
	l.directory = 2 + 12*l.entries + 4 + 2*8
	if bytes > maxTIFF || l.directory > (maxTIFF-l.start-int64(len(l.description)))/l.pages || l.width > math.MaxInt32 || l.height > math.MaxInt32 {
		return l, fmt.Errorf("%s: more than 4 GiB, use slice= to select less: %w", typeTIFF, errdef.ErrNotAcceptable)
	}
	return l, nil
}

// jsonShape is a shape of two axes at least, as Tiled gives it to tifffile.
func jsonShape(shape []int64) string {
	words := make([]string, 0, 4)
	for range 2 - len(shape) {
		words = append(words, "1")
	}
	for _, extent := range shape {
		words = append(words, fmt.Sprint(extent))
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func (l tiffLayout) size() int64 {
	return l.start + l.pages*l.directory + int64(len(l.description))
}

func (arrayTIFF) Plan(p Payload) (int64, error) {
	l, err := layoutTIFF(p.Array)
	if err != nil {
		return 0, err
	}
	return l.size(), nil
}

func (arrayTIFF) Encode(ctx context.Context, w io.Writer, p Payload) error {
	l, err := layoutTIFF(p.Array)
	if err != nil {
		return err
	}
	head := []byte("II")
	if l.order == binary.AppendByteOrder(binary.BigEndian) {
		head = []byte("MM")
	}
	head = l.order.AppendUint32(l.order.AppendUint16(head, 42), uint32(l.start))
	if _, err := w.Write(head); err != nil {
		return err
	}
	if err := (octets{}).Encode(ctx, w, p); err != nil {
		return err
	}
	out := newSink(w)
	if l.pages*l.pageBytes%2 != 0 {
		out.buf = append(out.buf, 0)
	}
	for page := range l.pages {
		out.buf = l.appendDirectory(out.buf, page, p.Array.Type)
		if err := out.room(ctx); err != nil {
			return err
		}
	}
	out.buf = append(out.buf, l.description...)
	return out.flush(ctx)
}

// The field types of TIFF.
const (
	tiffASCII = 2
	tiffShort = 3
	tiffLong  = 4
)

// appendDirectory writes the directory of one page.
func (l tiffLayout) appendDirectory(dst []byte, page int64, t structure.DType) []byte {
	at := l.start + page*l.directory
	extra := at + 2 + 12*l.entries + 4 // two lists of four shorts lie behind it
	bits, format := 8*t.ItemSize, map[byte]int64{'b': 1, 'u': 1, 'i': 2, 'f': 3, 'c': 6}[t.Kind]
	photometric := int64(1) // black is zero
	if l.samples > 1 {
		photometric = 2 // RGB
	}
	next := at + l.directory
	description := l.start + l.pages*l.directory
	if page == l.pages-1 {
		next = 0
	}
	dst = l.order.AppendUint16(dst, uint16(l.entries))
	dst = l.appendEntry(dst, 256, tiffLong, 1, l.width)
	dst = l.appendEntry(dst, 257, tiffLong, 1, l.height)
	dst = l.appendShorts(dst, 258, bits, extra)
	dst = l.appendEntry(dst, 259, tiffShort, 1, 1) // no compression
	dst = l.appendEntry(dst, 262, tiffShort, 1, photometric)
	dst = l.appendEntry(dst, 270, tiffASCII, int64(len(l.description)), description)
	dst = l.appendEntry(dst, 273, tiffLong, 1, 8+page*l.pageBytes)
	dst = l.appendEntry(dst, 277, tiffShort, 1, l.samples)
	dst = l.appendEntry(dst, 278, tiffLong, 1, l.height)
	dst = l.appendEntry(dst, 279, tiffLong, 1, l.pageBytes)
	if l.samples == 4 {
		dst = l.appendEntry(dst, 338, tiffShort, 1, 2) // alpha, not premultiplied
	}
	dst = l.appendShorts(dst, 339, format, extra+8)
	dst = l.order.AppendUint32(dst, uint32(next))
	for _, value := range [2]int64{bits, format} {
		for range 4 {
			dst = l.order.AppendUint16(dst, uint16(value))
		}
	}
	return dst
}

// appendShorts writes an entry with one short for each sample, which stand at
// an offset where they do not fit into the entry.
func (l tiffLayout) appendShorts(dst []byte, tag uint16, value, offset int64) []byte {
	if l.samples == 1 {
		return l.appendEntry(dst, tag, tiffShort, 1, value)
	}
	return l.appendEntry(dst, tag, tiffShort, l.samples, offset)
}

// appendEntry writes one entry; a single short stands left in its four bytes.
func (l tiffLayout) appendEntry(dst []byte, tag, kind uint16, count, value int64) []byte {
	dst = l.order.AppendUint16(l.order.AppendUint16(dst, tag), kind)
	dst = l.order.AppendUint32(dst, uint32(count))
	if kind == tiffShort && count == 1 {
		return l.order.AppendUint16(l.order.AppendUint16(dst, uint16(value)), 0)
	}
	return l.order.AppendUint32(dst, uint32(value))
}
