//go:build native

package hdf5file

// #include <stdlib.h>
// #include "driver.h"
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// notes are what reading needs of a data set.
type notes struct {
	// File is the name of the file it lies in, Addr where in it.
	File string `json:"file"`
	Addr uint64 `json:"addr"`
	How  how    `json:"how"`
	// Rank is that of the data set: that of the array but for an array type,
	// for a single value, and for a null data space.
	Rank int `json:"rank"`
	// Chunk is the extents of a chunk along the first Rank axes.
	Chunk   []int64  `json:"chunk,omitempty"`
	Filters []filter `json:"filters,omitempty"`
	// Extents are where the bytes lie.
	Extents []adapter.Extent `json:"extents,omitempty"`
	// Sources are the files behind a virtual data set.
	Sources []sourceFile `json:"sources,omitempty"`
	// Tiles are what a virtual data set is made of, Kinds what many of them
	// have in common, Fill what stands for an element between them.
	Tiles []tile  `json:"tiles,omitempty"`
	Kinds []notes `json:"kinds,omitempty"`
	Fill  []byte  `json:"fill,omitempty"`
	// Text is the kind of what is served as texts; Wide says that they are
	// numpy's unicode strings and not bytes.
	Text string `json:"text,omitempty"`
	Wide bool   `json:"wide,omitempty"`
	// Native says that numbers are turned into little-endian ones, Joined that
	// the last axis is the length of texts.
	Native bool `json:"native,omitempty"`
	Joined bool `json:"joined,omitempty"`
	// Prints says that blocks have fingerprints, Grows which axis may grow.
	Prints bool `json:"prints,omitempty"`
	// Live says that the file is being written.
	Live  bool  `json:"live,omitempty"`
	Grows []int `json:"grows,omitempty"`
	// Padded are the extents of the array where the data set has not grown as
	// far: fill values stand behind its own.
	Padded []int64 `json:"padded,omitempty"`
	// Lacks says what is missing to read it.
	Lacks string `json:"lacks,omitempty"`
}

// how is the way in which a data set is read.
type how string

const (
	byLibrary how = "library" // by the library's own reading
	byChunk   how = "chunk"   // chunks as they are stored, decoded by us
	byExtent  how = "extent"  // bytes as they lie in files
	byText    how = "text"    // values of variable length, as fixed texts
	byNobody  how = "nobody"  // something is missing
)

// sourceFile is a file behind a virtual data set, as the file From calls it.
type sourceFile struct {
	From   string `json:"from"`
	Target string `json:"target"`
	Name   string `json:"name"`
	// Start and Stop bound what comes from it; nil for all.
	Start []int64 `json:"start,omitempty"`
	Stop  []int64 `json:"stop,omitempty"`
}

// dataset describes a data set. How it is to be seen stands in n already.
func (l *library) dataset(ctx context.Context, src adapter.Locator, o object, n notes) (*adapter.Description, error) {
	name := o.file.place.Name
	n.File, n.Addr, n.How = name, o.addr, byLibrary
	plist := C.H5Dget_create_plist(o.id)
	if plist < 0 {
		return nil, broken(name + ": data set")
	}
	defer C.H5Pclose(plist)
	if C.H5Pget_layout(plist) == C.H5D_VIRTUAL {
		if err := l.virtual(ctx, src, o, plist, &n); err != nil {
			return nil, err
		}
	}
	metadata, err := o.attributes()
	if err != nil {
		return nil, err
	}
	s, err := openSet(o, n.Native)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := o.file.undecided(ctx, src); err != nil {
		return nil, err
	}
	if n.How == byTiles {
		n.Fill = s.fillValue(plist)
	}
	n.Rank, n.Live = len(s.dims), o.file.swmr
	d := &adapter.Description{Family: structure.FamilyArray, Metadata: metadata, MediaType: mediaType, AppendOnly: o.file.swmr, InPlace: o.file.swmr}
	if err := s.look(ctx, src, &n, plist); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	shape := append(append([]int64{}, s.dims...), s.element.dims...)
	if n.Padded != nil && n.Text == "" && len(n.Padded) == len(shape) {
		shape = n.Padded
		if n.How != byNobody {
			n.How, n.Extents = byLibrary, nil
		}
	}
	chunk := shape
	if n.Chunk != nil {
		chunk = append(append([]int64{}, n.Chunk...), s.element.dims...)
	}
	switch {
	case s.null:
		shape, chunk = []int64{0}, []int64{1}
	case n.Joined:
		s.element.dtype.ItemSize = shape[len(shape)-1]
		shape, chunk = shape[:len(shape)-1], chunk[:len(chunk)-1]
		if n.How == byChunk {
			n.How = byLibrary
		}
	case len(shape) == 0 && !n.Native:
		shape, chunk = []int64{1}, []int64{1} // as Tiled serves single values
	}
	if err := plausible(shape, s.element.dtype.ItemSize); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.Array = &structure.Array{DataType: s.element.dtype, Shape: shape, Chunks: structure.RegularChunks(shape, chunk)}
	d.Grid = ndslice.Grid{Shape: shape, Block: blockShape(shape, chunk, s.element.dtype.ItemSize, n)}
	for i := range n.Sources {
		if axes := len(shape) - len(n.Sources[i].Start); n.Sources[i].Start != nil && axes > 0 {
			n.Sources[i].Start = append(n.Sources[i].Start, make([]int64, axes)...)
			n.Sources[i].Stop = append(n.Sources[i].Stop, shape[len(shape)-axes:]...)
		}
	}
	d.Notes, err = json.Marshal(n)
	if err == nil && len(d.Notes) > maxNotes {
		err = fmt.Errorf("%s: a virtual data set of %d files: %w", name, len(n.Sources), errdef.ErrTooLarge)
	}
	return d, err
}

