package imagefile

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxIdle is how many chunks without data for the picture are passed over: they
// cost a read each.
const maxIdle = 10_000

// idat reads the picture's compressed data: the bodies of the IDAT chunks, which
// follow one another. Checksums of chunks are not looked at, since the data
// have one of their own.
type idat struct {
	f    adapter.File
	at   int64 // of the next byte
	left int64 // of the body it is in
	err  error // the first error that was not the decompressor's
}

// openIDAT goes to the first IDAT chunk.
func openIDAT(f adapter.File) (*idat, error) {
	at := int64(33)
	for range maxIdle {
		kind, size, err := pngChunk(f, at)
		if err != nil {
			return nil, err
		}
		switch kind {
		case "IDAT":
			return &idat{f: f, at: at + 8, left: size}, nil
		case "IEND":
			return nil, damaged("has no picture")
		}
		at += size + 12
	}
	return nil, damaged("has %d chunks before its picture", maxIdle)
}

// pngChunk reads the head of the chunk at that place of the file.
func pngChunk(f adapter.File, at int64) (kind string, size int64, err error) {
	var head [8]byte
	if err := adapter.ReadFull(f, head[:], at); err != nil {
		return "", 0, err
	}
	size = int64(binary.BigEndian.Uint32(head[:]))
	if size > f.Size()-at-12 {
		return "", 0, damaged("is cut off: chunk %q at %d has %d bytes, the file %d", head[4:], at, size, f.Size())
	}
	return string(head[4:]), size, nil
}

func (c *idat) Read(p []byte) (int, error) {
	for range maxIdle {
		if c.left > 0 {
			p = p[:min(int64(len(p)), c.left)]
			if c.err = adapter.ReadFull(c.f, p, c.at); c.err != nil {
				return 0, c.err
			}
			c.at += int64(len(p))
			c.left -= int64(len(p))
			return len(p), nil
		}
		kind, size, err := pngChunk(c.f, c.at+4)
		if err == nil && kind != "IDAT" {
			err = damaged("is cut off: its picture is not whole")
		}
		if c.err = err; err != nil {
			return 0, err
		}
		c.at, c.left = c.at+12, size
	}
	c.err = damaged("has %d empty chunks", maxIdle)
	return 0, c.err
}

// explain gives the decompressor's errors their meaning; all others have it.
func (c *idat) explain(err error) error {
	switch {
	case c.err != nil:
		return c.err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errdef.ErrUnprocessable):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("is cut off: its picture is not whole")
	default:
		return damaged("picture: %w", err)
	}
}
