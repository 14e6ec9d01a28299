// Package npy reads arrays that numpy.save wrote.
//
// It is also the format to copy when adding another: Describe looks at the
// header and decides how the array is cut into blocks, Open makes a reader of
// what Describe noted down, and the reader turns the index of a block into one
// range of bytes.
package npy

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the NPY format. Its zero value is ready.
type Format struct{}

// Kind says which files are NPY files.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "npy", MediaType: "application/x-npy", Extensions: []string{".npy"}, Reads: "Terrazzo's own, pure Go",
	}
}

// notes is what reading needs of the header.
type notes struct {
	Offset  int64 `json:"offset"`
	Fortran bool  `json:"fortran,omitempty"`
}

// Describe reads the header. The array is advertised as one chunk, as Tiled
// does, and has no metadata. Arrays of Python objects are
// errdef.ErrUnsupported, whatever else is wrong with the file
// errdef.ErrUnprocessable.
func (Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	if len(inside) > 0 {
		return nil, fmt.Errorf("npy %s: has no member %.40q: %w", name, inside[0], errdef.ErrNotFound)
	}
	f, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	h, err := readHeader(f)
	if err != nil {
		return nil, fmt.Errorf("npy %s: %w", name, err)
	}
	note, err := json.Marshal(notes{Offset: h.offset, Fortran: h.fortran})
	if err != nil {
		return nil, fmt.Errorf("npy %s: %w", name, err)
	}
	return &adapter.Description{
		Family: structure.FamilyArray,
		Array: &structure.Array{
			DataType: h.dtype, Shape: h.shape, Chunks: structure.RegularChunks(h.shape, h.shape),
		},
		Grid:      ndslice.Grid{Shape: h.shape, Block: blockShape(h)},
		Metadata:  map[string]any{},
		MediaType: Format{}.Kind().MediaType,
		Notes:     note,
	}, nil
}

// Open returns a reader of the array. Notes that do not parse are
// errdef.ErrUnprocessable.
func (Format) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	r := &reader{src: src, name: src.Names()[0], grid: d.Grid, item: d.Array.DataType.ItemSize}
	if err := json.Unmarshal(d.Notes, &r.notes); err != nil || r.notes.Offset < 0 {
		return nil, fmt.Errorf("npy %s: the description's notes do not parse: %w", r.name, errdef.ErrUnprocessable)
	}
	return r, nil
}

type reader struct {
	src   adapter.Source
	name  string
	grid  ndslice.Grid
	item  int64
	notes notes
}

// Touches yields the one file.
func (r *reader) Touches(ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// ReadBlock reads the one range of bytes that the block is.
func (r *reader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	shape := r.grid.BlockShape(block)
	offset := r.notes.Offset + r.item*position(r.grid, block, r.notes.Fortran)
	size, ok := structure.DataSize(shape, r.item)
	if !ok || offset < 0 {
		return adapter.Block{}, fmt.Errorf("npy %s: block %v: no such size: %w", r.name, block, errdef.ErrUnprocessable)
	}
	f, err := r.src.Open(ctx, r.name)
	if err != nil {
		return adapter.Block{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if size > max(f.Size()-offset, 0) {
		return adapter.Block{}, fmt.Errorf("npy %s: is cut off: %w", r.name, errdef.ErrUnprocessable)
	}
	data := make([]byte, size)
	if err := adapter.ReadFull(f, data, offset); err != nil {
		return adapter.Block{}, fmt.Errorf("npy %s: block %v: %w", r.name, block, err)
	}
	if r.notes.Fortran && len(shape) > 1 && r.item > 0 {
		data = toCOrder(data, shape, r.item)
	}
	return adapter.Block{Data: data, Shape: shape}, nil
}

// toCOrder returns a copy of a block in Fortran order in C order: the file's
// C order is that of the reversed axes.
func toCOrder(data []byte, shape []int64, item int64) []byte {
	stored, order := slices.Clone(shape), make([]int, len(shape))
	slices.Reverse(stored)
	for i := range order {
		order[i] = len(shape) - 1 - i
	}
	out := make([]byte, len(data))
	ndslice.Transpose(out, data, stored, order, int(item))
	return out
}
