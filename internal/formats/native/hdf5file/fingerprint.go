//go:build native

package hdf5file

// #include "driver.h"
import "C"

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// printed is a reader of chunks that can be told apart as they are stored.
type printed struct{ *reader }

var _ adapter.Fingerprinter = printed{}

// Fingerprint implements [adapter.Fingerprinter]: a digest of the block's
// chunks as they are stored, their filters and masks. Where the chunks lie, and
// how large they are, would cost less to find out, but a chunk that is written
// to again may stay in its place, and so may all of a file that is written
// anew under its old name. A block has no fingerprint while a chunk of it is not
// written, or reaches over the end of an axis that may grow.
func (p printed) Fingerprint(ctx context.Context, block []int64) (id adapter.ID, err error) {
	sel := p.grid.Of(block)[:p.notes.Rank]
	shape := p.grid.Shape[:p.notes.Rank]
	for _, axis := range p.notes.Grows {
		if last := sel[axis].Start + sel[axis].Count; last == shape[axis] && last%p.notes.Chunk[axis] != 0 {
			return id, nil
		}
	}
	var offsets [][]int64
	for piece := range sel.Plan(ndslice.Grid{Shape: shape, Block: p.notes.Chunk}) {
		offsets = append(offsets, slices.Clone(piece.Block))
	}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode([]any{p.notes.Filters, p.notes.Chunk}); err != nil {
		return id, fmt.Errorf("%s: filters: %w", p.notes.File, err)
	}
	for len(offsets) > 0 {
		n := min(len(offsets), max(1, int(batchBytes/max(p.full(), 1))))
		sums, err := p.digests(ctx, offsets[:n])
		if err != nil || sums == nil {
			return adapter.ID{}, err
		}
		_, _ = h.Write(sums)
		offsets = offsets[n:]
	}
	copy(id[:], h.Sum(nil))
	return id, nil
}

// digests are those of chunks one after the other, or nil if one of them is not
// there.
func (p printed) digests(ctx context.Context, offsets [][]int64) ([]byte, error) {
	raw := make([]stored, len(offsets))
	defer func() {
		for _, s := range raw {
			if s.bytes != nil {
				shared().buffers.Put(s.bytes)
			}
		}
	}()
	missing := false
	_, err := p.lib.do(ctx, func() error {
		s, err := p.set(ctx)
		for i := 0; err == nil && i < len(offsets) && !missing; i++ {
			if err = ctx.Err(); err == nil {
				err = p.raw(s, &raw[i], offsets[i])
			}
			missing = raw[i].bytes == nil
		}
		return err
	})
	if err != nil || missing {
		return nil, err
	}
	sums := make([]byte, len(raw)*sha256.Size)
	err = sideBySide(len(raw), func(i int) error {
		h := sha256.New()
		_ = binary.Write(h, binary.LittleEndian, raw[i].mask) // a hash takes all
		_, _ = h.Write(*raw[i].bytes)
		h.Sum(sums[:i*sha256.Size])
		return nil
	})
	return sums, err
}

// raw reads a chunk as it is stored; one that is not there leaves no bytes.
func (r *reader) raw(s *set, to *stored, chunk []int64) error {
	var offset [32]C.hsize_t
	for i := range r.notes.Rank {
		offset[i] = C.hsize_t(chunk[i] * r.notes.Chunk[i])
	}
	size := int64(C.tz_chunk_size(s.id, &offset[0]))
	if full := r.full(); size > 2*full+1<<16 {
		return damaged("%d bytes are more than %d can have been encoded to", size, full)
	}
	if size <= 0 {
		return nil
	}
	to.bytes = shared().buffer(int(size))
	var mask C.uint32_t
	if C.tz_chunk_read(s.id, &offset[0], &mask, unsafe.Pointer(&(*to.bytes)[0])) < 0 {
		return broken("data")
	}
	to.mask = uint32(mask)
	return nil
}

// full is the size of a decoded chunk.
func (r *reader) full() int64 {
	size := r.dtype.ItemSize
	for _, n := range r.notes.Chunk {
		size = times(size, n)
	}
	for _, n := range r.grid.Shape[r.notes.Rank:] {
		size = times(size, n)
	}
	return size
}
