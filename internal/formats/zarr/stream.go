package zarr

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// streamCodec is one of gzip, zlib and bz2, which are read as streams.
type streamCodec struct{ id string }

// inflater keeps the readers of deflate, of which each holds tens of KiB.
type inflater struct {
	gzip *gzip.Reader
	zlib io.ReadCloser
}

func (c streamCodec) decode(t *tools, dst, src []byte) ([]byte, error) {
	kept, ok := t.inflate.Get().(*inflater)
	if !ok {
		kept = &inflater{}
	}
	defer t.inflate.Put(kept)
	r, err := c.reader(kept, bytes.NewReader(src))
	if err != nil {
		return nil, unprocessable("%s: %w", c.id, err)
	}
	n, err := readAll(r, dst)
	if err != nil {
		return nil, unprocessable("%s: %w", c.id, err)
	}
	return dst[:n], nil
}

var errLong = errors.New("holds more bytes than the chunk")

// readAll reads to the end, where the checksum is compared; what does not fit
// into dst is an error.
func readAll(r io.Reader, dst []byte) (int, error) {
	n := 0
	for n < len(dst) {
		m, err := r.Read(dst[n:])
		n += m
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	for {
		var more [1]byte
		m, err := r.Read(more[:])
		switch {
		case m > 0:
			return n, errLong
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

func (c streamCodec) reader(kept *inflater, src *bytes.Reader) (io.Reader, error) {
	switch c.id {
	case "gzip":
		if kept.gzip == nil {
			kept.gzip = new(gzip.Reader)
		}
		return kept.gzip, kept.gzip.Reset(src)
	case "zlib":
		if resetter, ok := kept.zlib.(zlib.Resetter); ok {
			return kept.zlib, resetter.Reset(src, nil)
		}
		r, err := zlib.NewReader(src)
		if err == nil {
			kept.zlib = r
		}
		return r, err
	default:
		return bzip2.NewReader(src), nil
	}
}

func (streamCodec) encoded(int64) (int64, bool) { return 0, false }
