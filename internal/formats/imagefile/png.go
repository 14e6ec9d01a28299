package imagefile

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/imagefile/jpeg"
	"github.com/terrazzo-data/terrazzo/structure"
)

// PNG is the PNG format (ISO/IEC 15948), interlaced or not. Grey of 1 bit gives
// bool (the bytes 0 and 1, where Pillow has 0 and 255), of 2 and 4 bits uint8 scaled to 255, of 16 bits uint16; all else uint8:
// palette pictures their indices, and of 16-bit colours the upper halves, grey
// with alpha of 16 bits as RGBA, as Pillow has no types for them. Its zero
// value is ready.
type PNG struct{}

// Kind says which files are PNG files.
func (PNG) Kind() adapter.Kind {
	return adapter.Kind{Name: "png", MediaType: "image/png", Extensions: []string{".png"}, Reads: reads}
}

// Describe reads the header. What is wrong with the file is
// errdef.ErrUnprocessable; more pixels than Pillow reads are
// errdef.ErrUnsupported.
func (f PNG) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	return f.picture().describe(ctx, src, inside)
}

// Open returns a reader of the picture.
func (f PNG) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	return f.picture().open(src, d)
}

func (f PNG) picture() picture {
	return picture{kind: f.Kind(), header: pngLayout, decode: decodePNG}
}

func pngLayout(f adapter.File) (layout, error) {
	h, err := readPNGHeader(f)
	return h.layout(), err
}

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	// maxInflation is how many times larger than its file a picture may be:
	// deflate cannot do more than 1032.
	maxInflation = 1032
)

// Colour types of PNG, table 11.1.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

// pngHeader is the IHDR chunk.
type pngHeader struct {
	width, height int
	depth, colour int
	interlaced    bool
}

// readPNGHeader reads and checks IHDR, which is the first chunk, and that the
// file can hold what it claims.
func readPNGHeader(f adapter.File) (pngHeader, error) {
	start := make([]byte, 33) // the signature, and a chunk of 13 bytes
	if f.Size() < int64(len(start)) {
		return pngHeader{}, damaged("is cut off: it has %d bytes", f.Size())
	}
	if err := adapter.ReadFull(f, start, 0); err != nil {
		return pngHeader{}, err
	}
	if string(start[:16]) != pngSignature+"\x00\x00\x00\x0dIHDR" {
		return pngHeader{}, damaged("does not begin as a PNG file does")
	}
	if crc32.ChecksumIEEE(start[12:29]) != binary.BigEndian.Uint32(start[29:]) {
		return pngHeader{}, damaged("has a header whose checksum is wrong")
	}
	p := start[16:]
	width, height := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	h := pngHeader{depth: int(p[8]), colour: int(p[9]), interlaced: p[12] == 1}
	switch {
	case !h.known() || p[10] != 0 || p[11] != 0 || p[12] > 1:
		return pngHeader{}, damaged("has an unknown kind of pixels: depth %d, colour %d, methods % x", p[8], p[9], p[10:13])
	case width == 0 || height == 0 || width > 1<<31-1 || height > 1<<31-1:
		return pngHeader{}, damaged("is %d by %d pixels", width, height)
	case uint64(width)*uint64(height) > jpeg.MaxPixels:
		return pngHeader{}, fmt.Errorf("has %d by %d pixels; at most %d are read: %w", width, height, jpeg.MaxPixels, errdef.ErrUnsupported)
	}
	h.width, h.height = int(width), int(height)
	if int64(h.rowBytes(h.width)+1)*int64(height) > maxInflation*f.Size() {
		return pngHeader{}, damaged("claims %d by %d pixels in a file of %d bytes", width, height, f.Size())
	}
	return h, nil
}

// known says whether the standard has the combination of depth and colour.
func (h pngHeader) known() bool {
	switch h.colour {
	case pngGrey:
		return h.depth == 1 || h.depth == 2 || h.depth == 4 || h.depth == 8 || h.depth == 16
	case pngPalette:
		return h.depth == 1 || h.depth == 2 || h.depth == 4 || h.depth == 8
	case pngRGB, pngGreyAlpha, pngRGBA:
		return h.depth == 8 || h.depth == 16
	default:
		return false
	}
}

// samples is how many numbers a pixel has in the file.
func (h pngHeader) samples() int {
	return [7]int{pngGrey: 1, pngRGB: 3, pngPalette: 1, pngGreyAlpha: 2, pngRGBA: 4}[h.colour]
}

// rowBytes is the length of a row of n pixels in the file, without its filter.
func (h pngHeader) rowBytes(n int) int { return (n*h.samples()*h.depth + 7) / 8 }

// pixelBytes is the length of a pixel in the array.
func (h pngHeader) pixelBytes() int {
	switch {
	case h.colour == pngGrey && h.depth == 16:
		return 2
	case h.colour == pngGreyAlpha && h.depth == 16:
		return 4
	default:
		return h.samples()
	}
}

func (h pngHeader) layout() layout {
	l := bytesOf(h.height, h.width, 0)
	switch {
	case h.colour == pngGrey && h.depth == 1:
		l.dtype.Kind = 'b'
	case h.colour == pngGrey && h.depth == 16:
		l.dtype = structure.DType{Kind: 'u', ItemSize: 2, Endianness: structure.Little}
	case h.samples() > 1:
		l.channels = h.pixelBytes()
	}
	return l
}