const (
	maxNotes = 32 << 20
	// maxChunks bounds the chunks along one axis that are advertised.
	maxChunks = 10_000_000
)

// plausible refuses shapes whose size does not fit a number.
func plausible(shape []int64, item int64) error {
	size := max(item, 1)
	for _, n := range shape {
		if n < 0 || n > 0 && size > math.MaxInt64/n {
			return fmt.Errorf("the shape %v is larger than any file: %w", shape, errdef.ErrUnprocessable)
		}
		size *= max(n, 1)
	}
	return nil
}

// set is an open data set.
type set struct {
	file    *file
	id      C.hid_t
	space   C.hid_t
	memory  C.hid_t // the type that elements are read as
	own     C.hid_t // the type in the file
	element element
	dims    []int64
	grows   []int // the first axis that may grow: it is the one that does
	null    bool
	used    uint64
}

// openSet takes over what o has open, and opens what belongs to it. With native,
// numbers are read as little-endian ones.
func openSet(o object, native bool) (*set, error) {
	s := &set{file: o.file, id: o.id, memory: -1, own: -1}
	C.H5Iinc_ref(o.id)
	s.space = C.H5Dget_space(o.id)
	s.own = C.H5Dget_type(o.id)
	if s.space < 0 || s.own < 0 {
		err := broken(o.file.place.Name + ": data set")
		s.close()
		return nil, err
	}
	var dims, limits [32]C.hsize_t
	s.null = C.H5Sget_simple_extent_type(s.space) == C.H5S_NULL
	rank := C.H5Sget_simple_extent_dims(s.space, &dims[0], &limits[0])
	for i := range max(rank, 0) {
		if dims[i] > math.MaxInt64 {
			s.close()
			return nil, fmt.Errorf("%s: an axis of %d elements: %w", o.file.place.Name, uint64(dims[i]), errdef.ErrUnprocessable)
		}
		s.dims = append(s.dims, int64(dims[i]))
		if limits[i] > dims[i] && s.grows == nil { // H5S_UNLIMITED is the largest number
			s.grows = []int{int(i)}
		}
	}
	var err error
	s.element, err = elementOf(s.own)
	if d := &s.element.dtype; native && d.Endianness == structure.Big && strings.IndexByte("iuf", d.Kind) >= 0 && (d.Kind != 'f' || d.ItemSize > 2) {
		d.Endianness, s.element.exact = structure.Little, false
	}
	if err == nil && s.element.text == "" {
		s.memory, err = s.element.memoryType(s.own)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", o.file.place.Name, err)
	}
	return s, nil
}

func (s *set) close() {
	if s.memory >= 0 {
		C.H5Tclose(s.memory)
	}
	if s.own >= 0 {
		C.H5Tclose(s.own)
	}
	if s.space >= 0 {
		C.H5Sclose(s.space)
	}
	C.H5Oclose(s.id)
}

