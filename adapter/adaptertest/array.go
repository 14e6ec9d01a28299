package adaptertest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// maxWhole bounds what the suite reads of one array.
const maxWhole = 64 << 20

func (s *subject) runArray(t *testing.T, r adapter.ArrayReader) {
	t.Helper()
	all := ndslice.All(s.d.Grid.Shape)
	item := s.d.Array.DataType.ItemSize
	if all.Len() > maxWhole/max(item, 1) || all.Touched(s.d.Grid) > 4096 {
		t.Fatalf("the array of shape %v is too large for the suite", s.d.Grid.Shape)
	}
	s.whole = make([]byte, all.Len()*item)
	for piece := range all.Plan(s.d.Grid) {
		got := s.readBlock(t, r, piece.Block)
		if err := ndslice.Gather(s.whole, all, piece, got, piece.Shape, int(item)); err != nil {
			t.Fatal(err)
		}
	}
	s.c.Want.compareData(t, s.whole)
	if all.Len() == 0 {
		return
	}
	s.arrayTogether(t)
	s.arrayInterrupted(t, r)
}

// readBlock reads a block twice and checks it, and what was opened for it.
func (s *subject) readBlock(t *testing.T, r adapter.ArrayReader, block []int64) []byte {
	t.Helper()
	s.src.Reset()
	got, err := r.ReadBlock(t.Context(), block)
	if err != nil {
		t.Fatalf("block %v: %v", block, err)
	}
	touches := slices.Collect(r.Touches(s.d.Grid.Of(block)))
	for name, n := range s.src.Opened() {
		if n > 1 {
			t.Errorf("block %v: %s was opened %d times", block, name, n)
		}
		if !slices.Contains(touches, name) {
			t.Errorf("block %v: %s was opened; Touches has only %v", block, name, touches)
		}
	}
	for _, name := range touches {
		s.touched[name]++
	}
	if sorted := slices.Compact(slices.Sorted(slices.Values(touches))); len(sorted) != len(touches) {
		t.Errorf("block %v: Touches yields a name twice: %v", block, touches)
	}
	shape := s.d.Grid.BlockShape(block)
	size := s.d.Array.DataType.ItemSize
	for _, n := range shape {
		size *= n
	}
	if !slices.Equal(got.Shape, shape) || int64(len(got.Data)) != size {
		t.Fatalf("block %v: %d bytes of shape %v, want %d of shape %v", block, len(got.Data), got.Shape, size, shape)
	}
	kept := bytes.Clone(got.Data)
	for i := range got.Data {
		got.Data[i] ^= 0xff
	}
	again, err := r.ReadBlock(t.Context(), block)
	if err != nil || !bytes.Equal(again.Data, kept) {
		t.Fatalf("block %v: read again after the first result was written to: other data, %v", block, err)
	}
	return kept
}

// arrayTogether reads all blocks from a remembered description, by several at
// once.
func (s *subject) arrayTogether(t *testing.T) {
	t.Helper()
	opened, err := s.format.Open(s.src, s.c.Inside, remembered(s.d))
	if err != nil {
		t.Fatalf("Open of a remembered description: %v", err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			data, err := s.readAll(t.Context(), opened.(adapter.ArrayReader), s.d)
			if err != nil || !bytes.Equal(data, s.whole) {
				t.Errorf("read by several at once from a remembered description: other data, %v", err)
			}
		})
	}
	group.Wait()
}

// readAll reads the whole array; the blocks of an array that differs from the
// one described are read as long as they fit.
func (s *subject) readAll(ctx context.Context, r adapter.ArrayReader, d *adapter.Description) ([]byte, error) {
	all := ndslice.All(d.Grid.Shape)
	item := d.Array.DataType.ItemSize
	if all.Len() > maxWhole/max(item, 1) {
		return nil, errdef.ErrTooLarge
	}
	whole := make([]byte, all.Len()*item)
	for piece := range all.Plan(d.Grid) {
		block, err := r.ReadBlock(ctx, piece.Block)
		if err != nil {
			return nil, err
		}
		if err := ndslice.Gather(whole, all, piece, block.Data, piece.Shape, int(item)); err != nil {
			return nil, err
		}
	}
	return whole, nil
}

// arrayInterrupted reads with a cancelled context, and from a source that has
// changed.
func (s *subject) arrayInterrupted(t *testing.T, r adapter.ArrayReader) {
	t.Helper()
	block := make([]int64, len(s.d.Grid.Shape))
	if len(maps.Collect(pairs(r, s.d.Grid.Of(block)))) == 0 {
		return // nothing to open, nothing to notice
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.ReadBlock(ctx, block); !errors.Is(err, context.Canceled) {
		t.Errorf("read with a cancelled context: got %v", err)
	}
	s.src.Change()
	if _, err := r.ReadBlock(t.Context(), block); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("read of a changed source: got %v, want %v", err, errdef.ErrChanged)
	}
	s.src.Reset()
}

func pairs(r adapter.ArrayReader, sel ndslice.Selection) func(yield func(string, bool) bool) {
	return func(yield func(string, bool) bool) {
		for name := range r.Touches(sel) {
			if !yield(name, true) {
				return
			}
		}
	}
}
