package coding

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// LZ4Limit is the longest body, in bytes, that is read or written as lz4: the
// format is one block, so the whole body is held before the first byte goes out.
// [Set.Negotiate] chooses it for bodies of an eighth of that at most, since what
// is held so is not taken from anybody's budget.
const LZ4Limit = 64 << 20

// lz4Coding is what Tiled calls lz4: one LZ4 block after its decoded length in
// four little-endian bytes.
type lz4Coding struct {
	compressors pool[*lz4.Compressor]
}

func newLZ4(text string) (Coding, error) { return &lz4Coding{}, noLevel(text) }

func (*lz4Coding) Name() string { return "lz4" }
func (*lz4Coding) Tag() string  { return "lz4" }

func (c *lz4Coding) NewWriter(w io.Writer, _ int) io.WriteCloser {
	return &lz4Writer{coding: c, w: w}
}

type lz4Writer struct {
	coding *lz4Coding
	w      io.Writer
	body   []byte
	closed bool
}

func (w *lz4Writer) Write(p []byte) (int, error) {
	if w.closed {
		return 0, errClosed
	}
	if len(p) > LZ4Limit-len(w.body) {
		return 0, fmt.Errorf("coding lz4: body is longer than %d bytes: %w", LZ4Limit, errdef.ErrTooLarge)
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *lz4Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	c, ok := w.coding.compressors.get()
	if !ok {
		c = new(lz4.Compressor)
	}
	out := make([]byte, 4+lz4.CompressBlockBound(len(w.body)))
	binary.LittleEndian.PutUint32(out, uint32(len(w.body)))
	n, err := c.CompressBlock(w.body, out[4:])
	if err != nil {
		return fmt.Errorf("coding lz4: %w", err)
	}
	w.coding.compressors.put(c)
	_, err = w.w.Write(out[:4+n])
	return err
}

func (c *lz4Coding) NewReader(r io.Reader, limit int64) io.ReadCloser {
	return newReader("lz4", r, limit, func(src io.Reader) (io.Reader, func(bool), error) {
		body, err := lz4Body(src, min(limit, LZ4Limit))
		return bytes.NewReader(body), func(bool) {}, err
	})
}

// lz4Body reads and decodes a whole body of at most limit bytes.
func lz4Body(src io.Reader, limit int64) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(src, prefix[:]); err != nil {
		return nil, fmt.Errorf("length: %w", io.ErrUnexpectedEOF)
	}
	size := binary.LittleEndian.Uint32(prefix[:])
	if int64(size) > limit {
		return nil, fmt.Errorf("body of %d bytes, expected at most %d: %w", size, limit, errdef.ErrTooLarge)
	}
	most := lz4.CompressBlockBound(int(size))
	packed, err := io.ReadAll(io.LimitReader(src, int64(most)+1))
	if err != nil {
		return nil, err
	}
	body := make([]byte, size)
	if n, err := lz4.UncompressBlock(packed, body); err != nil || n != len(body) || len(packed) > most {
		return nil, fmt.Errorf("block does not decode to %d bytes: %w", size, errdef.ErrUnprocessable)
	}
	return body, nil
}
