package zarr

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// reader reads an array.
type reader struct {
	tools *tools
	src   adapter.Source
	where string
	a     *array
	// grid is that of blocks, chunks that of what is decoded at once, files
	// that of chunk files or shards. Each divides the one behind it, or the
	// one before.
	grid, chunks, files ndslice.Grid
}

func newReader(t *tools, src adapter.Source, where string, a *array, grid ndslice.Grid) *reader {
	r := &reader{tools: t, src: src, where: where, a: a, grid: grid}
	r.chunks = ndslice.Grid{Shape: a.shape, Block: a.chunk}
	r.files = r.chunks
	if a.shard != nil {
		r.files.Block = a.shard.shape
	}
	return r
}

// block is the shape of the array's blocks: a chunk, or several that are
// small, joined along the last axes first.
func (a *array) block() []int64 {
	block := append([]int64{}, a.chunk...)
	size, joined := a.chunkBytes(), int64(1)
	for i := len(block) - 1; i >= 0 && size > 0; i-- {
		limit, aim := joinFiles/joined, int64(joinBytes)
		end := a.shape[i]
		if a.shard != nil {
			limit, aim, end = math.MaxInt64, joinInner, a.shard.shape[i]
		}
		most := min(aim/size, limit, (end-1)/block[i]+1)
		if a.shard != nil {
			most = divisor(end/block[i], most)
		}
		if most < 2 {
			continue
		}
		block[i], size, joined = block[i]*most, size*most, joined*most
	}
	return block
}

const (
	// joinBytes is up to what size chunks in files of their own are joined,
	// joinFiles how many of them at most: each costs an open.
	joinBytes, joinFiles = 256 << 10, 16
	// joinInner is the same for chunks of a shard, which cost one open in all.
	joinInner = 1 << 20
)

// divisor is the largest one of n that is at most limit.
func divisor(n, limit int64) int64 {
	for d := min(n, limit); d > 1; d-- {
		if n%d == 0 {
			return d
		}
	}
	return 1
}

// Touches yields the files of all chunks of the blocks that sel touches.
func (r *reader) Touches(sel ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) {
		if r.a.shard != nil { // blocks lie within shards
			for piece := range sel.Plan(r.files) {
				if !yield(r.file(piece.Block)) {
					return
				}
			}
			return
		}
		for piece := range sel.Plan(r.grid) {
			for chunk := range r.grid.Of(piece.Block).Plan(r.chunks) {
				if !yield(r.file(chunk.Block)) {
					return
				}
			}
		}
	}
}

// file is the path of a chunk's file in the source.
func (r *reader) file(chunk []int64) string {
	k := r.a.key
	words := make([]string, 0, len(chunk)+1)
	if k.prefix != "" {
		words = append(words, k.prefix)
	}
	for _, n := range chunk {
		words = append(words, strconv.FormatInt(n, 10))
	}
	if len(words) == 0 {
		words = append(words, "0")
	}
	return path.Join(r.where, strings.Join(words, k.separator))
}

// ReadBlock decodes the chunks of the block. Chunks that were never written
// have the fill value.
func (r *reader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	if err := ctx.Err(); err != nil {
		return adapter.Block{}, err
	}
	shape := r.grid.BlockShape(block)
	size := r.a.dtype.ItemSize
	for _, n := range shape {
		size *= n
	}
	out := adapter.Block{Data: make([]byte, size), Shape: shape}
	sel := r.grid.Of(block)
	var err error
	if r.a.shard != nil {
		err = r.readInner(ctx, sel, out.Data)
	} else {
		err = r.readFiles(ctx, sel, out.Data)
	}
	if err != nil {
		return adapter.Block{}, err
	}
	return out, nil
}

