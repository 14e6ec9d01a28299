// Package blosc reads and writes Blosc1 chunks, in Go alone.
//
// A chunk is a 16-byte header, a table of block offsets and the blocks, each
// one filtered (shuffled by bytes or by bits) and then compressed, whole or one
// stream for each byte of the element:
//
//	version, versionlz, flags, typesize : one byte each
//	nbytes, blocksize, cbytes           : little-endian uint32
//	bstart[nblocks]                     : little-endian int32, from the chunk's start
//	for each stream of each block       : int32 length, data
//
// Decoding knows all codecs (blosclz, lz4, lz4hc, snappy, zlib, zstd) and all
// filters of the format. Encoding writes what any reader of the format
// understands, that of c-blosc2 included: lz4 or zstd, shuffled by bytes,
// blocks never split. The extended header of Blosc2 (version 3 and up) is not
// read: such a chunk is [errdef.ErrUnsupported].
package blosc

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// HeaderSize is the length in bytes of a chunk's header.
	HeaderSize = 16
	// MaxDecoded is the largest number of bytes that one chunk can hold.
	MaxDecoded = math.MaxInt32 - HeaderSize

	formatVersion = 2

	flagShuffle    = 0x01
	flagMemcpyed   = 0x02
	flagBitshuffle = 0x04
	flagReserved   = 0x08
	flagDontSplit  = 0x10

	// A block is split into one stream for each byte of the element only if
	// the element is small and each stream is worth compressing.
	maxSplits      = 16
	minSplitStream = 128
)

// Header is what the first 16 bytes of a chunk say. One that [ParseHeader]
// returned has consistent sizes: 0 ≤ Decoded ≤ [MaxDecoded], HeaderSize ≤
// Encoded, 1 ≤ TypeSize ≤ 255 and, unless Decoded is 0, 1 ≤ Block.
type Header struct {
	Decoded  int // bytes that the chunk decodes to
	Encoded  int // bytes of the whole chunk, header included
	Block    int // bytes of each block but the last, decoded
	TypeSize int // bytes of an element, as the filters take it

	flags byte
}

// ParseHeader reads the header at the start of src, which may be longer or
// shorter than the chunk. A header that is cut off or contradicts itself is
// [errdef.ErrUnprocessable], a version or codec that is not known here is
// [errdef.ErrUnsupported].
func ParseHeader(src []byte) (Header, error) {
	if len(src) < HeaderSize {
		return Header{}, damaged("header has %d bytes, expected %d", len(src), HeaderSize)
	}
	decoded := binary.LittleEndian.Uint32(src[4:])
	block := binary.LittleEndian.Uint32(src[8:])
	encoded := binary.LittleEndian.Uint32(src[12:])
	flags := src[2]
	switch {
	case src[0] != formatVersion:
		return Header{}, unsupported("format version %d (expected %d; 3 and up are Blosc2)", src[0], formatVersion)
	case flags&flagReserved != 0:
		return Header{}, unsupported("flags %#02x have a reserved bit", flags)
	case flags>>5 >= codecCount:
		return Header{}, unsupported("codec number %d", flags>>5)
	case src[3] == 0:
		return Header{}, damaged("typesize is 0")
	case decoded > MaxDecoded:
		return Header{}, damaged("decoded size %d is over the format's limit", decoded)
	case encoded < HeaderSize || encoded > math.MaxInt32:
		return Header{}, damaged("encoded size %d is not between %d and %d", encoded, HeaderSize, math.MaxInt32)
	case decoded > 0 && (block == 0 || block > math.MaxInt32):
		return Header{}, damaged("block size %d", block)
	}
	return Header{
		Decoded: int(decoded), Encoded: int(encoded), Block: int(block),
		TypeSize: int(src[3]), flags: flags,
	}, nil
}

// DecodedSize returns how many bytes the chunk at the start of src decodes to,
// by its own word: compare it with a limit before making room. Errors are those
// of [ParseHeader].
func DecodedSize(src []byte) (int, error) {
	h, err := ParseHeader(src)
	return h.Decoded, err
}

// blocks returns how many blocks the chunk has.
func (h Header) blocks() int {
	if h.Decoded == 0 {
		return 0
	}
	return (h.Decoded-1)/h.Block + 1
}

// splits returns of how many streams a block of size bytes consists.
func (h Header) splits(size int) int {
	whole := size == h.Block
	if h.flags&flagDontSplit == 0 && whole && h.TypeSize <= maxSplits && h.Block/h.TypeSize >= minSplitStream {
		return h.TypeSize
	}
	return 1
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("blosc: "+format+": %w", append(args, errdef.ErrUnprocessable)...)
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("blosc: "+format+": %w", append(args, errdef.ErrUnsupported)...)
}
