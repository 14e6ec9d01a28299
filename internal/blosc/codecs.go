package blosc

import (
	"bytes"
	"io"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// The codec numbers of the header's flags. lz4hc is lz4 to a reader.
const (
	codecBloscLZ = iota
	codecLZ4
	codecSnappy
	codecZlib
	codecZstd
	codecCount
)

// codecs holds the decompressors that are worth keeping.
type codecs struct {
	zlib io.ReadCloser
	zstd *zstd.Decoder
}

// decompress fills the whole of dst from src, which must hold exactly that.
func (c *codecs) decompress(codec byte, dst, src []byte) error {
	var n int
	var err error
	switch codec {
	case codecBloscLZ:
		n, err = bloscLZ(dst, src)
	case codecLZ4:
		n, err = lz4.UncompressBlock(src, dst)
	case codecSnappy:
		n, err = fromSnappy(dst, src)
	case codecZlib:
		n, err = c.fromZlib(dst, src)
	case codecZstd:
		n, err = c.fromZstd(dst, src)
	}
	if err != nil {
		return damaged("stream of %d bytes: %w", len(src), err)
	}
	if n != len(dst) {
		return damaged("stream decodes to %d bytes, expected %d", n, len(dst))
	}
	return nil
}

func fromSnappy(dst, src []byte) (int, error) {
	// Decode makes room by itself for more than dst holds: ask first.
	if n, err := snappy.DecodedLen(src); err != nil || n != len(dst) {
		return n, err
	}
	out, err := snappy.Decode(dst, src)
	return len(out), err
}

func (c *codecs) fromZlib(dst, src []byte) (int, error) {
	in := bytes.NewReader(src)
	if c.zlib == nil {
		r, err := zlib.NewReader(in)
		if err != nil {
			return 0, err
		}
		c.zlib = r
	} else if err := c.zlib.(zlib.Resetter).Reset(in, nil); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(c.zlib, dst)
	if err != nil {
		return n, err
	}
	// Reading on to the end is what checks the sum; one byte more is too much.
	if extra, err := c.zlib.Read(make([]byte, 1)); extra != 0 || err != io.EOF {
		return n + extra, err
	}
	return n, nil
}

func (c *codecs) fromZstd(dst, src []byte) (int, error) {
	if c.zstd == nil {
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return 0, err
		}
		c.zstd = r
	}
	out, err := c.zstd.DecodeAll(src, dst[:0])
	return len(out), err
}
