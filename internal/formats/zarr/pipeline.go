package zarr

import (
	"math"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/terrazzo-data/terrazzo/internal/blosc"
)

// maxCodecs bounds the codecs of one array.
const maxCodecs = 16

// A codec undoes one step of the encoding of a chunk.
type codec interface {
	// decode returns what src encodes, in dst or as a part of src. The
	// result must not be longer than dst; one that would be is an error.
	decode(t *tools, dst, src []byte) ([]byte, error)
	// encoded is the size of what n bytes are encoded to, if that is known.
	encoded(n int64) (int64, bool)
}

// pipeline undoes all steps. Its zero value copies.
type pipeline struct {
	// stages are in the order of decoding; sizes are the most bytes that
	// each gives, exact where its result's size is known.
	stages []codec
	sizes  []int64
	exact  []bool
	// size is that of the decoded chunk.
	size int64
}

// newPipeline takes codecs in the order of encoding, and the size of what is
// encoded.
func newPipeline(stages []codec, size int64) (pipeline, error) {
	if len(stages) > maxCodecs {
		return pipeline{}, unprocessable("%d codecs, at most %d are read", len(stages), maxCodecs)
	}
	n := len(stages)
	p := pipeline{stages: make([]codec, n), sizes: make([]int64, n), exact: make([]bool, n), size: size}
	known := true
	for i, c := range stages {
		at := n - 1 - i
		p.stages[at], p.sizes[at], p.exact[at] = c, size, known
		next, ok := c.encoded(size)
		if !ok {
			// Behind a compressor, the most that any of them makes of it.
			next, known = 2*size+slack, false
		}
		if next > 4*maxChunk {
			return pipeline{}, unsupported("codecs that make more than %d bytes of a chunk", int64(4*maxChunk))
		}
		size = next
	}
	return p, nil
}

// slack is how much longer than its content a small encoded chunk may be.
const slack = 64 << 10

// limit is the most bytes that an encoded chunk may have.
func (p pipeline) limit() int64 {
	if n, ok := p.encodedSize(); ok {
		return n
	}
	return 2*p.size + slack
}

// encodedSize is the size of an encoded chunk, if all have the same.
func (p pipeline) encodedSize() (int64, bool) {
	size := p.size
	for i := len(p.stages) - 1; i >= 0; i-- {
		var ok bool
		if size, ok = p.stages[i].encoded(size); !ok {
			return 0, false
		}
	}
	return size, true
}

// decode decodes src into dst, which is as long as the decoded chunk. src may
// be written to. Errors are errdef.ErrUnprocessable.
func (p pipeline) decode(t *tools, dst, src []byte) error {
	current := src
	for i, stage := range p.stages {
		room := dst
		if i < len(p.stages)-1 {
			held := t.buffer(p.sizes[i])
			defer t.release(held)
			room = (*held)[:p.sizes[i]]
		}
		out, err := stage.decode(t, room, current)
		if err != nil {
			return err
		}
		if p.exact[i] && int64(len(out)) != p.sizes[i] {
			return unprocessable("a codec gives %d bytes, expected %d", len(out), p.sizes[i])
		}
		current = out
	}
	if len(current) != len(dst) {
		return unprocessable("decodes to %d bytes, expected %d", len(current), len(dst))
	}
	if len(dst) > 0 && &current[0] != &dst[0] {
		copy(dst, current)
	}
	return nil
}

// tools are the decoders and buffers that all arrays share. They are safe for
// concurrent use.
type tools struct {
	blosc   blosc.Decoder
	zstd    func() (*zstd.Decoder, error)
	inflate sync.Pool // of *inflater
	buffers sync.Pool // of *[]byte
}

func newTools() *tools {
	return &tools{zstd: sync.OnceValues(func() (*zstd.Decoder, error) {
		// DecodeAll works in the caller's goroutine and never grows the
		// room that it was given.
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxMemory(math.MaxInt64), zstd.WithDecoderMaxWindow(maxChunk))
	})}
}

// buffer returns room of at least n bytes, to be given back by release.
func (t *tools) buffer(n int64) *[]byte {
	if held, ok := t.buffers.Get().(*[]byte); ok && int64(cap(*held)) >= n {
		return held
	}
	made := make([]byte, n)
	return &made
}

// maxKept is the largest buffer that is kept for the next chunk.
const maxKept = 16 << 20

func (t *tools) release(held *[]byte) {
	if cap(*held) <= maxKept {
		t.buffers.Put(held)
	}
}
