//go:build native

package hdf5file

// #include <stdlib.h>
// #include "driver.h"
import "C"

import (
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// blockShape is how the array is cut, chunk being that of the whole array.
func blockShape(shape, chunk []int64, item int64, n notes) []int64 {
	if n.Rank == 0 || len(shape) < n.Rank && n.Chunk == nil {
		return rows(shape, item)
	}
	if n.Joined {
		n.Rank--
	}
	element := item
	for _, e := range shape[n.Rank:] {
		element = times(element, e)
	}
	var block []int64
	switch {
	case n.Chunk != nil:
		block = joined(shape[:n.Rank], chunk[:n.Rank], element)
	case n.Sources != nil:
		block = frames(shape[:n.Rank], element)
	default:
		block = rows(shape[:n.Rank], element)
	}
	for _, e := range shape[n.Rank:] {
		block = append(block, max(e, 1))
	}
	return block
}

// reader reads blocks of one data set.
type reader struct {
	lib   *library
	src   adapter.Source
	grid  ndslice.Grid
	dtype structure.DType
	notes notes
}

var (
	_ adapter.Mapped = (*reader)(nil)
	_ adapter.Parted = (*reader)(nil)
)

// Touches yields the file itself, the one that a link led to, and those behind
// the elements of sel.
func (r *reader) Touches(sel ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		names := []string{r.src.Names()[0], r.notes.File}
		for _, e := range r.notes.Extents {
			names = append(names, e.Name)
		}
		for _, s := range r.notes.Sources {
			if s.Start == nil || (adapter.Part{Start: s.Start, Stop: s.Stop}).Meets(sel) {
				names = append(names, s.Name)
			}
		}
		for _, name := range names {
			if !seen[name] && !yield(name) {
				return
			}
			seen[name] = true
		}
	}
}

// Extents implements [adapter.Mapped].
func (r *reader) Extents() []adapter.Extent {
	if r.notes.How == byExtent {
		return r.notes.Extents
	}
	return nil
}

// Parts implements [adapter.Parted].
func (r *reader) Parts() []adapter.Part {
	whole := map[string]bool{r.notes.File: true, r.src.Names()[0]: true}
	for _, s := range r.notes.Sources {
		whole[s.Name] = whole[s.Name] || s.Start == nil
	}
	var parts []adapter.Part
	for _, s := range r.notes.Sources {
		if !whole[s.Name] {
			parts = append(parts, adapter.Part{Name: s.Name, Start: s.Start, Stop: s.Stop})
		}
	}
	return parts
}

// ReadBlock implements [adapter.ArrayReader].
func (r *reader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	sel := r.grid.Of(block)
	shape := r.grid.BlockShape(block)
	size := times(sel.Len(), r.dtype.ItemSize)
	if size > 4*maxItem {
		return adapter.Block{}, fmt.Errorf("%s: block %v: %d bytes are not read at once: %w", r.notes.File, block, size, errdef.ErrTooLarge)
	}
	out := adapter.Block{Data: make([]byte, size), Shape: shape}
	if size == 0 {
		return out, nil
	}
	var err error
	switch r.notes.How {
	case byChunk:
		out.Cost, err = r.chunks(ctx, out.Data, sel)
	case byExtent:
		out.Cost, err = r.extents(ctx, out.Data, sel)
	case byNobody:
		err = unsupported("%s", r.notes.Lacks)
	default:
		out.Cost, err = r.library(ctx, out.Data, sel)
	}
	if err != nil {
		return adapter.Block{}, fmt.Errorf("%s: block %v: %w", r.notes.File, block, err)
	}
	return out, nil
}

