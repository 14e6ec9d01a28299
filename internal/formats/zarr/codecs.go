package zarr

import (
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"

	"github.com/pierrec/lz4/v4"
)

// newCodec returns the codec of numcodecs' name id, which version 3 shares for
// those that work on bytes. What is not known is errdef.ErrUnsupported.
func newCodec(id string, config map[string]any) (codec, error) {
	switch id {
	case "blosc":
		return bloscCodec{}, nil
	case "zstd":
		return zstdCodec{}, nil
	case "gzip", "zlib", "bz2":
		return streamCodec{id}, nil
	case "lz4":
		return lz4Codec{}, nil
	case "crc32c", "crc32", "adler32":
		return newChecksum(id, config)
	case "shuffle":
		return newShuffle(config)
	case "delta":
		return newDelta(config)
	case "fixedscaleoffset":
		return newScale(config)
	case "bitround":
		return identity{}, nil
	case "quantize":
		if config["astype"] == nil || config["astype"] == config["dtype"] {
			return identity{}, nil
		}
	}
	return nil, unsupported("the codec %.40q", id)
}

// identity stands for filters that lose something when they encode and do
// nothing when they decode.
type identity struct{}

func (identity) decode(_ *tools, _, src []byte) ([]byte, error) { return src, nil }
func (identity) encoded(n int64) (int64, bool)                  { return n, true }

type bloscCodec struct{}

func (bloscCodec) decode(t *tools, dst, src []byte) ([]byte, error) {
	n, err := t.blosc.Decode(dst, src)
	if err != nil {
		return nil, err
	}
	return dst[:n], nil
}

func (bloscCodec) encoded(int64) (int64, bool) { return 0, false }

type zstdCodec struct{}

func (zstdCodec) decode(t *tools, dst, src []byte) ([]byte, error) {
	decoder, err := t.zstd()
	if err != nil {
		return nil, unsupported("zstd: %w", err)
	}
	out, err := decoder.DecodeAll(src, dst[:0:len(dst)])
	if err != nil {
		return nil, unprocessable("zstd: %w", err)
	}
	return out, nil
}

func (zstdCodec) encoded(int64) (int64, bool) { return 0, false }

// lz4Codec is numcodecs' own form: the decoded size as 4 bytes, little-endian,
// and one LZ4 block.
type lz4Codec struct{}

func (lz4Codec) decode(_ *tools, dst, src []byte) ([]byte, error) {
	if len(src) < 4 || uint64(binary.LittleEndian.Uint32(src)) > uint64(len(dst)) {
		return nil, unprocessable("lz4: the size in front is missing or too large")
	}
	want := int(binary.LittleEndian.Uint32(src))
	n, err := lz4.UncompressBlock(src[4:], dst[:want])
	if err != nil || n != want {
		return nil, unprocessable("lz4: %d bytes, expected %d (%v)", n, want, err)
	}
	return dst[:n], nil
}

func (lz4Codec) encoded(int64) (int64, bool) { return 0, false }

// checksum is four bytes, little-endian, in front of the data or behind.
type checksum struct {
	id   string
	sum  func([]byte) uint32
	last bool
}

func newChecksum(id string, config map[string]any) (codec, error) {
	c := checksum{id: id, last: id == "crc32c"}
	switch id {
	case "crc32c":
		castagnoli := crc32.MakeTable(crc32.Castagnoli)
		c.sum = func(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
	case "crc32":
		c.sum = crc32.ChecksumIEEE
	default:
		c.sum = adler32.Checksum
	}
	switch config["location"] {
	case nil:
	case "start":
		c.last = false
	case "end":
		c.last = true
	default:
		return nil, unprocessable("%s: location: expected start or end", id)
	}
	return c, nil
}

func (c checksum) decode(_ *tools, dst, src []byte) ([]byte, error) {
	if len(src) < 4 || len(src)-4 > len(dst) {
		return nil, unprocessable("%s: %d bytes, expected %d", c.id, len(src), len(dst)+4)
	}
	stored, data := src[:4], src[4:]
	if c.last {
		data, stored = src[:len(src)-4], src[len(src)-4:]
	}
	if got, want := c.sum(data), binary.LittleEndian.Uint32(stored); got != want {
		return nil, unprocessable("%s: the checksum is %08x, the data have %08x", c.id, want, got)
	}
	return data, nil
}

func (checksum) encoded(n int64) (int64, bool) { return n + 4, true }
