//go:build native

package tifffile

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/tiffmeta"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the TIFF format. Its zero value is ready.
type Format struct{}

// Kind says which files are TIFF files.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "tiff", MediaType: "image/tiff", Extensions: []string{".tif", ".tiff", ".btf"}, Reads: "libtiff " + version(),
	}
}

const (
	// maxBlock bounds what is decoded at once.
	maxBlock = 1 << 30
	// wholePage is up to which size a page is one block; larger ones are cut
	// into rows of about aimBytes.
	wholePage, aimBytes = 4 << 20, 2 << 20
)

// notes is what reading needs of a description.
type notes struct {
	// Raw says that Places are where the pixels of each page lie in the file
	// as one run; else they are where its directory stands. -1 is a page that
	// is missing.
	Raw bool `json:"raw,omitempty"`
	// Places are differences, each to the one before, as varints.
	Places []byte `json:"places"`
	// Lead is how many axes count pages.
	Lead int `json:"lead"`
	// Big is the byte order of what lies in the file.
	Big    bool            `json:"big,omitempty"`
	Layout tiffmeta.Layout `json:"layout"`
}

// Describe reads all directories and finds the array that they make. As in
// Tiled it is advertised as one chunk, and the tags of the first page are its
// metadata; unlike in Tiled its axes have names where the file names them.
// Files that are damaged are errdef.ErrUnprocessable; types that numpy has not,
// and pages that have to be decoded in pieces of more than 1 GiB,
// errdef.ErrUnsupported.
func (Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	if len(inside) > 0 {
		return nil, fmt.Errorf("tiff %s: has no member %.40q: %w", name, inside[0], errdef.ErrNotFound)
	}
	file, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	d, err := describe(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("tiff %s: %w", name, err)
	}
	return d, nil
}

func describe(ctx context.Context, file adapter.File) (*adapter.Description, error) {
	f, err := tiffmeta.Open(ctx, file)
	if err != nil {
		return nil, err
	}
	s, err := f.Series()
	if err != nil {
		return nil, err
	}
	l := s.Layout()
	dtype, err := l.DType()
	if err != nil {
		return nil, err
	}
	n := notes{Layout: *l, Big: f.Order() == binary.BigEndian}
	block, lead, err := blocks(s, l, dtype.ItemSize)
	if err != nil {
		return nil, err
	}
	n.Lead = lead
	n.Raw, n.Places = places(f, s, lead, dtype.ItemSize)
	metadata, err := f.Metadata(f.Pages[0])
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	array := &structure.Array{DataType: dtype, Shape: s.Shape, Chunks: structure.RegularChunks(s.Shape, s.Shape)}
	if s.Kind != "pages" && len(s.Axes) == len(s.Shape) {
		for i := range s.Axes {
			array.Dims = append(array.Dims, s.Axes[i:i+1])
		}
		if repeats(array.Dims) {
			array.Dims = nil
		}
	}
	return &adapter.Description{
		Family: structure.FamilyArray, Array: array, Grid: ndslice.Grid{Shape: s.Shape, Block: block},
		Metadata: metadata, MediaType: Format{}.Kind().MediaType, Notes: text,
	}, nil
}

func repeats(names []string) bool {
	once := slices.Clone(names)
	slices.Sort(once)
	return len(slices.Compact(once)) != len(names)
}

// blocks cuts the array into pages, and large pages into rows. lead is how many
// axes count pages.
func blocks(s *tiffmeta.Series, l *tiffmeta.Layout, item int64) (block []int64, lead int, err error) {
	page, _ := l.Shape()
	size := item
	for _, n := range page {
		if size > (1<<62)/n {
			return nil, 0, fmt.Errorf("a page of shape %v: %w", page, errdef.ErrUnsupported)
		}
		size *= n
	}
	block = make([]int64, len(s.Shape))
	lead = len(s.Shape)
	for left := size / item; left > 1 && lead > 0; {
		lead--
		if block[lead] = s.Shape[lead]; left%block[lead] != 0 {
			return nil, 0, fmt.Errorf("pages of %v do not end where axes of %v do: %w", page, s.Shape, errdef.ErrUnsupported)
		}
		left /= block[lead]
	}
	for i := range lead {
		block[i] = 1
	}
	if size > wholePage && slices.Equal(s.Shape[lead:], page) {
		cut(block[lead:], l, item)
	}
	size = item
	for _, n := range block {
		size *= n
	}
	if size > maxBlock || l.RowBytes() > maxBlock/l.TileLength {
		return nil, 0, fmt.Errorf("pages of %v in pieces of %d by %d pixels: more than %d bytes are not decoded at once: %w",
			page, l.TileWidth, l.TileLength, maxBlock, errdef.ErrUnsupported)
	}
	return block, lead, nil
}

