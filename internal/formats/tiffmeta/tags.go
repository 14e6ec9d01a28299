package tiffmeta

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// The tags that this package acts on.
const (
	tagWidth         = 256
	tagLength        = 257
	tagBits          = 258
	tagCompression   = 259
	tagPhotometric   = 262
	tagFillOrder     = 266
	tagDescription   = 270
	tagStripOffsets  = 273
	tagSamples       = 277
	tagRowsPerStrip  = 278
	tagStripCounts   = 279
	tagPlanar        = 284
	tagPredictor     = 317
	tagColorMap      = 320
	tagTileWidth     = 322
	tagTileLength    = 323
	tagTileOffsets   = 324
	tagTileCounts    = 325
	tagExtraSamples  = 338
	tagSampleFormat  = 339
	tagJPEGTables    = 347
	tagYCbCr         = 529
	tagSubSampling   = 530
	tagYCbCrPosition = 531
	tagBlackWhite    = 532
	tagImageDepth    = 32997
	tagExif          = 34665
	tagGPS           = 34853
)

// The types of values (TIFF 6.0, page 15, and BigTIFF).
const (
	kindByte      = 1
	kindASCII     = 2
	kindShort     = 3
	kindLong      = 4
	kindRational  = 5
	kindSByte     = 6
	kindUndefined = 7
	kindSShort    = 8
	kindSLong     = 9
	kindSRational = 10
	kindFloat     = 11
	kindDouble    = 12
	kindIFD       = 13
	kindLong8     = 16
	kindSLong8    = 17
	kindIFD8      = 18
)

// tag is one entry of a directory.
type tag struct {
	code, kind uint16
	count      uint64
	// value is there if it stood in the directory, else at says where it is.
	value []byte
	at    uint64
}

func (t *tag) itemSize() uint64 {
	switch t.kind {
	case kindShort, kindSShort:
		return 2
	case kindLong, kindSLong, kindFloat, kindIFD:
		return 4
	case kindRational, kindSRational, kindDouble, kindLong8, kindSLong8, kindIFD8:
		return 8
	default:
		return 1
	}
}

// bytes returns the value of a tag, at most limit bytes of it.
func (f *File) bytes(t *tag, limit int64) ([]byte, error) {
	if t.value != nil || t.count == 0 {
		return t.value, nil
	}
	if t.count > uint64(f.r.Size())/t.itemSize() || t.at > uint64(f.r.Size()) ||
		t.count*t.itemSize() > uint64(f.r.Size())-t.at {
		return nil, damaged("is cut off: tag %d has %d values at %d of %d bytes", t.code, t.count, t.at, f.r.Size())
	}
	size := int64(t.count * t.itemSize())
	if size > limit {
		return nil, damaged("tag %d has %d bytes, at most %d are read", t.code, size, limit)
	}
	value := make([]byte, size)
	if err := adapter.ReadFull(f.r, value, int64(t.at)); err != nil {
		return nil, err
	}
	return value, nil
}

// whole returns the whole numbers of a tag.
func (f *File) whole(t *tag) ([]uint64, error) {
	switch t.kind {
	case kindByte, kindShort, kindLong, kindIFD, kindLong8, kindIFD8:
	default:
		return nil, damaged("tag %d has values of type %d, expected whole numbers", t.code, t.kind)
	}
	b, err := f.bytes(t, maxValues)
	if err != nil {
		return nil, err
	}
	size := int(t.itemSize())
	out := make([]uint64, len(b)/size)
	for i := range out {
		out[i] = f.number(b[i*size:], int64(size))
	}
	return out, nil
}

const (
	// maxList bounds the numbers of one tag that go into metadata, and
	// maxText the bytes.
	maxList, maxText = 4096, 4 << 20
)

// Metadata are the tags of a page by their names, as tifffile has their values
// and Tiled sends them. Directories within (Exif, GPS) and values of more than
// 4 MiB or 4096 numbers are left out.
func (f *File) Metadata(p *Page) (map[string]any, error) {
	out := make(map[string]any, len(p.tags))
	for i := range p.tags {
		t := &p.tags[i]
		if t.code == tagExif || t.code == tagGPS || t.count > maxText ||
			t.count > maxList && t.kind != kindByte && t.kind != kindASCII && t.kind != kindUndefined {
			continue
		}
		value, ok, err := f.plain(t)
		if err != nil {
			return nil, err
		}
		if _, twice := out[nameOf(t.code)]; ok && !twice {
			out[nameOf(t.code)] = value
		}
	}
	return out, nil
}

// plain is the value of a tag for metadata; ok is false for types that nobody
// knows.
func (f *File) plain(t *tag) (value any, ok bool, err error) {
	b, err := f.bytes(t, maxValues)
	if err != nil {
		return nil, false, err
	}
	switch t.kind {
	case kindByte, kindUndefined:
		return "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(b), true, nil
	case kindASCII:
		return text(b), true, nil
	}
	list, ok := f.numbers(t, b)
	switch {
	case !ok:
		return nil, false, nil
	case t.code == tagColorMap && len(list)%3 == 0:
		n := len(list) / 3
		return []any{list[:n:n], list[n : 2*n : 2*n], list[2*n:]}, true, nil
	case len(list) == 1 && !alwaysList(t.code):
		return list[0], true, nil
	}
	return list, true, nil
}

func (f *File) numbers(t *tag, b []byte) ([]any, bool) {
	size := int(t.itemSize())
	list := make([]any, 0, len(b)/size)
	for ; len(b) >= size; b = b[size:] {
		switch t.kind {
		case kindShort, kindLong, kindIFD:
			list = append(list, int64(f.number(b, int64(size))))
		case kindLong8, kindIFD8:
			list = append(list, f.number(b, 8))
		case kindSByte:
			list = append(list, int64(int8(b[0])))
		case kindSShort:
			list = append(list, int64(int16(f.order.Uint16(b))))
		case kindSLong:
			list = append(list, int64(int32(f.order.Uint32(b))))
		case kindSLong8:
			list = append(list, int64(f.order.Uint64(b)))
		case kindRational:
			list = append(list, int64(f.order.Uint32(b)), int64(f.order.Uint32(b[4:])))
		case kindSRational:
			list = append(list, int64(int32(f.order.Uint32(b))), int64(int32(f.order.Uint32(b[4:]))))
		case kindFloat:
			list = append(list, float64(math.Float32frombits(f.order.Uint32(b))))
		case kindDouble:
			list = append(list, math.Float64frombits(f.order.Uint64(b)))
		default:
			return nil, false
		}
	}
	return list, true
}

// text is UTF-8, or else the code page that Windows takes for Western Europe.
func text(b []byte) string {
	s := strings.TrimRight(string(b), "\x00")
	if !utf8.ValidString(s) {
		s = western(s)
	}
	return strings.TrimSpace(s)
}

func western(s string) string {
	const upper = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"
	table := []rune(upper)
	var out strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 0x80 && c < 0xa0 {
			out.WriteRune(table[c-0x80])
		} else {
			out.WriteRune(rune(c))
		}
	}
	return out.String()
}

// alwaysList says that a tag's value is a list even if it has one number.
func alwaysList(code uint16) bool {
	switch code {
	case tagStripOffsets, tagStripCounts, 282, 283, tagTileOffsets, tagTileCounts, 330, tagExtraSamples, 513, 514,
		tagSubSampling, tagYCbCrPosition, 34736, 50838:
		return true
	}
	return false
}

// nameOf is the name of a tag; one that nobody knows is called by its number.
func nameOf(code uint16) string {
	if name, ok := names[code]; ok {
		return name
	}
	return strconv.Itoa(int(code))
}
