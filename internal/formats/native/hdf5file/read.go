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
	"slices"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// liveBytes is the aim along an axis along which the data set grows just now: a
// block that is not full yet is read anew each time it has grown.
const liveBytes = 64 << 10

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
		aim := int64(aimBytes)
		if n.Live {
			aim = liveBytes
		}
		block = joined(shape[:n.Rank], chunk[:n.Rank], element, n.Grows, aim)
	case n.aligned() != nil:
		block = joined(shape[:n.Rank], n.aligned(), element, nil, aimBytes)
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
	case byTiles:
		out.Cost, err = r.tiled(ctx, out.Data, sel)
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
	if plist := C.H5Dget_create_plist(s.id); plist >= 0 {
		copy(fill, s.fillValue(plist)) // without one it is zero
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
