// Package jpeg decodes baseline and progressive JPEG to the very bytes that
// libjpeg, and so Pillow and Tiled, make of a file.
//
// The standard library's decoder is not used since what the standard (ITU-T
// T.81) leaves open is done differently there: the inverse transform rounds
// another way, and reduced colour is repeated where libjpeg interpolates; the
// results differ by up to 82 of 255. Here the transform is the accurate integer
// one of Loeffler, Ligtenberg and Moschytz with 13 fractional bits, colour is
// interpolated with a triangle filter, and its conversion has 16 fractional
// bits. Tests compare with Pillow, byte by byte.
//
// Damaged entropy-coded data are an error here, where libjpeg goes on with a
// warning and gives a picture that is partly grey. A progressive file whose
// refinements are missing is given as it is, where libjpeg smooths it.
// Arithmetic coding, lossless and hierarchical processes and samples of 12 bits
// are not supported.
package jpeg

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Config is what a file says before its data.
type Config struct {
	Width, Height int // at least 1
	// Components is 1 for grey, 3 for RGB or 4 for CMYK.
	Components int
}

// Image is a decoded picture.
type Image struct {
	Config
	// Pix are rows of pixels of Components bytes each, without padding. CMYK
	// is inverted, as Adobe stores it and Pillow shows it: 0 is no ink.
	Pix []byte
}

// MaxPixels is the largest number of pixels that is decoded: where Pillow
// takes a file for a decompression bomb.
const MaxPixels = 2 * 89478485

// DecodeConfig reads the size of the picture in the file r of size bytes. It
// reads no more than the segments before it. Errors are errors of r,
// [errdef.ErrUnprocessable] for what is damaged, and [errdef.ErrUnsupported]
// for kinds of JPEG, and sizes, that are not decoded here.
func DecodeConfig(r io.ReaderAt, size int64) (Config, error) {
	for prefix := int64(4 << 10); ; prefix *= 16 {
		data := make([]byte, min(prefix, size))
		if n, err := r.ReadAt(data, 0); n < len(data) {
			if err == nil || errors.Is(err, io.EOF) {
				err = damaged("is cut off at byte %d of %d", n, size)
			}
			return Config{}, err
		}
		d := decoder{data: data, fileSize: size}
		err := d.untilFrame()
		if errors.Is(err, errShort) && prefix < size {
			continue
		}
		return d.config, err
	}
}

// Decode decodes the picture in data, which is the whole file. Errors are those
// of [DecodeConfig]. The memory used is at most 5 bytes a sample, and samples
// are at most 512 for each byte of data; ctx is looked at once for each row of
// blocks.
func Decode(ctx context.Context, data []byte) (*Image, error) {
	d := decoder{data: data, fileSize: int64(len(data))}
	if err := d.untilFrame(); err != nil {
		return nil, err
	}
	d.allocate()
	if err := d.scans(ctx); err != nil {
		return nil, err
	}
	if d.progressive {
		for i := range d.components {
			d.components[i].transform()
		}
	}
	return &Image{Config: d.config, Pix: d.pixels()}, nil
}

// errShort says that the data end inside a segment.
var errShort = damaged("is cut off in its header")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnsupported)
}
