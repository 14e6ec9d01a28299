//go:build native

package hdf5file

// #include "driver.h"
import "C"

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// byTiles is how a virtual data set is read that is made of boxes: each box out
// of its own data set, in that one's way.
const byTiles how = "tiles"

// tile is a box of a virtual data set, and the box of another one that it comes
// from. Both have the same extents, but for axes of one element.
type tile struct {
	// Start and Stop bound the box, From is where the other begins.
	Start []int64 `json:"start"`
	Stop  []int64 `json:"stop"`
	From  []int64 `json:"from"`
	// Size are the extents of the other box, Dims those of its data set.
	Size []int64 `json:"size"`
	Dims []int64 `json:"dims"`
	// File, Addr, Extents and Kind are the notes of that data set. Kind is the
	// place in the list of what many have in common.
	File    string           `json:"file"`
	Addr    uint64           `json:"addr"`
	Extents []adapter.Extent `json:"extents,omitempty"`
	Kind    int              `json:"kind"`
	// Broken says why it cannot be read.
	Broken string `json:"broken,omitempty"`
}

// box is the box that a data space selects, if it is one. All of a data set that
// was not looked at yet has no extents.
func box(space C.hid_t) (start, size []int64, ok bool) {
	var dims, first, stride, count, block [32]C.hsize_t
	rank := C.H5Sget_simple_extent_dims(space, &dims[0], nil)
	if rank < 0 {
		_ = failure()
		return nil, nil, false
	}
	switch C.H5Sget_select_type(space) {
	case C.H5S_SEL_ALL:
		for i := range rank {
			start, size = append(start, 0), append(size, int64(dims[i]))
		}
		return start, size, true
	case C.H5S_SEL_HYPERSLABS:
	default:
		return nil, nil, false
	}
	if C.H5Sis_regular_hyperslab(space) <= 0 || C.H5Sget_regular_hyperslab(space, &first[0], &stride[0], &count[0], &block[0]) < 0 {
		_ = failure()
		return nil, nil, false
	}
	for i := range rank {
		whole := count[i] == 1 || stride[i] == block[i]
		if !whole || count[i] > math.MaxInt32 || block[i] > math.MaxInt32/4 || first[i] > math.MaxInt64/4 {
			return nil, nil, false
		}
		start, size = append(start, int64(first[i])), append(size, int64(count[i]*block[i]))
	}
	return start, size, true
}

// long are the axes of more than one element, and their extents.
func long(size []int64) (axes []int, extents []int64) {
	for i, n := range size {
		if n != 1 {
			axes, extents = append(axes, i), append(extents, n)
		}
	}
	return axes, extents
}

// tiler finds the tiles of a virtual data set.
type tiler struct {
	ctx     context.Context //nolint:containedctx // of one job
	lib     *library
	src     adapter.Locator
	own     C.hid_t // the type of its elements
	tiles   []tile
	kinds   []notes
	sources []sourceFile
}

// tiles finds out whether a virtual data set is made of tiles, and notes them.
func (l *library) tiles(ctx context.Context, src adapter.Locator, o object, plist C.hid_t, n *notes) error {
	own := C.H5Dget_type(o.id)
	if own < 0 {
		return broken(o.file.place.Name + ": data set")
	}
	defer C.H5Tclose(own)
	e, err := elementOf(own)
	swapped := n.Native && e.dtype.Endianness == structure.Big
	if err != nil || e.text != "" || !e.exact || len(e.dims) > 0 || swapped || n.Joined || n.Padded != nil {
		return errNoTiles
	}
	t := &tiler{ctx: ctx, lib: l, src: src, own: own}
	if err := t.find(o, plist); err != nil {
		return err
	}
	n.How, n.Tiles, n.Kinds, n.Sources = byTiles, t.tiles, t.kinds, t.sources
	return nil
}

// aligned is the shape of the chunks of all tiles, if they all have one and
// lie on one grid.
func (n *notes) aligned() []int64 {
	if len(n.Kinds) != 1 || len(n.Kinds[0].Chunk) != n.Rank {
		return nil
	}
	chunk := n.Kinds[0].Chunk
	for _, t := range n.Tiles {
		for i := range chunk {
			if len(t.From) != n.Rank || t.Start[i]%chunk[i] != 0 || t.From[i]%chunk[i] != 0 {
				return nil
			}
		}
	}
	return chunk
}

// errNoTiles says that a virtual data set is made of something else.
var errNoTiles = errors.New("is not made of boxes")

// find goes through the parts of o. The error is errNoTiles, or one about a
// file; those that the request did not name are asked for all at once.
func (t *tiler) find(o object, plist C.hid_t) error {
	var count C.size_t
	if C.H5Pget_virtual_count(plist, &count) < 0 || count > maxSources {
		_ = failure()
		return errNoTiles
	}
	var needed error
	for i := range count {
		err := t.part(o, plist, i)
		switch {
		case errors.Is(err, errdef.ErrUnavailable):
			needed = err
		case err != nil:
			return err
		}
	}
	return needed
}