// look finds out how the data set is best read.
func (s *set) look(ctx context.Context, src adapter.Locator, n *notes, plist C.hid_t) error {
	layout := C.H5Pget_layout(plist)
	if layout == C.H5D_CHUNKED {
		var dims [32]C.hsize_t
		if C.H5Pget_chunk(plist, 32, &dims[0]) != C.int(n.Rank) {
			return broken("chunks")
		}
		for i := range n.Rank {
			if dims[i] < 1 || dims[i] > math.MaxUint32 {
				return fmt.Errorf("chunks of %d elements along axis %d: %w", uint64(dims[i]), i, errdef.ErrUnprocessable)
			}
			if s.dims[i]/int64(dims[i]) > maxChunks {
				return unsupported("more than %d chunks along axis %d", maxChunks, i)
			}
			n.Chunk = append(n.Chunk, int64(dims[i]))
		}
	}
	if err := n.filters(plist); err != nil {
		return err
	}
	n.Grows = s.grows
	n.Prints = layout == C.H5D_CHUNKED && n.How == byLibrary && s.element.text == "" && !s.null && !n.Joined && n.Padded == nil && s.chunkBytes(n) >= minChunk
	switch {
	case s.element.text != "":
		n.Text = s.element.text
		if n.How == byNobody {
			return unsupported("%s", n.Lacks)
		}
		n.How = byText
		return s.measure(n)
	case n.How == byNobody || s.null:
		return nil
	case layout == C.H5D_CHUNKED && s.element.exact && readable(n.Filters) && s.chunkBytes(n) >= minChunk:
		n.How = byChunk
	case layout == C.H5D_CONTIGUOUS && C.H5Pget_external_count(plist) > 0:
		return s.external(ctx, src, n, plist)
	case layout == C.H5D_CONTIGUOUS && s.element.exact:
		s.contiguous(n)
	}
	return nil
}

// minChunk is the size from which on chunks are read as they are stored. Many
// that are smaller are read faster by the library, in one call.
const minChunk = 8 << 10

func (s *set) elementBytes() int64 {
	size := s.element.dtype.ItemSize
	for _, n := range s.element.dims {
		size *= n
	}
	return size
}

func (s *set) chunkBytes(n *notes) int64 {
	size := s.elementBytes()
	for _, e := range n.Chunk {
		size *= e
		if size > maxItem {
			return math.MaxInt32
		}
	}
	return size
}

// contiguous notes where the bytes lie, if they were ever written.
func (s *set) contiguous(n *notes) {
	offset := C.H5Dget_offset(s.id)
	if offset == C.haddr_t(math.MaxUint64) || offset > math.MaxInt64 {
		_ = failure()
		return
	}
	size := s.elementBytes()
	for _, e := range s.dims {
		size *= e
	}
	if size > 0 && int64(C.H5Dget_storage_size(s.id)) >= size {
		n.How = byExtent
		n.Extents = []adapter.Extent{{Name: n.File, Offset: int64(offset), Length: size}}
	}
}

// external notes the files that raw data are kept in, which the library would
// open by itself.
func (s *set) external(ctx context.Context, src adapter.Locator, n *notes, plist C.hid_t) error {
	if !s.element.exact {
		return unsupported("external storage of numbers of odd width")
	}
	n.How = byExtent
	left := s.elementBytes()
	for _, e := range s.dims {
		left *= e
	}
	for i := range C.uint(max(C.H5Pget_external_count(plist), 0)) {
		var name [4096]C.char
		var offset C.off_t
		var size C.hsize_t
		if C.H5Pget_external(plist, i, 4095, &name[0], &offset, &size) < 0 {
			return broken("external storage")
		}
		place, err := src.Locate(ctx, n.File, C.GoString(&name[0]))
		if err != nil {
			return err
		}
		if place.Stamp.Absent {
			return fmt.Errorf("its data are in the file %s, which is not there: %w", C.GoString(&name[0]), errdef.ErrGone)
		}
		length := left
		if size != C.H5F_UNLIMITED && size < C.hsize_t(left) {
			length = int64(size)
		}
		if length > 0 {
			n.Extents = append(n.Extents, adapter.Extent{Name: place.Name, Offset: int64(offset), Length: length})
		}
		left -= length
	}
	if left > 0 {
		return fmt.Errorf("external storage lacks %d bytes: %w", left, errdef.ErrUnprocessable)
	}
	return nil
}
