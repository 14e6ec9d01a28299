package blosc

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Codec is a compressor that [Encoder] can write.
type Codec byte

// The codecs of the encoder, by their number in the format.
const (
	LZ4  Codec = codecLZ4
	Zstd Codec = codecZstd
)

// encodeBlock is the block size that is aimed at: small enough that a block and
// its shuffled copy stay in a core's cache, large enough for zstd to find
// repetitions. Measured in BenchmarkEncode.
const encodeBlock = 256 << 10

// Encoder writes chunks with one codec and keeps the codec's working memory
// between calls. The zero value writes LZ4. It is safe for concurrent use and
// must not be copied after its first use.
type Encoder struct {
	// Codec is LZ4 (also if 0) or Zstd, at its fastest level.
	Codec Codec

	pool sync.Pool // of *compressors; one that failed is not put back
}

type compressors struct {
	shuffled []byte
	packed   []byte
	lz4      lz4.Compressor
	zstd     *zstd.Encoder
}

// Append appends to dst the chunk that holds src, whose elements are typesize
// bytes each (1 to 255; any other value is taken as 1, which means no shuffle),
// and returns the longer slice. The chunk is at most [HeaderSize] bytes longer
// than src. An empty src appends nothing: readers refuse a chunk of nothing.
// More than [MaxDecoded] bytes are [errdef.ErrTooLarge]: write several chunks.
func (e *Encoder) Append(dst, src []byte, typesize int) ([]byte, error) {
	if len(src) == 0 {
		return dst, nil
	}
	if err := fitsChunk(len(src)); err != nil {
		return dst, err
	}
	if typesize < 1 || typesize > 255 {
		typesize = 1
	}
	c, ok := e.pool.Get().(*compressors)
	if !ok {
		c = new(compressors)
	}
	start := len(dst)
	out, fits, err := c.chunk(dst, src, typesize, e.codec())
	if err != nil {
		return dst, err
	}
	e.pool.Put(c)
	if !fits {
		out = append(header(out[:start], src, typesize, flagMemcpyed|byte(e.codec())<<5, len(src)), src...)
	}
	binary.LittleEndian.PutUint32(out[start+12:], uint32(len(out)-start))
	return out, nil
}

func fitsChunk(n int) error {
	if n > MaxDecoded {
		return fmt.Errorf("blosc: %d bytes do not fit into one chunk of at most %d: %w", n, MaxDecoded, errdef.ErrTooLarge)
	}
	return nil
}

func (e *Encoder) codec() Codec {
	if e.Codec == 0 {
		return LZ4
	}
	return e.Codec
}

// header appends the header of a chunk; the encoded size is filled in later.
func header(dst, src []byte, typesize int, flags byte, block int) []byte {
	dst = append(dst, formatVersion, 1, flags, byte(typesize))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(src)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(block))
	return binary.LittleEndian.AppendUint32(dst, 0)
}

// chunk appends a compressed chunk. It gives up, and says so with fits, as soon
// as storing would take less room.
func (c *compressors) chunk(dst, src []byte, typesize int, codec Codec) (out []byte, fits bool, err error) {
	block := min(max(encodeBlock/typesize, 1)*typesize, len(src))
	flags := byte(codec)<<5 | flagDontSplit
	if typesize > 1 {
		flags |= flagShuffle
	}
	start := len(dst)
	dst = header(dst, src, typesize, flags, block)
	table := len(dst)
	n := (len(src)-1)/block + 1
	dst = append(dst, make([]byte, 4*n)...)
	for i := range n {
		binary.LittleEndian.PutUint32(dst[table+4*i:], uint32(len(dst)-start))
		part := src[i*block : min((i+1)*block, len(src))]
		if typesize > 1 {
			c.shuffled = resize(c.shuffled, len(part))
			shuffle(c.shuffled, part, typesize)
			part = c.shuffled
		}
		packed, err := c.compress(part, codec)
		if err != nil {
			return dst, false, err
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(packed)))
		dst = append(dst, packed...)
		if len(dst)-start >= HeaderSize+len(src) {
			return dst, false, nil
		}
	}
	return dst, true, nil
}

// compress returns one compressed stream, or part itself where that is not
// longer: a stream of the block's own length is a stored one.
func (c *compressors) compress(part []byte, codec Codec) ([]byte, error) {
	switch codec {
	case LZ4:
		c.packed = resize(c.packed, len(part))
		n, err := c.lz4.CompressBlock(part, c.packed[:len(part)-1])
		if err != nil || n == 0 {
			return part, nil // does not fit: incompressible
		}
		return c.packed[:n], nil
	case Zstd:
		if c.zstd == nil {
			w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
				zstd.WithEncoderCRC(false), zstd.WithWindowSize(encodeBlock),
				zstd.WithAllLitEntropyCompression(true)) // a plane of noise has few matches but few values too
			if err != nil {
				return nil, fmt.Errorf("blosc: zstd: %w", err)
			}
			c.zstd = w
		}
		c.packed = c.zstd.EncodeAll(part, c.packed[:0])
		if len(c.packed) >= len(part) {
			return part, nil
		}
		return c.packed, nil
	default:
		return nil, unsupported("encoding with codec number %d", codec)
	}
}
