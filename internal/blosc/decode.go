package blosc

import (
	"encoding/binary"
	"math"
	"sync"
)

// Decoder decodes chunks and keeps the codecs' working memory between calls.
// The zero value is ready. It is safe for concurrent use: calls share nothing
// but the pool. It must not be copied after its first use.
type Decoder struct {
	pool sync.Pool // of *scratch; one that failed is not put back
}

// scratch is the working memory of one Decode call.
type scratch struct {
	plain, bits []byte // a block before, and in the middle of, unfiltering
	codecs      codecs
}

// Decode decodes the chunk at the start of src into dst and returns how many
// bytes it wrote; bytes of src after the chunk are not looked at. The chunk must
// fit: dst, which the caller has made after looking at [DecodedSize], is the
// limit, and no working memory of this package grows beyond twice its length
// (zlib's and zstd's windows apart, which the formats bound by the block).
//
// A chunk that is cut off, damaged or larger than dst is
// [errdef.ErrUnprocessable] and one of a kind unknown here
// [errdef.ErrUnsupported]; dst's content is then unspecified.
func (d *Decoder) Decode(dst, src []byte) (int, error) {
	h, err := ParseHeader(src)
	if err != nil {
		return 0, err
	}
	if h.Decoded > len(dst) {
		return 0, damaged("chunk decodes to %d bytes, expected at most %d", h.Decoded, len(dst))
	}
	if h.Encoded > len(src) {
		return 0, damaged("chunk is cut off: it has %d bytes, its header says %d", len(src), h.Encoded)
	}
	dst, src = dst[:h.Decoded], src[:h.Encoded]
	if h.Decoded == 0 {
		return 0, nil
	}
	if h.flags&flagMemcpyed != 0 {
		if h.Encoded != h.Decoded+HeaderSize {
			return 0, damaged("stored chunk has %d bytes, expected %d", h.Encoded, h.Decoded+HeaderSize)
		}
		return copy(dst, src[HeaderSize:]), nil
	}
	s, ok := d.pool.Get().(*scratch)
	if !ok {
		s = new(scratch)
	}
	if err := s.chunk(h, dst, src); err != nil {
		return 0, err
	}
	d.pool.Put(s)
	return len(dst), nil
}

// chunk decodes all blocks of a chunk that is not merely stored.
func (s *scratch) chunk(h Header, dst, src []byte) error {
	n := h.blocks()
	if n > (len(src)-HeaderSize)/4 {
		return damaged("%d blocks do not fit into %d bytes", n, len(src))
	}
	for i := range n {
		start := int64(int32(binary.LittleEndian.Uint32(src[HeaderSize+4*i:])))
		if start < HeaderSize || start > int64(len(src)) {
			return damaged("block %d starts at byte %d of %d", i, start, len(src))
		}
		block := dst[i*h.Block : min((i+1)*h.Block, len(dst))]
		if err := s.block(h, block, src[start:]); err != nil {
			return err
		}
	}
	return nil
}

// block decodes one block, whose streams are at the start of src, and undoes
// its filter.
func (s *scratch) block(h Header, dst, src []byte) error {
	bytewise := h.flags&flagShuffle != 0 && h.TypeSize > 1
	bitwise := h.flags&flagBitshuffle != 0 && len(dst) >= h.TypeSize
	if !bytewise && !bitwise {
		return s.streams(h, dst, src)
	}
	s.plain = resize(s.plain, len(dst))
	if err := s.streams(h, s.plain, src); err != nil {
		return err
	}
	if bytewise {
		unshuffle(dst, s.plain, h.TypeSize)
		return nil
	}
	s.bits = resize(s.bits, len(dst))
	bitUnshuffle(dst, s.plain, s.bits, h.TypeSize)
	return nil
}

// streams decompresses the streams of one block into dst.
func (s *scratch) streams(h Header, dst, src []byte) error {
	n := h.splits(len(dst))
	if len(dst)%n != 0 {
		return damaged("block of %d bytes cannot be split into %d streams", len(dst), n)
	}
	for part := range n {
		size := len(dst) / n
		if len(src) < 4 {
			return damaged("stream length is cut off")
		}
		length := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if length > math.MaxInt32 || int(length) > len(src) {
			return damaged("stream of %d bytes, but %d are left", length, len(src))
		}
		out := dst[part*size : (part+1)*size : (part+1)*size]
		if int(length) == size {
			copy(out, src)
		} else if err := s.codecs.decompress(h.flags>>5, out, src[:length]); err != nil {
			return err
		}
		src = src[length:]
	}
	return nil
}

// resize returns a slice of n bytes, buf's own memory if it suffices.
func resize(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	return buf[:n]
}
