package coding

import (
	"errors"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// gzipCoding is RFC 1952.
type gzipCoding struct {
	level   int
	writers pool[*gzip.Writer]
	readers pool[*gzip.Reader]
}

func newGzip(text string) (Coding, error) {
	n, err := level(text, gzip.BestSpeed, gzip.BestCompression)
	return &gzipCoding{level: n}, err
}

func (*gzipCoding) Name() string  { return "gzip" }
func (c *gzipCoding) Tag() string { return "gzip" + strconv.Itoa(c.level) }

func (c *gzipCoding) NewWriter(w io.Writer, _ int) io.WriteCloser {
	z, ok := c.writers.get()
	if ok {
		z.Reset(w)
	} else {
		z, _ = gzip.NewWriterLevel(w, c.level) // fails only on a level that newGzip refuses
	}
	return &pooledWriter[*gzip.Writer]{encoder: z, pool: &c.writers}
}

func (c *gzipCoding) NewReader(r io.Reader, limit int64) io.ReadCloser {
	return newReader("gzip", r, limit, func(src io.Reader) (io.Reader, func(bool), error) {
		z, ok := c.readers.get()
		var err error
		if ok {
			err = z.Reset(src)
		} else {
			z, err = gzip.NewReader(src)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // not even a header
		}
		return z, func(ok bool) {
			if ok {
				c.readers.put(z)
			}
		}, err
	})
}