// set opens the data set, or finds it open.
func (r *reader) set(ctx context.Context) (*set, error) {
	locator, err := located(r.src)
	if err != nil {
		return nil, err
	}
	place, err := locator.Locate(ctx, "", r.notes.File)
	if err != nil {
		return nil, err
	}
	f, err := r.lib.file(place)
	if err != nil {
		return nil, err
	}
	for _, s := range r.notes.Sources {
		source, err := locator.Locate(ctx, "", s.Name)
		if err != nil {
			continue // it is not touched
		}
		from := place
		if s.From != place.Name {
			if from, err = locator.Locate(ctx, "", s.From); err != nil {
				continue
			}
		}
		f.allow(from, s.Target, source)
	}
	if s := f.sets[r.notes.Addr]; s != nil {
		s.used = r.lib.clock
		return s, nil
	}
	o, err := f.object(C.tz_open_address(f.id, C.uint64_t(r.notes.Addr)), "data set")
	if err != nil {
		return nil, err
	}
	defer o.close()
	if o.kind != 'd' {
		return nil, fmt.Errorf("at %d there is no data set: %w", r.notes.Addr, errdef.ErrChanged)
	}
	s, err := openSet(o, r.notes.Native)
	if err != nil {
		return nil, err
	}
	if len(s.dims) != r.notes.Rank {
		s.close()
		return nil, fmt.Errorf("the data set has other axes: %w", errdef.ErrChanged)
	}
	f.keep(r.notes.Addr, s)
	return s, nil
}

// keep keeps a data set open, and closes the one used longest ago.
func (f *file) keep(addr uint64, s *set) {
	if len(f.sets) >= maxSets {
		oldest := addr
		for a, other := range f.sets {
			if oldest == addr || other.used < f.sets[oldest].used {
				oldest = a
			}
		}
		f.sets[oldest].close()
		delete(f.sets, oldest)
	}
	s.used = f.lib.clock
	f.sets[addr] = s
}

// library reads by the library's own means.
func (r *reader) library(ctx context.Context, dst []byte, sel ndslice.Selection) (adapter.Cost, error) {
	return r.lib.do(ctx, func() error {
		s, err := r.set(ctx)
		if err != nil {
			return err
		}
		part := sel[:min(r.notes.Rank, len(sel))]
		if r.notes.Joined {
			part = append(slices.Clone(sel), ndslice.Axis{Step: 1, Count: r.dtype.ItemSize})
		}
		if r.notes.Text != "" {
			return s.texts(dst, int(r.dtype.ItemSize), part, r.notes.Wide)
		}
		if r.notes.Padded != nil {
			return s.padded(dst, part)
		}
		err = s.read(dst, part)
		if r.notes.Sources == nil {
			return err
		}
		// What is behind a virtual data set stays open with it.
		if err == nil {
			err = r.opened(sel)
		}
		denied, changed := r.lib.denied, r.lib.fault
		s.file.closeSets()
		switch {
		case changed != nil:
			return changed
		case len(denied) > 0:
			return fmt.Errorf("it needs the file %s, which describing did not find: %w", denied[0], errdef.ErrChanged)
		}
		return err
	})
}

// opened says whether the library has opened what a part of a virtual data set
// comes from: where it cannot, it gives fill values without a word.
func (r *reader) opened(sel ndslice.Selection) error {
	paths := make(map[string]bool)
	for _, each := range r.lib.files {
		for _, h := range each.open {
			paths[h.path] = true
		}
	}
	for _, place := range r.lib.allowed {
		for _, s := range r.notes.Sources {
			if s.Name == place.Name && s.Start != nil && !place.Stamp.Absent && !paths[place.Path] &&
				(adapter.Part{Start: s.Start, Stop: s.Stop}).Meets(sel) {
				return fmt.Errorf("%s: cannot be opened as part of a virtual data set: %w", s.Name, errdef.ErrUnprocessable)
			}
		}
	}
	return nil
}

// region selects a part of the data set, and the memory for it. The caller
// closes both.
func (s *set) region(sel ndslice.Selection) (file, memory C.hid_t, err error) {
	file = C.H5Scopy(s.space)
	if len(sel) == 0 {
		return file, C.H5Screate(C.H5S_SCALAR), nil
	}
	var start, count [32]C.hsize_t
	for i, a := range sel {
		if a.Start+a.Count > s.dims[i] {
			C.H5Sclose(file)
			return 0, 0, fmt.Errorf("the data set has become smaller: %w", errdef.ErrChanged)
		}
		start[i], count[i] = C.hsize_t(a.Start), C.hsize_t(a.Count)
	}
	if file < 0 || C.H5Sselect_hyperslab(file, C.H5S_SELECT_SET, &start[0], nil, &count[0], nil) < 0 {
		return 0, 0, broken("selection")
	}
	return file, C.H5Screate_simple(C.int(len(sel)), &count[0], nil), nil
}

