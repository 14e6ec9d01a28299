package tiffmeta

import (
	"fmt"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Compression and photometric interpretation, as far as somebody asks.
const (
	CompressionNone = 1
	CompressionJPEG = 7
	// PhotometricYCbCr is what JPEG pictures in colour are.
	PhotometricYCbCr = 6
)

// Layout is how the pixels of a page are stored. Pages of equal layout can be
// decoded, and joined, alike.
type Layout struct {
	Width, Length int64
	// Samples is how many numbers a pixel has, Separate that they lie in
	// planes of their own.
	Samples  int64
	Separate bool
	// Bits of each sample, and their format as in the tag SampleFormat.
	Bits, Format int64
	Compression  int64
	Photometric  int64
	Predictor    int64
	// Reversed is a fill order of 2.
	Reversed bool
	// Tile, or a strip as wide as the page, is what is decoded at once.
	Tiled                 bool
	TileWidth, TileLength int64
	// Subsampling is that of YCbCr, 1 and 1 where there is none.
	Subsampling [2]int64
	// Extra is how many samples are not colour.
	Extra int64
}

// Page is one directory: a picture.
type Page struct {
	// Offset is where the directory stands.
	Offset int64
	Layout Layout
	tags   []tag
}

// forget drops all tags but those that say where the pixels are.
func (p *Page) forget() {
	var kept []tag
	for _, t := range p.tags {
		switch t.code {
		case tagStripOffsets, tagStripCounts, tagTileOffsets, tagTileCounts:
			kept = append(kept, t)
		}
	}
	p.tags = kept
}

func (p *Page) tag(code uint16) *tag {
	i := slices.IndexFunc(p.tags, func(t tag) bool { return t.code == code })
	if i < 0 {
		return nil
	}
	return &p.tags[i]
}

// settle finds the layout of a page.
func (f *File) settle(p *Page) error {
	var err error
	get := func(code uint16, otherwise int64) int64 {
		t := p.tag(code)
		if t == nil || err != nil {
			return otherwise
		}
		values, fault := f.whole(t)
		switch {
		case fault != nil:
			err = fault
		case len(values) == 0 || values[0] > 1<<40:
			err = damaged("tag %d: has no value that can be used", code)
		default:
			return int64(values[0])
		}
		return otherwise
	}
	l := &p.Layout
	*l = Layout{
		Width: get(tagWidth, 0), Length: get(tagLength, 0), Samples: get(tagSamples, 1), Separate: get(tagPlanar, 1) == 2,
		Bits: get(tagBits, 1), Format: get(tagSampleFormat, 1), Compression: get(tagCompression, 1),
		Photometric: get(tagPhotometric, 0), Predictor: get(tagPredictor, 1), Reversed: get(tagFillOrder, 1) == 2,
		Tiled: p.tag(tagTileWidth) != nil, TileWidth: get(tagTileWidth, 0), TileLength: get(tagTileLength, 0),
		Subsampling: [2]int64{1, 1},
	}
	rows, depth := get(tagRowsPerStrip, 1<<32-1), get(tagImageDepth, 1)
	if err != nil {
		return err
	}
	if t := p.tag(tagExtraSamples); t != nil {
		l.Extra = int64(min(t.count, 1<<16))
	}
	if !l.Tiled {
		l.TileWidth, l.TileLength = l.Width, min(max(rows, 1), max(l.Length, 1))
	}
	l.Separate = l.Separate && l.Samples > 1
	if l.Photometric == PhotometricYCbCr {
		if err := f.subsampling(p); err != nil {
			return err
		}
	}
	return f.check(p, depth)
}

// subsampling reads how colours are thinned out: by two each way if nothing is
// said.
func (f *File) subsampling(p *Page) error {
	p.Layout.Subsampling = [2]int64{2, 2}
	if t := p.tag(tagSubSampling); t != nil {
		values, err := f.whole(t)
		if err != nil {
			return err
		}
		if len(values) != 2 || values[0] < 1 || values[0] > 4 || values[1] < 1 || values[1] > 4 {
			return damaged("a subsampling of %v", values)
		}
		p.Layout.Subsampling = [2]int64{int64(values[0]), int64(values[1])}
	}
	return nil
}

// maxSide bounds the width and length of a page and of its parts.
const maxSide = 1 << 31

func (f *File) check(p *Page, depth int64) error {
	l := &p.Layout
	if l.Width < 1 || l.Length < 1 || l.Width > maxSide || l.Length > maxSide ||
		l.Samples < 1 || l.Samples > 1<<16 || l.TileWidth < 1 || l.TileLength < 1 || l.TileWidth > maxSide || l.TileLength > maxSide {
		return damaged("a page of %d by %d pixels of %d samples, in parts of %d by %d", l.Width, l.Length, l.Samples, l.TileWidth, l.TileLength)
	}
	for _, code := range []uint16{tagBits, tagSampleFormat} {
		t := p.tag(code)
		if t == nil {
			continue
		}
		values, err := f.whole(t)
		if err != nil {
			return err
		}
		for _, v := range values[:min(int64(len(values)), l.Samples)] {
			if v != values[0] {
				return fmt.Errorf("samples of one pixel that differ in their type: %w", errdef.ErrUnsupported)
			}
		}
	}
	if depth > 1 {
		return fmt.Errorf("pages of %d slices (SGI's ImageDepth): %w", depth, errdef.ErrUnsupported)
	}
	return nil
}

// DType is the type of the samples as they are served: little-endian, those of
// odd sizes in the next larger type, single bits as bool.
// errdef.ErrUnsupported for those that numpy has no type for.
func (l *Layout) DType() (structure.DType, error) {
	var kind byte
	size := l.Bits / 8
	switch {
	case (l.Format == 1 || l.Format == 4) && l.Bits == 1:
		kind, size = 'b', 1
	case (l.Format == 1 || l.Format == 4) && (l.Bits >= 1 && l.Bits <= 32 && l.Bits != 24 || l.Bits == 64):
		kind = 'u'
		for size = 1; size*8 < l.Bits; {
			size *= 2
		}
	case l.Format == 2 && (l.Bits == 8 || l.Bits == 16 || l.Bits == 32 || l.Bits == 64):
		kind = 'i'
	case l.Format == 3 && (l.Bits == 16 || l.Bits == 32 || l.Bits == 64):
		kind = 'f'
	case l.Format == 6 && (l.Bits == 64 || l.Bits == 128):
		kind = 'c'
	default:
		return structure.DType{}, fmt.Errorf("samples of %d bits in the format %d: %w", l.Bits, l.Format, errdef.ErrUnsupported)
	}
	t := structure.DType{Kind: kind, ItemSize: size, Endianness: structure.Little}
	if size == 1 {
		t.Endianness = structure.NotApplicable
	}
	return t, nil
}

// Shape and Axes are those of a page's array: S for samples, if there are
// several, before or behind Y and X.
func (l *Layout) Shape() ([]int64, string) {
	switch {
	case l.Samples == 1:
		return []int64{l.Length, l.Width}, "YX"
	case l.Separate:
		return []int64{l.Samples, l.Length, l.Width}, "SYX"
	default:
		return []int64{l.Length, l.Width, l.Samples}, "YXS"
	}
}

// Parts is how many tiles, or strips, a page has across, down and in planes.
func (l *Layout) Parts() (across, down, planes int64) {
	across, down, planes = (l.Width-1)/l.TileWidth+1, (l.Length-1)/l.TileLength+1, 1
	if l.Separate {
		planes = l.Samples
	}
	return across, down, planes
}

// Raw says whether the stored bytes are those of the samples, but for their
// byte order.
func (l *Layout) Raw() bool {
	return l.Compression == CompressionNone && l.Predictor == 1 && !l.Reversed && l.Bits%8 == 0 && l.Bits != 24 &&
		l.Subsampling == [2]int64{1, 1}
}

// PartSamples is how many samples a pixel has in one part.
func (l *Layout) PartSamples() int64 {
	if l.Separate {
		return 1
	}
	return l.Samples
}

// RowBytes is the length of a decoded row of a part.
func (l *Layout) RowBytes() int64 { return (l.TileWidth*l.PartSamples()*l.Bits + 7) / 8 }

// Place is where an encoded tile or strip lies; both are zero for one that was
// never written.
type Place struct{ Offset, Length int64 }

// Places are where the parts of a page lie: row by row, plane by plane. Each
// lies within the file. A length that is not said is that of the raw bytes.
func (f *File) Places(p *Page) ([]Place, error) {
	across, down, planes := p.Layout.Parts()
	if across > 1<<24/down || across*down > 1<<24/planes {
		return nil, damaged("a page of %d by %d parts in %d planes", across, down, planes)
	}
	n := across * down * planes
	offsets, lengths := p.tag(tagTileOffsets), p.tag(tagTileCounts)
	if offsets == nil {
		offsets, lengths = p.tag(tagStripOffsets), p.tag(tagStripCounts)
	}
	if offsets == nil || offsets.count < uint64(n) {
		return nil, damaged("a page of %d strips or tiles does not say where they are", n)
	}
	at, err := f.whole(offsets)
	if err != nil {
		return nil, err
	}
	var sizes []uint64
	if lengths != nil {
		if sizes, err = f.whole(lengths); err != nil {
			return nil, err
		}
	}
	out := make([]Place, n)
	size := uint64(f.r.Size())
	for i := range out {
		length := uint64(p.Layout.partBytes(int64(i) / across % down))
		if i < len(sizes) && (sizes[i] > 0 || at[i] == 0) {
			length = sizes[i]
		}
		if at[i] == 0 && i < len(sizes) && sizes[i] == 0 {
			continue
		}
		if at[i] > size || length > size-at[i] {
			return nil, damaged("is cut off: %d bytes at %d of %d", length, at[i], size)
		}
		out[i] = Place{Offset: int64(at[i]), Length: int64(length)}
	}
	return out, nil
}

// PartRows is how many rows the parts of a row of parts have: tiles are whole
// always, the last strip is shorter.
func (l *Layout) PartRows(down int64) int64 {
	if l.Tiled {
		return l.TileLength
	}
	return min(l.TileLength, l.Length-down*l.TileLength)
}

func (l *Layout) partBytes(down int64) int64 { return l.PartRows(down) * l.RowBytes() }

// Contiguous returns where the raw bytes of a page lie if they are one run in
// the order of its array.
func (f *File) Contiguous(p *Page) (int64, bool) {
	l := &p.Layout
	if !l.Raw() || l.Tiled && (l.TileWidth != l.Width || l.Length%l.TileLength != 0) {
		return 0, false
	}
	places, err := f.Places(p)
	if err != nil || len(places) == 0 || places[0].Offset == 0 {
		return 0, false
	}
	_, down, _ := l.Parts()
	end := places[0].Offset
	for i, place := range places {
		size := l.partBytes(int64(i) % down)
		if place.Offset != end || place.Length < size {
			return 0, false
		}
		end += size
	}
	return places[0].Offset, true
}

// Like says whether pages can be parts of one array: of one shape and type.
func (l *Layout) Like(other *Layout) bool {
	a, _ := l.Shape()
	b, _ := other.Shape()
	return slices.Equal(a, b) && l.Bits == other.Bits && l.Format == other.Format && l.Separate == other.Separate
}

// Extra returns the value of a tag that decoding needs beside the layout, and
// its type: nil if the page has none.
func (f *File) Extra(p *Page, code uint16) (kind uint16, value []byte, err error) {
	t := p.tag(code)
	if t == nil {
		return 0, nil, nil
	}
	value, err = f.bytes(t, 1<<20)
	return t.kind, value, err
}

// DecodingTags are those that [File.Extra] is good for.
func DecodingTags() []uint16 { return []uint16{tagJPEGTables, tagYCbCr, tagBlackWhite} }

// description is the text of a page, the first or second of its name.
func (f *File) description(p *Page, nth int) string {
	for i := range p.tags {
		t := &p.tags[i]
		if t.code != tagDescription || t.kind != kindASCII && t.kind != kindByte {
			continue
		}
		if nth--; nth >= 0 {
			continue
		}
		b, err := f.bytes(t, maxValues)
		if err != nil {
			return ""
		}
		return text(b)
	}
	return ""
}