func (t *tiler) part(o object, plist C.hid_t, i C.size_t) error {
	m, err := mappingOf(plist, i)
	if err != nil {
		return err
	}
	_, files := numbered(m.file, 0)
	_, sets := numbered(m.set, 0)
	file, _ := numbered(m.file, 0)
	set, _ := numbered(m.set, 0)
	virtual, source := C.H5Pget_virtual_vspace(plist, i), C.H5Pget_virtual_srcspace(plist, i)
	if virtual < 0 || source < 0 {
		return broken(o.file.place.Name + ": virtual data set")
	}
	defer C.H5Sclose(virtual)
	defer C.H5Sclose(source)
	start, size, ok := box(virtual)
	from, other, also := box(source)
	if files || sets || !ok || !also || len(start) == 0 {
		return errNoTiles
	}
	next := tile{Start: start, From: from, Size: other}
	for k := range start {
		next.Stop = append(next.Stop, start[k]+size[k])
	}
	return t.open(o.file, file, set, next)
}

// fits says whether both boxes have the same extents, but for axes of one.
func (t tile) fits() bool {
	size := make([]int64, len(t.Start))
	for i := range size {
		size[i] = t.Stop[i] - t.Start[i]
	}
	_, here := long(size)
	_, there := long(t.Size)
	return slices.Equal(here, there)
}

// open finds out how the data set of a tile is read. Every file on the way to
// it becomes one that the tile needs.
func (t *tiler) open(from *file, target, set string, next tile) error {
	way := &noting{Locator: t.src}
	defer func() {
		for _, s := range way.seen {
			s.Start, s.Stop = next.Start, next.Stop
			t.sources = append(t.sources, s)
		}
	}()
	f := from
	if target != "." {
		place, err := way.Locate(t.ctx, from.place.Name, target)
		if err != nil || place.Stamp.Absent {
			return err // what is not there is fill values
		}
		if f, err = t.lib.file(place); err != nil {
			return t.broken(next, err)
		}
	}
	w := &walker{ctx: t.ctx, lib: t.lib, src: way}
	o, err := w.walk(f, steps(set, true))
	if errors.Is(err, errdef.ErrGone) {
		return nil
	}
	if err != nil {
		return t.broken(next, err)
	}
	defer o.close()
	return t.look(o, way, next)
}

// broken keeps the reason why a tile cannot be read for those who read it.
func (t *tiler) broken(next tile, err error) error {
	if errors.Is(err, errdef.ErrUnprocessable) || errors.Is(err, errdef.ErrGone) {
		next.Broken = err.Error()
		t.tiles = append(t.tiles, next)
		return nil
	}
	return err
}

// look describes the data set of a tile.
func (t *tiler) look(o object, src adapter.Locator, next tile) error {
	if o.kind != 'd' {
		return errNoTiles
	}
	plist := C.H5Dget_create_plist(o.id)
	if plist < 0 {
		return t.broken(next, broken(o.file.place.Name))
	}
	defer C.H5Pclose(plist)
	if C.H5Pget_layout(plist) == C.H5D_VIRTUAL {
		return errNoTiles
	}
	s, err := openSet(o, false)
	if err != nil {
		return t.broken(next, err)
	}
	defer s.close()
	if next.From == nil {
		next.From, next.Size = make([]int64, len(s.dims)), s.dims
	}
	if C.H5Tequal(s.own, t.own) <= 0 || len(s.dims) != len(next.From) || s.null || !next.fits() {
		return errNoTiles
	}
	for i := range s.dims {
		if next.From[i]+next.Size[i] > s.dims[i] {
			return errNoTiles // it has not grown as far, or its mapping is of another one
		}
	}
	n := notes{How: byLibrary, Rank: len(s.dims), File: o.file.place.Name}
	if err := s.look(t.ctx, src, &n, plist); err != nil {
		return t.broken(next, err)
	}
	next.File, next.Addr, next.Dims, next.Extents = n.File, o.addr, s.dims, n.Extents
	next.Kind, err = t.kind(n)
	t.tiles = append(t.tiles, next)
	return err
}

// kind is the place of notes among those that tiles have in common.
func (t *tiler) kind(n notes) (int, error) {
	n.File, n.Extents, n.Grows, n.Prints = "", nil, nil, false
	text, err := json.Marshal(n)
	if err != nil {
		return 0, fmt.Errorf("notes: %w", err)
	}
	for i := range t.kinds {
		if other, err := json.Marshal(t.kinds[i]); err == nil && bytes.Equal(text, other) {
			return i, nil
		}
	}
	t.kinds = append(t.kinds, n)
	return len(t.kinds) - 1, nil
}

// noting notes the files that were located.
type noting struct {
	adapter.Locator
	seen []sourceFile
}

// Locate implements [adapter.Locator].
func (n *noting) Locate(ctx context.Context, from, target string) (adapter.Place, error) {
	place, err := n.Locator.Locate(ctx, from, target)
	if err == nil && from != "" {
		n.seen = append(n.seen, sourceFile{From: from, Target: target, Name: place.Name})
	}
	return place, err
}