// read reads a part into dst.
func (s *set) read(dst []byte, sel ndslice.Selection) error {
	file, memory, err := s.region(sel)
	if err != nil {
		return err
	}
	defer C.H5Sclose(file)
	defer C.H5Sclose(memory)
	if C.H5Dread(s.id, s.memory, memory, file, C.H5P_DEFAULT, unsafe.Pointer(&dst[0])) < 0 {
		return broken("data")
	}
	return nil
}

// padded reads what there is of a part, and puts fill values behind it.
func (s *set) padded(dst []byte, sel ndslice.Selection) error {
	item := int(s.elementBytes())
	fill := make([]byte, item)
	plist := C.H5Dget_create_plist(s.id)
	if plist < 0 || C.H5Pget_fill_value(plist, s.memory, unsafe.Pointer(&fill[0])) < 0 {
		_ = failure() // without one it is zero
	}
	if plist >= 0 {
		C.H5Pclose(plist)
	}
	for i := 0; i+item <= len(dst); i += item {
		copy(dst[i:], fill)
	}
	there, shape := slices.Clone(sel), make([]int64, len(sel))
	for i := range there {
		there[i].Count = max(min(sel[i].Count, s.dims[i]-sel[i].Start), 0)
		shape[i] = there[i].Count
	}
	if there.Len() == 0 {
		return nil
	}
	part := make([]byte, there.Len()*int64(item))
	if err := s.read(part, there); err != nil {
		return err
	}
	piece := ndslice.Piece{Source: ndslice.All(shape), Target: make([]int64, len(sel)), Shape: shape}
	return ndslice.Gather(dst, sel, piece, part, shape, item)
}

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
	full := r.dtype.ItemSize
	for _, n := range chunk {
		full = times(full, n)
	}
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
			if err := r.fetch(s, &raw[i], chunk, full); err != nil {
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
func (r *reader) fetch(s *set, to *stored, chunk []int64, full int64) error {
	var offset [32]C.hsize_t
	for i := range r.notes.Rank {
		offset[i] = C.hsize_t(to.piece.Block[i] * chunk[i])
	}
	size := int64(C.tz_chunk_size(s.id, &offset[0]))
	if size > 2*full+1<<16 {
		return damaged("%d bytes are more than %d can have been encoded to", size, full)
	}
	if size <= 0 {
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
	to.bytes = shared().buffer(int(size))
	var mask C.uint32_t
	if C.tz_chunk_read(s.id, &offset[0], &mask, unsafe.Pointer(&(*to.bytes)[0])) < 0 {
		return broken("data")
	}
	to.mask = uint32(mask)
	return nil
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

// extents reads a block out of the files it lies in.
func (r *reader) extents(ctx context.Context, dst []byte, sel ndslice.Selection) (adapter.Cost, error) {
	from, _, ok := ndslice.Piece{Source: sel, Shape: r.grid.Shape}.Run()
	if !ok {
		return adapter.Cost{}, fmt.Errorf("a block in many pieces: %w", errdef.ErrUnprocessable)
	}
	offset := from * r.dtype.ItemSize
	for _, e := range r.notes.Extents {
		if e.Length <= offset {
			offset -= e.Length
			continue
		}
		n := min(e.Length-offset, int64(len(dst)))
		f, err := r.src.Open(ctx, e.Name)
		if err != nil {
			return adapter.Cost{}, err
		}
		got, err := f.ReadAt(dst[:n], e.Offset+offset)
		_ = f.Close()
		if int64(got) < n {
			if err == io.EOF { //nolint:errorlint // ReadAt returns it as it is
				err = errdef.ErrUnprocessable
			}
			return adapter.Cost{}, fmt.Errorf("%s: %d bytes at %d: %w", e.Name, n, e.Offset+offset, err)
		}
		if dst, offset = dst[n:], 0; len(dst) == 0 {
			return adapter.Cost{}, nil
		}
	}
	return adapter.Cost{}, nil
}