// cut shortens a block of a page: to one plane, and to rows of parts.
func cut(block []int64, l *tiffmeta.Layout, item int64) {
	y := 0
	if l.Separate {
		block[0], y = 1, 1
	}
	row := item
	for i, n := range block {
		if i != y {
			row *= n
		}
	}
	rows := max(aimBytes/row, 1)
	if !l.Raw() || l.Tiled {
		rows = max(rows/l.TileLength, 1) * l.TileLength
	}
	block[y] = min(rows, l.Length)
}

// places are where the pages are, encoded for the notes.
func places(f *tiffmeta.File, s *tiffmeta.Series, lead int, item int64) (raw bool, encoded []byte) {
	if s.Run {
		at, _ := f.Contiguous(s.Pages[0])
		shape, _ := s.Layout().Shape()
		for _, n := range shape {
			item *= n
		}
		list, count := []int64{}, int64(1)
		for _, n := range s.Shape[:lead] {
			count *= n
		}
		for i := range count {
			list = append(list, at+i*item)
		}
		return true, pack(list)
	}
	offsets, directories := make([]int64, len(s.Pages)), make([]int64, len(s.Pages))
	raw = true
	for i, p := range s.Pages {
		if p == nil {
			offsets[i], directories[i] = -1, -1
			continue
		}
		directories[i] = p.Offset
		if raw {
			offsets[i], raw = f.Contiguous(p)
		}
	}
	if raw {
		return true, pack(offsets)
	}
	return false, pack(directories)
}

func pack(list []int64) []byte {
	var out []byte
	last := int64(0)
	for _, n := range list {
		out = binary.AppendVarint(out, n-last)
		last = n
	}
	return out
}

func unpack(packed []byte) ([]int64, bool) {
	var list []int64
	last := int64(0)
	for len(packed) > 0 {
		n, size := binary.Varint(packed)
		if size <= 0 {
			return nil, false
		}
		packed = packed[size:]
		last += n
		list = append(list, last)
	}
	return list, true
}

// Open returns a reader of the array. Notes that do not parse are
// errdef.ErrUnprocessable.
func (Format) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	live, err := d.Live(func() (any, error) { return openNotes(d) })
	if err != nil {
		return nil, fmt.Errorf("tiff %s: %w", src.Names()[0], err)
	}
	ready, ok := live.(*array)
	if !ok {
		return nil, fmt.Errorf("tiff %s: the description is another format's: %w", src.Names()[0], errdef.ErrUnprocessable)
	}
	return &reader{array: ready, src: src, name: src.Names()[0]}, nil
}

// array is what a description says, ready to be read by.
type array struct {
	notes  notes
	places []int64
	grid   ndslice.Grid
	item   int64
	// page is the shape of a page.
	page []int64
}

func openNotes(d *adapter.Description) (*array, error) {
	a := &array{grid: d.Grid}
	err := json.Unmarshal(d.Notes, &a.notes)
	ok := err == nil && d.Array != nil && a.notes.Lead >= 0 && a.notes.Lead <= len(d.Grid.Shape) && a.notes.Layout.TileWidth > 0 &&
		a.notes.Layout.TileLength > 0
	if ok {
		a.places, ok = unpack(a.notes.Places)
	}
	count := int64(1)
	if ok {
		for _, n := range d.Grid.Shape[:a.notes.Lead] {
			count *= n
		}
		a.item = d.Array.DataType.ItemSize
		a.page, _ = a.notes.Layout.Shape()
	}
	if !ok || int64(len(a.places)) != count {
		return nil, fmt.Errorf("the description's notes do not parse: %w", errdef.ErrUnprocessable)
	}
	return a, nil
}