// tiled reads a block out of the tiles that meet it.
func (r *reader) tiled(ctx context.Context, dst []byte, sel ndslice.Selection) (adapter.Cost, error) {
	if at := copy(dst, r.notes.Fill); at > 0 {
		for ; at < len(dst); at *= 2 {
			copy(dst[at:], dst[:at])
		}
	}
	var cost adapter.Cost
	for _, t := range r.notes.Tiles {
		if !(adapter.Part{Start: t.Start, Stop: t.Stop}).Meets(sel) {
			continue
		}
		if t.Broken != "" {
			return cost, fmt.Errorf("%s: %w", t.Broken, errdef.ErrUnprocessable)
		}
		piece, part := t.meet(sel)
		one, err := r.fromTile(ctx, t, dst, sel, piece, part)
		cost = cost.Add(one)
		if err != nil {
			return cost, fmt.Errorf("%s: %w", t.File, err)
		}
	}
	return cost, nil
}

// meet is what a tile has of a selection without steps that it meets: where it
// goes, and what it is in the tile's own data set.
func (t tile) meet(sel ndslice.Selection) (piece ndslice.Piece, part ndslice.Selection) {
	part = make(ndslice.Selection, len(t.From))
	for i := range part {
		part[i] = ndslice.Axis{Start: t.From[i], Step: 1, Count: t.Size[i]}
	}
	size := make([]int64, len(sel))
	for i := range sel {
		size[i] = t.Stop[i] - t.Start[i]
	}
	axes, _ := long(size)
	others, _ := long(t.Size)
	for i, axis := range sel {
		low, high := max(axis.Start, t.Start[i]), min(axis.Start+axis.Count, t.Stop[i])
		piece.Target, piece.Shape = append(piece.Target, low-axis.Start), append(piece.Shape, high-low)
		for k, a := range axes {
			if a == i {
				part[others[k]].Start += low - t.Start[i]
				part[others[k]].Count = high - low
			}
		}
	}
	piece.Source = ndslice.All(piece.Shape)
	return piece, part
}

// fromTile reads a part of a tile's data set, and puts it where it belongs.
func (r *reader) fromTile(ctx context.Context, t tile, dst []byte, sel ndslice.Selection, piece ndslice.Piece, part ndslice.Selection) (adapter.Cost, error) {
	if t.Kind < 0 || t.Kind >= len(r.notes.Kinds) {
		return adapter.Cost{}, fmt.Errorf("the description's notes make no sense: %w", errdef.ErrUnprocessable)
	}
	of := *r
	of.notes = r.notes.Kinds[t.Kind]
	of.notes.File, of.notes.Addr, of.notes.Extents = t.File, t.Addr, t.Extents
	of.grid = ndslice.Grid{Shape: t.Dims, Block: t.Dims}
	whole := piece.Shape
	direct := int64(len(dst)) == part.Len()*r.dtype.ItemSize
	data := dst
	if !direct {
		data = make([]byte, part.Len()*r.dtype.ItemSize)
	}
	var cost adapter.Cost
	var err error
	_, _, run := ndslice.Piece{Source: part, Shape: t.Dims}.Run()
	switch {
	case of.notes.How == byNobody:
		return cost, unsupported("%s", of.notes.Lacks)
	case of.notes.How == byChunk:
		cost, err = of.chunks(ctx, data, part)
	case of.notes.How == byExtent && run:
		cost, err = of.extents(ctx, data, part)
	case of.notes.How == byExtent && len(t.Extents) > 0 && t.Extents[0].Name != t.File:
		cost, err = of.rowwise(ctx, data, part)
	default:
		cost, err = of.lib.do(ctx, func() error {
			s, err := of.set(ctx)
			if err != nil {
				return err
			}
			return s.read(data, part)
		})
	}
	if err != nil || direct {
		return cost, err
	}
	return cost, ndslice.Gather(dst, sel, piece, data, whole, int(r.dtype.ItemSize))
}

// rowwise reads a part that lies in many pieces out of raw files.
func (r *reader) rowwise(ctx context.Context, dst []byte, part ndslice.Selection) (adapter.Cost, error) {
	rows := part.Shape()
	for i := range len(rows) - 1 {
		rows[i] = 1
	}
	grid := ndslice.Grid{Shape: part.Shape(), Block: rows}
	var cost adapter.Cost
	at := 0
	for p := range ndslice.All(grid.Shape).Plan(grid) {
		one := make(ndslice.Selection, len(part))
		for i := range part {
			one[i] = ndslice.Axis{Start: part[i].Start + p.Block[i]*rows[i], Step: 1, Count: p.Shape[i]}
		}
		n := int(one.Len() * r.dtype.ItemSize)
		if _, err := r.extents(ctx, dst[at:at+n], one); err != nil {
			return cost, err
		}
		at += n
	}
	return cost, nil
}

// fillValue is what stands for elements that are nowhere; nil for zeros.
func (s *set) fillValue(plist C.hid_t) []byte {
	fill := make([]byte, s.elementBytes())
	if C.H5Pget_fill_value(plist, s.memory, unsafe.Pointer(&fill[0])) < 0 {
		_ = failure()
		return nil
	}
	return fill
}