// readFiles reads chunks that have files of their own.
func (r *reader) readFiles(ctx context.Context, sel ndslice.Selection, out []byte) error {
	for piece := range sel.Plan(r.chunks) {
		name := r.file(piece.Block)
		f, err := r.src.Open(ctx, name)
		if absent(err) {
			if err := r.place(out, sel, piece, nil, 0, 0); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		err = r.place(out, sel, piece, f, 0, f.Size())
		_ = f.Close() // nothing was written
		if err != nil {
			return fmt.Errorf("zarr %s: %w", name, err)
		}
	}
	return nil
}

// readInner reads chunks of one shard.
func (r *reader) readInner(ctx context.Context, sel ndslice.Selection, out []byte) error {
	var shardOf []int64
	for piece := range sel.Plan(r.files) {
		shardOf = piece.Block
	}
	name := r.file(shardOf)
	f, err := r.src.Open(ctx, name)
	var index []byte
	switch {
	case absent(err):
	case err != nil:
		return err
	default:
		defer f.Close() //nolint:errcheck // nothing was written
		held := r.tools.buffer(r.a.shard.index.size)
		defer r.tools.release(held)
		index = (*held)[:r.a.shard.index.size]
		if err := r.readIndex(f, index); err != nil {
			return fmt.Errorf("zarr %s: index: %w", name, err)
		}
	}
	for piece := range sel.Plan(r.chunks) {
		offset, length, ok := r.entry(index, piece.Block)
		file := f
		if !ok {
			file, offset, length = nil, 0, 0
		}
		if err := r.place(out, sel, piece, file, offset, length); err != nil {
			return fmt.Errorf("zarr %s: chunk %v: %w", name, piece.Block, err)
		}
	}
	return nil
}

func (r *reader) readIndex(f adapter.File, index []byte) error {
	s := r.a.shard
	if f.Size() < s.size {
		return unprocessable("the shard has %d bytes, its index %d", f.Size(), s.size)
	}
	held := r.tools.buffer(s.size)
	defer r.tools.release(held)
	stored := (*held)[:s.size]
	offset := f.Size() - s.size
	if s.atStart {
		offset = 0
	}
	if err := adapter.ReadFull(f, stored, offset); err != nil {
		return err
	}
	return s.index.decode(r.tools, index, stored)
}

// entry finds a chunk in the index of its shard; ok is false if it was not
// written.
func (r *reader) entry(index []byte, chunk []int64) (offset, length int64, ok bool) {
	if index == nil {
		return 0, 0, false
	}
	at := int64(0)
	for i, n := range chunk {
		per := r.a.shard.shape[i] / r.a.chunk[i]
		at = at*per + n%per
	}
	first := binary.LittleEndian.Uint64(index[16*at:])
	second := binary.LittleEndian.Uint64(index[16*at+8:])
	if first == math.MaxUint64 && second == math.MaxUint64 {
		return 0, 0, false
	}
	// What lies beyond int64 is beyond any file, which place checks.
	return int64(min(first, math.MaxInt64)), int64(min(second, math.MaxInt64)), true
}

// place decodes the chunk that lies in f at offset, or the fill value if f is
// nil, and puts it where it belongs in out, the block of sel.
func (r *reader) place(out []byte, sel ndslice.Selection, piece ndslice.Piece, f adapter.File, offset, length int64) error {
	size := r.a.codecs.size
	whole := int64(len(out)) == size && piece.Source.IsAll(r.a.chunk)
	if f == nil && r.a.fill == nil {
		return nil
	}
	if f == nil && whole {
		repeat(out, r.a.fill)
		return nil
	}
	chunk := out
	if !whole {
		held := r.tools.buffer(size)
		defer r.tools.release(held)
		chunk = (*held)[:size]
	}
	if f == nil {
		repeat(chunk, r.a.fill)
	} else if err := r.decode(chunk, f, offset, length); err != nil {
		return err
	}
	if whole {
		return nil
	}
	return ndslice.Gather(out, sel, piece, chunk, r.a.chunk, int(r.a.dtype.ItemSize))
}

func (r *reader) decode(chunk []byte, f adapter.File, offset, length int64) error {
	p := r.a.codecs
	if offset > f.Size() || length > f.Size()-offset {
		return unprocessable("%d bytes at %d of a file of %d", length, offset, f.Size())
	}
	if length > p.limit() {
		return unprocessable("%d bytes are more than a chunk of %d can have been encoded to", length, p.size)
	}
	if len(p.stages) == 0 {
		if length != p.size {
			return unprocessable("%d bytes, a chunk has %d", length, p.size)
		}
		return adapter.ReadFull(f, chunk, offset)
	}
	held := r.tools.buffer(length)
	defer r.tools.release(held)
	encoded := (*held)[:length]
	if err := adapter.ReadFull(f, encoded, offset); err != nil {
		return err
	}
	return p.decode(r.tools, chunk, encoded)
}

// repeat fills b with copies of one element.
func repeat(b, element []byte) {
	if len(element) == 0 {
		return
	}
	n := copy(b, element)
	for n < len(b) {
		n += copy(b[n:], b[:n])
	}
}
