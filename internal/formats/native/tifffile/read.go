//go:build native

package tifffile

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/tiffmeta"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// reader reads the pages of one file.
type reader struct {
	*array
	src  adapter.Source
	name string
}

var _ adapter.Mapped = (*reader)(nil)

// Touches yields the one file.
func (r *reader) Touches(ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// Extents are where the pixels lie in the file, if they lie there as they are
// served.
func (r *reader) Extents() []adapter.Extent {
	if !r.notes.Raw || r.notes.Big && r.item > 1 {
		return nil
	}
	size := r.pageBytes()
	var out []adapter.Extent
	for _, at := range r.places {
		e := adapter.Extent{Name: r.name, Offset: at, Length: size}
		if at < 0 {
			e = adapter.Extent{Length: size}
		}
		if last := len(out) - 1; last >= 0 && out[last].Name == e.Name && e.Name != "" && out[last].Offset+out[last].Length == e.Offset {
			out[last].Length += size
			continue
		}
		if out = append(out, e); len(out) > maxExtents {
			return nil
		}
	}
	return out
}

// maxExtents is how many runs are worth being sent and remembered.
const maxExtents = 1 << 14

func (a *array) pageBytes() int64 {
	size := a.item
	for _, n := range a.page {
		size *= n
	}
	return size
}

// region is what a block has of its page: planes, if they are separate, and
// rows.
type region struct{ plane, planes, row, rows int64 }

// region finds the page of a block and what it has of it.
func (a *array) region(block []int64) (page int64, r region) {
	for i, n := range block[:a.notes.Lead] {
		page = page*a.grid.Shape[i] + n
	}
	l := &a.notes.Layout
	r = region{planes: 1, rows: l.Length}
	if l.Separate {
		r.planes = l.Samples
	}
	extent, at := a.grid.BlockShape(block)[a.notes.Lead:], block[a.notes.Lead:]
	if !slices.Equal(a.grid.Shape[a.notes.Lead:], a.page) {
		return page, r // blocks are whole pages
	}
	y := 0
	if l.Separate {
		r.plane, r.planes, y = at[0]*a.grid.Block[a.notes.Lead], extent[0], 1
	}
	r.row, r.rows = at[y]*a.grid.Block[a.notes.Lead+y], extent[y]
	return page, r
}

// ReadBlock reads a page, or rows of one.
func (r *reader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	shape := r.grid.BlockShape(block)
	size := r.item
	for _, n := range shape {
		size *= n
	}
	page, region := r.region(block)
	if size > maxBlock || page >= int64(len(r.places)) {
		return adapter.Block{}, fmt.Errorf("tiff %s: block %v of %d bytes: %w", r.name, block, size, errdef.ErrUnprocessable)
	}
	file, err := r.src.Open(ctx, r.name)
	if err != nil {
		return adapter.Block{}, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	out := adapter.Block{Shape: shape}
	if at := r.places[page]; at < 0 {
		out.Data = make([]byte, size)
	} else if r.notes.Raw {
		out.Data, err = r.raw(file, at, region, size)
	} else {
		out.Data, err = r.decoded(ctx, file, at, region, size)
	}
	if err != nil {
		return adapter.Block{}, fmt.Errorf("tiff %s: page %d: %w", r.name, page, err)
	}
	return out, nil
}

// raw reads a region that lies in the file as it is.
func (r *reader) raw(file adapter.File, at int64, g region, size int64) ([]byte, error) {
	l := &r.notes.Layout
	row := r.item * l.Width * l.PartSamples()
	at += (g.plane*l.Length + g.row) * row
	if at > file.Size() || size > file.Size()-at {
		return nil, fmt.Errorf("is cut off: %d bytes at %d of %d: %w", size, at, file.Size(), errdef.ErrUnprocessable)
	}
	data := make([]byte, size)
	if err := adapter.ReadFull(file, data, at); err != nil {
		return nil, err
	}
	if r.notes.Big {
		turn(data, l)
	}
	return data, nil
}

// decoded reads the strips or tiles that a region touches.
func (r *reader) decoded(ctx context.Context, file adapter.File, at int64, g region, size int64) ([]byte, error) {
	f, err := tiffmeta.OpenPage(file, at)
	if err != nil {
		return nil, err
	}
	p := f.Pages[0]
	l := &p.Layout
	if !l.Like(&r.notes.Layout) || l.RowBytes() > maxBlock/l.TileLength {
		return nil, fmt.Errorf("is not what the file was described as: %w", errdef.ErrUnprocessable)
	}
	places, err := f.Places(p)
	if err != nil {
		return nil, err
	}
	across, down, _ := l.Parts()
	out := make([]byte, size)
	for plane := range g.planes {
		into := out[plane*size/g.planes : (plane+1)*size/g.planes]
		for y := g.row / l.TileLength; y < down && y*l.TileLength < g.row+g.rows; y++ {
			for x := range across {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				part, err := r.part(file, f, places[((g.plane+plane)*down+y)*across+x], y)
				if err != nil {
					return nil, fmt.Errorf("strip or tile at row %d, column %d: %w", y*l.TileLength, x*l.TileWidth, err)
				}
				if part != nil {
					place(into, part, l, r.item, g, x, y)
				}
			}
		}
	}
	return out, nil
}

// place copies what a part has of the region to where it belongs.
func place(into, part []byte, l *tiffmeta.Layout, item int64, g region, x, y int64) {
	pixel := item * l.PartSamples()
	left, top := x*l.TileWidth, y*l.TileLength
	width := min(l.TileWidth, l.Width-left)
	from, to := max(top, g.row), min(top+l.PartRows(y), g.row+g.rows, l.Length)
	for row := from; row < to; row++ {
		copy(into[((row-g.row)*l.Width+left)*pixel:][:width*pixel], part[(row-top)*l.TileWidth*pixel:])
	}
}

// maxInflation is how many times larger than encoded a part of more than
// freely bytes may be.
const maxInflation, freely = 20000, 64 << 20

// part returns the decoded samples of a strip or tile; nil for one that was
// never written.
func (r *reader) part(file adapter.File, f *tiffmeta.File, at tiffmeta.Place, down int64) ([]byte, error) {
	if at.Offset == 0 {
		return nil, nil
	}
	p := f.Pages[0]
	l := &p.Layout
	rows := l.PartRows(down)
	size := rows * l.RowBytes()
	if l.Raw() {
		at.Length = min(at.Length, size)
	}
	if l.Compression == tiffmeta.CompressionNone && at.Length < size || size > freely && at.Length < size/maxInflation {
		return nil, fmt.Errorf("%d bytes, %d when decoded: %w", at.Length, size, errdef.ErrUnprocessable)
	}
	data := make([]byte, at.Length)
	if err := adapter.ReadFull(file, data, at.Offset); err != nil {
		return nil, err
	}
	if l.Raw() {
		if r.notes.Big {
			turn(data, l)
		}
		return data, nil
	}
	out := make([]byte, size)
	if err := decode(f, p, data, out, rows); err != nil {
		return nil, err
	}
	if l.Bits%8 != 0 {
		out = spread(out, l, r.item)
	}
	return out, nil
}

// spread gives each sample of an odd number of bits bytes of its own. Rows
// begin with a byte, samples with their highest bit.
func spread(packed []byte, l *tiffmeta.Layout, item int64) []byte {
	perRow, rowBytes := l.TileWidth*l.PartSamples(), l.RowBytes()
	rows := int64(len(packed)) / rowBytes
	out := make([]byte, 0, rows*perRow*item)
	for row := range rows {
		in := packed[row*rowBytes : (row+1)*rowBytes]
		held, bits := uint64(0), int64(0)
		for range perRow {
			for bits < l.Bits {
				held, in = held<<8|uint64(in[0]), in[1:]
				bits += 8
			}
			bits -= l.Bits
			sample := held >> bits & (1<<l.Bits - 1)
			for i := range item {
				out = append(out, byte(sample>>(8*i)))
			}
		}
	}
	return out
}

// turn makes little-endian numbers of big-endian ones; of complex numbers
// each half is one.
func turn(data []byte, l *tiffmeta.Layout) {
	size := int(l.Bits / 8)
	if l.Format == 6 {
		size /= 2
	}
	for i := 0; size > 1 && i+size <= len(data); i += size {
		slices.Reverse(data[i : i+size])
	}
}

func sorted(entries []entry) []entry {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.code, b.code) })
	return entries
}
