//go:build native

package hdf5file

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// stored is one chunk as it lies in the file; bytes is nil if the library had
// to read it, into whole.
type stored struct {
	piece ndslice.Piece
	mask  uint32
	bytes *[]byte
	whole []byte
}

// chunks reads the chunks of a block as they are stored, and decodes them side
// by side, outside of the library's thread.
func (r *reader) chunks(ctx context.Context, dst []byte, sel ndslice.Selection) (adapter.Cost, error) {
	shape := r.grid.Shape
	chunk := append(slices.Clone(r.notes.Chunk), shape[r.notes.Rank:]...)
	var pieces []ndslice.Piece
	for p := range sel.Plan(ndslice.Grid{Shape: shape, Block: chunk}) {
		pieces = append(pieces, clonePiece(p))
	}
	full := r.full()
	if full > 2*maxItem {
		return adapter.Cost{}, fmt.Errorf("chunks of %d bytes: %w", full, errdef.ErrTooLarge)
	}
	var cost adapter.Cost
	// As many as are decoded at a time are read at a time.
	for len(pieces) > 0 {
		n := min(len(pieces), max(1, int(batchBytes/max(full, 1))))
		part, err := r.batch(ctx, dst, sel, pieces[:n], chunk, full)
		cost = cost.Add(part)
		if err != nil {
			return cost, err
		}
		pieces = pieces[n:]
	}
	return cost, nil
}

// batchBytes bounds the decoded size of the chunks that are read in one turn.
const batchBytes = 8 << 20

func clonePiece(p ndslice.Piece) ndslice.Piece {
	p.Block, p.Shape, p.Target = slices.Clone(p.Block), slices.Clone(p.Shape), slices.Clone(p.Target)
	p.Source = slices.Clone(p.Source)
	return p
}

func (r *reader) batch(ctx context.Context, dst []byte, sel ndslice.Selection, pieces []ndslice.Piece, chunk []int64, full int64) (adapter.Cost, error) {
	raw := make([]stored, len(pieces))
	defer func() {
		for _, s := range raw {
			if s.bytes != nil {
				shared().buffers.Put(s.bytes)
			}
		}
	}()
	cost, err := r.lib.do(ctx, func() error {
		s, err := r.set(ctx)
		if err != nil {
			return err
		}
		for i, p := range pieces {
			if err := ctx.Err(); err != nil {
				return err
			}
			raw[i].piece = p
			if err := r.fetch(s, &raw[i], chunk); err != nil {
				return fmt.Errorf("chunk %v: %w", p.Block, err)
			}
		}
		return nil
	})
	if err != nil {
		return cost, err
	}
	start := time.Now()
	err = sideBySide(len(raw), func(i int) error {
		if err := r.place(dst, sel, raw[i], chunk, full); err != nil {
			return fmt.Errorf("chunk %v: %w", raw[i].piece.Block, err)
		}
		return nil
	})
	cost.CPU += time.Since(start)
	return cost, err
}

// fetch reads one chunk as it is stored. One that was never written, or cannot
// be found, is read by the library, which knows what stands for it.
func (r *reader) fetch(s *set, to *stored, chunk []int64) error {
	if err := r.raw(s, to, to.piece.Block); err != nil || to.bytes != nil {
		return err
	}
	region := make(ndslice.Selection, r.notes.Rank)
	n := r.dtype.ItemSize
	for i := range to.piece.Shape {
		n *= to.piece.Shape[i]
	}
	for i := range region {
		region[i] = ndslice.Axis{Start: to.piece.Block[i] * chunk[i], Step: 1, Count: to.piece.Shape[i]}
	}
	to.whole = make([]byte, n)
	return s.read(to.whole, region)
}

// place decodes a chunk and puts it where it belongs in dst, the block of sel.
func (r *reader) place(dst []byte, sel ndslice.Selection, s stored, chunk []int64, full int64) error {
	item := int(r.dtype.ItemSize)
	if s.bytes == nil {
		return ndslice.Gather(dst, sel, s.piece, s.whole, s.piece.Shape, item)
	}
	if int64(len(dst)) == full && s.piece.Source.IsAll(chunk) {
		return shared().chunk(dst, r.notes.Filters, s.mask, *s.bytes)
	}
	held := shared().buffer(int(full))
	defer shared().buffers.Put(held)
	if err := shared().chunk(*held, r.notes.Filters, s.mask, *s.bytes); err != nil {
		return err
	}
	return ndslice.Gather(dst, sel, s.piece, *held, chunk, item)
}

// sideBySide runs work for 0 to n-1 on as many cores as there are, and returns
// the first error.
func sideBySide(n int, work func(int) error) error {
	if n == 1 {
		return work(0)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	parts := min(n, runtime.GOMAXPROCS(0))
	for part := range parts {
		all.Go(func() {
			for i := part; i < n; i += parts {
				errs[i] = work(i)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
