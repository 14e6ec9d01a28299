// Package sequence stacks numbered files of one format as one array.
//
// The files come in the order of the source; each is one step along a new
// first axis. Only the first is looked at to describe the whole: a run may
// have a million files. Every other one is compared with it when it is read,
// and one of another shape or type is an error that names it. Nothing is ever
// cast.
//
// [Join] is for arrays of which somebody has said that they belong together:
// of any formats, members within files, along any axis.
package sequence

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

// maxAxes is numpy's limit, which the new axis must not exceed either.
const maxAxes = 64

// Of returns the format of sequences of files of format f, whose files each
// hold an array. It is as safe for concurrent use as f.
func Of(f adapter.Format) adapter.Format { return format{one: f} }

type format struct{ one adapter.Format }

// Kind is that of the files, taken together.
func (s format) Kind() adapter.Kind {
	k := s.one.Kind()
	k.Name += "-sequence"
	k.MediaType = "multipart/related;type=" + k.MediaType
	k.Sequence = true
	return k
}

// notes are what Describe learnt of the first file.
type notes struct {
	// Block is the grid of the first file.
	Block []int64 `json:"block"`
}

// Describe looks into the first file. As in Tiled, each file is a chunk, and
// there is no metadata.
func (s format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	names := src.Names()
	if len(inside) > 0 || len(names) == 0 {
		return nil, fmt.Errorf("sequence of %d files: has no member %q: %w", len(names), inside, errdef.ErrNotFound)
	}
	first, err := s.one.Describe(ctx, member{src, names[0]}, nil)
	if err != nil {
		return nil, err
	}
	if first.Family != structure.FamilyArray || len(first.Array.Shape) >= maxAxes {
		return nil, fmt.Errorf("sequence: %s: is no array that can be stacked: %w", names[0], errdef.ErrUnprocessable)
	}
	shape := append([]int64{int64(len(names))}, first.Array.Shape...)
	block := append([]int64{1}, first.Grid.Block...)
	note, err := json.Marshal(notes{Block: first.Grid.Block})
	if err != nil {
		return nil, fmt.Errorf("sequence: %s: %w", names[0], err)
	}
	return &adapter.Description{
		Family: structure.FamilyArray,
		Array: &structure.Array{
			DataType: first.Array.DataType, Shape: shape,
			Chunks: structure.RegularChunks(shape, append([]int64{1}, first.Array.Shape...)),
		},
		Grid:       ndslice.Grid{Shape: shape, Block: block},
		Metadata:   map[string]any{},
		MediaType:  s.Kind().MediaType,
		AppendOnly: true,
		Notes:      note,
	}, nil
}

// Open returns a reader of the sequence.
func (s format) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	var n notes
	if err := json.Unmarshal(d.Notes, &n); err != nil || len(n.Block)+1 != len(d.Grid.Shape) {
		return nil, fmt.Errorf("sequence: the description's notes do not parse: %w", errdef.ErrUnprocessable)
	}
	return &reader{
		one: s.one, src: src, names: src.Names(), dtype: d.Array.DataType, grid: d.Grid,
		file: ndslice.Grid{Shape: d.Grid.Shape[1:], Block: n.Block},
	}, nil
}

type reader struct {
	one   adapter.Format
	src   adapter.Source
	names []string
	dtype structure.DType
	// grid is that of the whole, file the one within each file.
	grid, file ndslice.Grid
}

// Touches yields the files that the selection takes something of.
func (r *reader) Touches(sel ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) {
		if sel.Len() == 0 {
			return
		}
		for i := range sel[0].Count {
			at := sel[0].Start + i*sel[0].Step
			if at >= int64(len(r.names)) || !yield(r.names[at]) {
				return
			}
		}
	}
}

// ReadBlock opens one file, once: to compare it with the first and to read it.
func (r *reader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	if block[0] >= int64(len(r.names)) {
		return adapter.Block{}, fmt.Errorf("sequence: file %d of %d is gone: %w",
			block[0]+1, len(r.names), errdef.ErrChanged)
	}
	name := r.names[block[0]]
	file, err := r.src.Open(ctx, name)
	if err != nil {
		return adapter.Block{}, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	src := held{member: member{r.src, name}, file: file}
	d, err := r.one.Describe(ctx, src, nil)
	if err != nil {
		return adapter.Block{}, err
	}
	if err := r.compare(name, d); err != nil {
		return adapter.Block{}, err
	}
	opened, err := r.one.Open(src, nil, d)
	if err != nil {
		return adapter.Block{}, err
	}
	array, ok := opened.(adapter.ArrayReader)
	if !ok {
		return adapter.Block{}, fmt.Errorf("sequence: %s: is no array: %w", name, errdef.ErrUnprocessable)
	}
	out, err := r.read(ctx, array, d.Grid, block[1:])
	if err != nil {
		return adapter.Block{}, err
	}
	out.Shape = r.grid.BlockShape(block)
	return out, nil
}

// compare says what makes the file one that cannot be stacked on the first.
func (r *reader) compare(name string, d *adapter.Description) error {
	if d.Family != structure.FamilyArray || !slices.Equal(d.Array.Shape, r.file.Shape) {
		return fmt.Errorf("sequence: %s: has not the shape %v of the first file: %w",
			name, r.file.Shape, errdef.ErrUnprocessable)
	}
	if got, want := d.Array.DataType.String(), r.dtype.String(); got != want {
		return fmt.Errorf("sequence: %s: has elements of type %.200s, the first file has %.200s: %w",
			name, got, want, errdef.ErrUnprocessable)
	}
	return nil
}

// read gets one block of the first file's grid out of a file, which may be cut
// otherwise (an NPY file in Fortran order among others in C order).
func (r *reader) read(ctx context.Context, array adapter.ArrayReader, grid ndslice.Grid, block []int64) (adapter.Block, error) {
	if slices.Equal(grid.Block, r.file.Block) {
		return array.ReadBlock(ctx, block)
	}
	sel := r.file.Of(block)
	item := r.dtype.ItemSize
	out := adapter.Block{Data: make([]byte, sel.Len()*item)}
	for piece := range sel.Plan(grid) {
		part, err := array.ReadBlock(ctx, piece.Block)
		if err != nil {
			return adapter.Block{}, err
		}
		if err := ndslice.Gather(out.Data, sel, piece, part.Data, piece.Shape, int(item)); err != nil {
			return adapter.Block{}, err
		}
		out.Cost = out.Cost.Add(part.Cost)
	}
	return out, nil
}
