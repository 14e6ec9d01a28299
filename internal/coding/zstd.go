package coding

import (
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdEncodeWindow bounds what an encoder holds; more window finds nothing
	// more in arrays and costs cache misses.
	zstdEncodeWindow = 1 << 20
	// zstdDecodeWindow is the most that RFC 9659 lets a sender use.
	zstdDecodeWindow = 8 << 20
)

// zstdCoding is RFC 8878: exactly one frame for each body, an empty one too,
// since Tiled's client reads no further than the first.
type zstdCoding struct {
	level   int
	writers pool[*zstd.Encoder]
	readers pool[*zstd.Decoder]
}

func newZstd(text string) (Coding, error) {
	n, err := level(text, 1, 19)
	return &zstdCoding{level: n}, err
}

func (*zstdCoding) Name() string  { return "zstd" }
func (c *zstdCoding) Tag() string { return "zstd" + strconv.Itoa(c.level) }

func (c *zstdCoding) NewWriter(w io.Writer, _ int) io.WriteCloser {
	z, ok := c.writers.get()
	if ok {
		z.Reset(w)
	} else {
		// It fails only on options that are out of range. One thread: the
		// requests are what runs in parallel.
		z, _ = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(c.level)),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdEncodeWindow),
			zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	}
	return &pooledWriter[*zstd.Encoder]{encoder: z, pool: &c.writers}
}

func (c *zstdCoding) NewReader(r io.Reader, limit int64) io.ReadCloser {
	return newReader("zstd", r, limit, func(src io.Reader) (io.Reader, func(bool), error) {
		z, ok := c.readers.get()
		var err error
		if ok {
			err = z.Reset(src)
		} else {
			z, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1),
				zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdDecodeWindow))
		}
		return z, func(ok bool) {
			if ok && z.Reset(nil) == nil {
				c.readers.put(z)
			} else {
				z.Close()
			}
		}, err
	})
}
