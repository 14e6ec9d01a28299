package zarr

import (
	"fmt"
	"math"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

const (
	// maxAxes is numpy's limit.
	maxAxes = 64
	// maxChunk bounds the decoded size of one chunk, which is read as a whole.
	maxChunk = 1 << 30
)

// array is what the metadata of an array say, of either format version.
type array struct {
	dtype structure.DType
	shape []int64
	// chunk is the shape of what is decoded at once: of the chunks, or of
	// those within a shard.
	chunk []int64
	dims  []string
	// fill is one element, in the byte order of dtype; nil if it is all zero.
	fill []byte
	key  keyEncoding
	// codecs decode one chunk.
	codecs pipeline
	// shard belongs to arrays whose files hold many chunks.
	shard *shard
}

// shard says how chunks lie in one file (sharding_indexed, version 1.0).
type shard struct {
	// shape is that of the shard, a multiple of the chunk's along each axis.
	shape []int64
	// index decodes the table of offsets and lengths, of size bytes as it
	// is stored, at the start of the file or at its end.
	index   pipeline
	size    int64
	atStart bool
}

// keyEncoding says how the files of chunks are called.
type keyEncoding struct {
	// prefix is "c" for version 3's own encoding, which is also the whole
	// name for an array without axes.
	prefix, separator string
}

// chunkBytes is the decoded size of a chunk.
func (a *array) chunkBytes() int64 {
	size := a.dtype.ItemSize
	for _, n := range a.chunk {
		size *= n
	}
	return size
}

// check completes what both format versions have in common.
func (a *array) check() error {
	if len(a.shape) > maxAxes || len(a.chunk) != len(a.shape) {
		return unprocessable("chunks of %d axes for an array of %d, at most %d", len(a.chunk), len(a.shape), maxAxes)
	}
	size := max(a.dtype.ItemSize, 1)
	for i, n := range a.chunk {
		if a.shape[i] == 0 && n == 0 {
			n, a.chunk[i] = 1, 1
		}
		if a.shape[i] < 0 || n < 1 {
			return unprocessable("axis %d: an extent of %d in chunks of %d", i, a.shape[i], n)
		}
		if n > maxChunk/size {
			return fmt.Errorf("chunks of shape %v: more than %d bytes are not read at once: %w",
				a.chunk, maxChunk, errdef.ErrUnsupported)
		}
		size *= n
	}
	return nil
}

// advertised are the chunks that clients see: those of the array. Of more
// than maxListed along an axis several are told as one.
func (a *array) advertised() [][]int64 {
	told := make([]int64, len(a.chunk))
	for i, n := range a.chunk {
		for told[i] = n; a.shape[i]/told[i] > maxListed && told[i] < math.MaxInt64/2; {
			told[i] *= 2
		}
	}
	return structure.RegularChunks(a.shape, told)
}

// maxListed bounds the lists that a structure has; a few bytes of metadata
// may claim more chunks than memory holds.
const maxListed = 1 << 20

// extents reads a list of whole numbers.
func extents(v any, what string) ([]int64, error) {
	list, ok := v.([]any)
	if !ok || len(list) > maxAxes {
		return nil, unprocessable("%s: expected a list of at most %d extents", what, maxAxes)
	}
	out := make([]int64, len(list))
	for i, e := range list {
		n, ok := e.(int64)
		if !ok {
			return nil, unprocessable("%s: axis %d: expected a whole number", what, i)
		}
		out[i] = n
	}
	return out, nil
}

func unprocessable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnsupported)
}
