// Package imagefile reads single pictures, PNG and JPEG, as the arrays that
// Pillow, and so Tiled, makes of them.
//
// Shapes are height by width, with a last axis of channels where there are
// several. Nothing is scaled, rotated or blended: a palette picture gives its
// indices, transparency by colour and EXIF orientation are left alone. As in
// Tiled, a picture is one chunk and has no metadata.
package imagefile

import (
	"context"
	"fmt"
	"iter"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// reads is what `terrazzo formats` says of both.
const reads = "Terrazzo's own, pure Go"

// picture is what a kind of file has to do for the rest of this package: look
// at the header, and decode. Neither closes f. Errors say what is wrong with
// the file, without its name.
type picture struct {
	kind   adapter.Kind
	header func(f adapter.File) (layout, error)
	decode func(ctx context.Context, f adapter.File) (layout, []byte, error)
}

// layout is the form of a picture's array.
type layout struct {
	height, width int
	channels      int // 0 where there is no axis of channels
	dtype         structure.DType
}

func bytesOf(height, width, channels int) layout {
	return layout{height, width, channels, structure.DType{Kind: 'u', ItemSize: 1, Endianness: structure.NotApplicable}}
}

func (l layout) shape() []int64 {
	shape := []int64{int64(l.height), int64(l.width)}
	if l.channels > 0 {
		shape = append(shape, int64(l.channels))
	}
	return shape
}

// equal reports whether d still describes the picture.
func (l layout) equal(d *adapter.Description) bool {
	return fmt.Sprint(l.shape(), l.dtype) == fmt.Sprint(d.Array.Shape, d.Array.DataType)
}

func (p picture) describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	if len(inside) > 0 {
		return nil, fmt.Errorf("%s %s: has no member %.40q: %w", p.kind.Name, name, inside[0], errdef.ErrNotFound)
	}
	f, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	l, err := p.header(f)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", p.kind.Name, name, err)
	}
	shape := l.shape()
	return &adapter.Description{
		Family:    structure.FamilyArray,
		Array:     &structure.Array{DataType: l.dtype, Shape: shape, Chunks: structure.RegularChunks(shape, shape)},
		Grid:      ndslice.Grid{Shape: shape, Block: shape},
		Metadata:  map[string]any{},
		MediaType: p.kind.MediaType,
	}, nil
}

func (p picture) open(src adapter.Source, d *adapter.Description) (any, error) {
	if d.Array == nil {
		return nil, fmt.Errorf("%s %s: is described as no array: %w", p.kind.Name, src.Names()[0], errdef.ErrUnprocessable)
	}
	return &reader{picture: p, src: src, name: src.Names()[0], d: d}, nil
}

// reader reads a picture, all of it at once: neither format can be entered in
// the middle.
type reader struct {
	picture
	src  adapter.Source
	name string
	d    *adapter.Description
}

// Touches yields the one file.
func (r *reader) Touches(ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// ReadBlock decodes the picture.
func (r *reader) ReadBlock(ctx context.Context, _ []int64) (adapter.Block, error) {
	f, err := r.src.Open(ctx, r.name)
	if err != nil {
		return adapter.Block{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	l, data, err := r.decode(ctx, f)
	if err != nil {
		return adapter.Block{}, fmt.Errorf("%s %s: %w", r.kind.Name, r.name, err)
	}
	if !l.equal(r.d) {
		return adapter.Block{}, fmt.Errorf("%s %s: is now of shape %v: %w", r.kind.Name, r.name, l.shape(), errdef.ErrChanged)
	}
	return adapter.Block{Data: data, Shape: l.shape()}, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}
