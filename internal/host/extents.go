package host

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// run says where in the array's extents a selection starts, counted in
// elements, if it is one run of them.
func (r *arrayReader) run(sel ndslice.Selection) (from int64, ok bool) {
	if len(r.notes.Extents) == 0 {
		return 0, false
	}
	from, _, ok = ndslice.Piece{Source: sel, Shape: r.d.Grid.Shape}.Run()
	return from, ok
}

// extended are the files that the blocks of a selection lie in, if all are
// read here. The first file, which says where they lie, is always among them.
func (r *arrayReader) extended(sel ndslice.Selection) ([]int, bool) {
	item := r.d.Array.DataType.ItemSize
	wanted := make([]bool, len(r.notes.Files))
	wanted[0] = true
	for piece := range sel.Plan(r.d.Grid) {
		block := r.d.Grid.Of(piece.Block)
		from, ok := r.run(block)
		if !ok {
			return nil, false
		}
		low := from * item
		high := low + block.Len()*item
		at := int64(0)
		for _, e := range r.notes.Extents {
			if e.File >= 0 && at < high && at+e.Length > low {
				wanted[e.File] = true
			}
			at += e.Length
		}
		if len(r.notes.Files) == 1 {
			break
		}
	}
	ids := make([]int, 0, 4)
	for id, yes := range wanted {
		if yes {
			ids = append(ids, id)
		}
	}
	return ids, true
}

// readExtents reads the array's bytes from offset on.
func (r *arrayReader) readExtents(ctx context.Context, data []byte, offset int64) error {
	return r.readFrom(ctx, data, r.notes.Extents, offset)
}

// readFrom fills data with what extents hold, behind the first offset bytes.
// Each is checked against its file first.
func (r *arrayReader) readFrom(ctx context.Context, data []byte, extents []Extent, offset int64) error {
	for _, e := range extents {
		if len(data) == 0 {
			return nil
		}
		if e.Length <= offset {
			offset -= e.Length
			continue
		}
		n := min(e.Length-offset, int64(len(data)))
		if e.File >= 0 {
			if err := r.readExtent(ctx, data[:n], e.File, e.Offset+offset); err != nil {
				return err
			}
		}
		data, offset = data[n:], 0
	}
	if len(data) > 0 {
		return fmt.Errorf("%s: the last %d bytes of a block lie nowhere: %w", r.notes.Files[0], len(data), errdef.ErrUnprocessable)
	}
	return nil
}

func (r *arrayReader) readExtent(ctx context.Context, data []byte, file int, offset int64) error {
	if file >= len(r.notes.Files) || offset < 0 {
		return fmt.Errorf("host protocol: an extent in file %d at %d: %w", file, offset, errdef.ErrUnprocessable)
	}
	name := r.notes.Files[file]
	f, err := r.src.Open(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if int64(len(data)) > f.Size()-offset {
		return fmt.Errorf("%s: is cut off: it has %d bytes, the data end at %d: %w", name, f.Size(), offset+int64(len(data)), errdef.ErrUnprocessable)
	}
	if n, err := f.ReadAt(data, offset); n < len(data) {
		if errors.Is(err, io.EOF) {
			err = errdef.ErrUnprocessable
		}
		return fmt.Errorf("%s: %d bytes at %d: %w", name, len(data), offset, err)
	}
	return nil
}
