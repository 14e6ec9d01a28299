package imagefile

import (
	"context"
	"fmt"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/imagefile/jpeg"
)

// JPEG is the JPEG format: uint8, of two axes if grey, else with a third of 3
// (RGB) or 4 (CMYK, inverted, as Pillow gives it). Its zero value is ready.
type JPEG struct{}

// Kind says which files are JPEG files.
func (JPEG) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "jpeg", MediaType: "image/jpeg", Extensions: []string{".jpe", ".jpeg", ".jpg"}, Reads: reads,
	}
}

// Describe reads the header. What is wrong with the file is
// errdef.ErrUnprocessable; kinds of JPEG that package jpeg does not decode are
// errdef.ErrUnsupported.
func (f JPEG) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	return f.picture().describe(ctx, src, inside)
}

// Open returns a reader of the picture.
func (f JPEG) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	return f.picture().open(src, d)
}

func (f JPEG) picture() picture {
	return picture{kind: f.Kind(), header: jpegHeader, decode: decodeJPEG}
}

func jpegHeader(f adapter.File) (layout, error) {
	c, err := jpeg.DecodeConfig(f, f.Size())
	return jpegLayout(c), err
}

func jpegLayout(c jpeg.Config) layout {
	if c.Components == 1 {
		return bytesOf(c.Height, c.Width, 0)
	}
	return bytesOf(c.Height, c.Width, c.Components)
}

// maxOverhead is how much of a JPEG file may be something else than its picture:
// previews, colour profiles, notes of the camera.
const maxOverhead = 64 << 20

func decodeJPEG(ctx context.Context, f adapter.File) (layout, []byte, error) {
	c, err := jpeg.DecodeConfig(f, f.Size())
	if err != nil {
		return layout{}, nil, err
	}
	// At quality 100 noise takes less than two bytes a sample.
	if most := 2*int64(c.Width)*int64(c.Height)*int64(c.Components) + maxOverhead; f.Size() > most {
		return layout{}, nil, fmt.Errorf("has %d bytes for %d by %d pixels; at most %d are read: %w",
			f.Size(), c.Width, c.Height, most, errdef.ErrUnsupported)
	}
	data := make([]byte, f.Size())
	if err := adapter.ReadFull(f, data, 0); err != nil {
		return layout{}, nil, err
	}
	img, err := jpeg.Decode(ctx, data)
	if err != nil {
		return layout{}, nil, err
	}
	return jpegLayout(img.Config), img.Pix, nil
}
