package coding

import (
	"fmt"
	"io"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/blosc"
)

// bloscChunk is how much of a body goes into one chunk: what a writer holds.
const bloscChunk = 1 << 20

// blosc2Coding is what Tiled calls blosc2: chunks, one after another. We write
// the chunks of Blosc1, which Tiled's client reads as well, and read only those.
type blosc2Coding struct {
	tag     string
	encoder blosc.Encoder
	decoder blosc.Decoder
	buffers pool[*bloscWriter]
}

func newBlosc2(text string) (Coding, error) {
	c := &blosc2Coding{tag: "blosc2-lz4"}
	switch text {
	case "", "lz4":
		c.encoder.Codec = blosc.LZ4
	case "zstd":
		c.encoder.Codec, c.tag = blosc.Zstd, "blosc2-zstd"
	default:
		return nil, fmt.Errorf("codec %q: expected lz4 or zstd", text)
	}
	return c, nil
}

func (*blosc2Coding) Name() string  { return "blosc2" }
func (c *blosc2Coding) Tag() string { return c.tag }

func (c *blosc2Coding) NewReader(r io.Reader, limit int64) io.ReadCloser {
	return newReader("blosc2", r, limit, func(src io.Reader) (io.Reader, func(bool), error) {
		return &bloscReader{decoder: &c.decoder, src: src, left: limit}, func(bool) {}, nil
	})
}

// bloscReader decodes chunk by chunk.
type bloscReader struct {
	decoder      *blosc.Decoder
	src          io.Reader
	left         int64 // bytes that may still come out
	chunk, plain []byte
	ready        []byte // what of plain was not read yet
}

func (r *bloscReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// next decodes a chunk; io.EOF only where one could begin.
func (r *bloscReader) next() error {
	var head [blosc.HeaderSize]byte
	if _, err := io.ReadFull(r.src, head[:]); err != nil {
		return err
	}
	h, err := blosc.ParseHeader(head[:])
	switch {
	case err != nil:
		return err
	case int64(h.Decoded) > r.left:
		return fmt.Errorf("chunk of %d bytes, %d are left of the limit: %w", h.Decoded, r.left, errdef.ErrTooLarge)
	case h.Decoded == 0, h.Encoded > h.Decoded+blosc.HeaderSize:
		return fmt.Errorf("chunk of %d bytes takes %d: %w", h.Decoded, h.Encoded, errdef.ErrUnprocessable)
	}
	if r.chunk, err = readN(append(r.chunk[:0], head[:]...), r.src, h.Encoded-len(head)); err != nil {
		return err
	}
	r.plain = slices.Grow(r.plain[:0], h.Decoded)[:h.Decoded]
	n, err := r.decoder.Decode(r.plain, r.chunk)
	r.left -= int64(n)
	r.ready = r.plain[:n]
	return err
}
