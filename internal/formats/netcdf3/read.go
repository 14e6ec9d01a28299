package netcdf3

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

const (
	// aimBytes is the size that blocks come close to and do not exceed;
	// rowBytes how large a row may be to stay in one piece.
	aimBytes = 2 << 20
	rowBytes = 4 << 20
	// spanBytes is how far the records of a block may lie apart, as long as
	// it has more than fewRecords of them: each costs a read.
	spanBytes  = 64 << 20
	fewRecords = 1024
	// gapBytes is up to what distance records are read together with what
	// lies between them, in runs of at most runBytes.
	gapBytes = 32 << 10
	runBytes = 1 << 20
)

// blockShape cuts the array along its slowest axes into blocks of about
// aimBytes. Each is one range of bytes in the file, or of each record.
func blockShape(shape []int64, item, stride int64) []int64 {
	block := slices.Clone(shape)
	row, ok := structure.DataSize(block, item)
	for axis := 0; axis < len(block) && (!ok || row > aimBytes); axis++ {
		row /= block[axis]
		if row <= rowBytes {
			block[axis] = evenly(block[axis], max(aimBytes/max(row, 1), 1))
			break
		}
		block[axis] = 1
	}
	if stride > gapBytes && len(block) > 0 && block[0] > 0 {
		block[0] = evenly(block[0], max(spanBytes/stride, fewRecords))
	}
	for i := range block {
		block[i] = max(block[i], 1)
	}
	return block
}

// evenly is the extent of the blocks when n are cut into as few as hold at
// most limit each, of nearly the same size.
func evenly(n, limit int64) int64 {
	blocks := (n-1)/limit + 1
	return (n-1)/blocks + 1
}

// reader reads a variable.
type reader struct {
	src   adapter.Source
	name  string
	grid  ndslice.Grid
	dtype structure.DType
	notes notes
}

// Touches yields the one file.
func (r *reader) Touches(ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// ReadBlock reads the range of bytes that the block is, or its part of each
// record.
func (r *reader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	shape := r.grid.BlockShape(block)
	size, ok := structure.DataSize(shape, r.dtype.ItemSize)
	f, err := r.src.Open(ctx, r.name)
	if err != nil {
		return adapter.Block{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if !ok || size > f.Size() {
		return adapter.Block{}, fmt.Errorf("netcdf %s: is cut off: %w", r.name, errdef.ErrUnprocessable)
	}
	data := make([]byte, size)
	if size > 0 {
		if r.notes.Stride > 0 {
			err = r.readRecords(ctx, f, data, block, shape[0])
		} else {
			err = adapter.ReadFull(f, data, r.notes.Offset+r.dtype.ItemSize*position(r.grid.Shape, r.grid.Block, block))
		}
		if err != nil {
			return adapter.Block{}, fmt.Errorf("netcdf %s: block %v: %w", r.name, block, err)
		}
	}
	toLittle(data, r.dtype)
	return adapter.Block{Data: data, Shape: shape}, nil
}

// readRecords fills data with the part that the block has of each of count
// records: one by one, or several at once where they are small and close.
func (r *reader) readRecords(ctx context.Context, f adapter.File, data []byte, block []int64, count int64) error {
	stride, part := r.notes.Stride, int64(len(data))/count
	at := r.notes.Offset + block[0]*r.grid.Block[0]*stride +
		r.dtype.ItemSize*position(r.grid.Shape[1:], r.grid.Block[1:], block[1:])
	if stride == part {
		return adapter.ReadFull(f, data, at)
	}
	together := int64(1)
	if stride-part <= gapBytes {
		together = max(1, min(count, runBytes/stride))
	}
	if at > f.Size() || (count-1)*stride+part > f.Size()-at {
		return unprocessable("is cut off: %d records at %d do not end within %d bytes", count, at, f.Size())
	}
	run := make([]byte, (together-1)*stride+part)
	for first := int64(0); first < count; first += together {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(together, count-first)
		into := data[first*part : (first+n)*part]
		if n == 1 {
			if err := adapter.ReadFull(f, into, at+first*stride); err != nil {
				return err
			}
			continue
		}
		if err := adapter.ReadFull(f, run[:(n-1)*stride+part], at+first*stride); err != nil {
			return err
		}
		for i := range n {
			copy(into[i*part:(i+1)*part], run[i*stride:])
		}
	}
	return nil
}

// position is where the block's first element lies in the array, counted in
// elements.
func position(shape, extent, block []int64) int64 {
	at := int64(0)
	for i := range block {
		at = at*shape[i] + block[i]*extent[i]
	}
	return at
}

// toLittle turns the numbers that lie in data around, and makes bools of
// bytes.
func toLittle(data []byte, t structure.DType) {
	if t.Kind == 'b' {
		for i, b := range data {
			if b != 0 {
				data[i] = 1
			}
		}
		return
	}
	if t.Kind == 'S' {
		return
	}
	switch t.ItemSize {
	case 2:
		for i := 0; i+1 < len(data); i += 2 {
			data[i], data[i+1] = data[i+1], data[i]
		}
	case 4:
		for i := 0; i+3 < len(data); i += 4 {
			p := data[i : i+4 : i+4]
			p[0], p[1], p[2], p[3] = p[3], p[2], p[1], p[0]
		}
	case 8:
		for i := 0; i+7 < len(data); i += 8 {
			p := data[i : i+8 : i+8]
			p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7] = p[7], p[6], p[5], p[4], p[3], p[2], p[1], p[0]
		}
	}
}
