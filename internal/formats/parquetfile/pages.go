package parquetfile

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/apache/arrow-go/v18/parquet/compress"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// The types of pages.
const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// maxPage bounds a page, as the Arrow library does.
const maxPage = 256 << 20

// page is what the header of a page says.
type page struct {
	kind, size, packed, values int64
	// levels are the bytes before the compressed ones in a page of version 2.
	levels int64
	plain  bool // not compressed, whatever the codec
}

// pageHeader reads PageHeader, fields as in parquet.thrift.
func pageHeader(c *compact) (p page) {
	c.fields(0, func(id int, kind byte) bool {
		switch {
		case kind == thriftI32 && id == 1:
			p.kind = c.int()
		case kind == thriftI32 && id == 2:
			p.size = c.int()
		case kind == thriftI32 && id == 3:
			p.packed = c.int()
		case kind == thriftStruct && (id == 5 || id == 7 || id == 8):
			p.inner(c, id)
		default:
			return false
		}
		return true
	})
	return p
}

// inner reads the header of one type of page.
func (p *page) inner(c *compact, which int) {
	c.fields(1, func(id int, kind byte) bool {
		switch {
		case kind == thriftI32 && id == 1:
			p.values = c.int()
		case which == 8 && kind == thriftI32 && (id == 5 || id == 6):
			n := c.int()
			if n < 0 || n > maxPage {
				c.fail("levels of such a length")
			}
			p.levels += n
		case which == 8 && id == 7 && kind == thriftFalse:
			p.plain = true
		default:
			return false
		}
		return true
	})
}

// checkPages walks the pages of a column chunk of values, and refuses what
// would make the library allocate more than a page claims, or a page more than
// it may. width is the least size of one value in a dictionary.
func checkPages(chunk []byte, codec compress.Compression, values, width int64) error {
	seen := int64(0)
	c := &compact{data: chunk}
	for seen < values && c.at < len(chunk) {
		p := pageHeader(c)
		if c.err != nil {
			return fmt.Errorf("page header: %w", c.err)
		}
		if p.size < 0 || p.packed < 0 || p.values < 0 || p.size > maxPage || p.packed > int64(len(chunk)-c.at) ||
			p.levels > min(p.size, p.packed) {
			return unprocessable("a page of %d values, %d bytes packed into %d", p.values, p.size, p.packed)
		}
		body := chunk[c.at : c.at+int(p.packed)]
		c.at += int(p.packed)
		switch p.kind {
		case pageData, pageDataV2:
			seen += p.values
		case pageDictionary:
			if p.values > p.size/width {
				return unprocessable("a dictionary of %d values in %d bytes", p.values, p.size)
			}
		}
		if seen > values {
			return unprocessable("pages of %d values, the footer says %d", seen, values)
		}
		if p.kind == pageIndex || p.plain {
			continue
		}
		if err := checkBody(body[p.levels:], codec, p.size-p.levels); err != nil {
			return err
		}
	}
	if seen < values {
		return unprocessable("pages of %d values, the footer says %d: is it cut off?", seen, values)
	}
	return nil
}

// checkBody refuses a body that unpacks to more than size, for the codecs
// whose decoders do not stop there.
func checkBody(body []byte, codec compress.Compression, size int64) error {
	// Decoders that stop at the end of their buffer do not without one.
	const empty = 24
	if size == 0 && len(body) > empty && codec != compress.Codecs.Uncompressed {
		return unprocessable("a page of no bytes packed into %d", len(body))
	}
	switch codec {
	case compress.Codecs.Snappy:
		n, ok := binary.Uvarint(body)
		if ok <= 0 && len(body) > 0 || n > uint64(size) {
			return unprocessable("a page unpacks to %d bytes, its header says %d", n, size)
		}
	case compress.Codecs.Zstd:
		most, err := zstdSize(body)
		if err != nil {
			return err
		}
		// A frame without a size is bounded by its blocks.
		if most > size+maxBlock {
			return unprocessable("a page may unpack to %d bytes, its header says %d", most, size)
		}
	}
	return nil
}

// maxBlock is the most that one zstd block unpacks to.
const maxBlock = 128 << 10

// zstdSize bounds what all frames in data unpack to: by their content size
// where they have one, which the decoder holds them to, else by their blocks.
func zstdSize(data []byte) (most int64, err error) {
	bad := func() (int64, error) { return 0, unprocessable("a page is no zstd data") }
	for len(data) > 0 {
		var h zstd.Header
		if err := h.Decode(data); err != nil {
			return bad()
		}
		if h.Skippable {
			if data = data[min(len(data), h.HeaderSize):]; uint64(h.SkippableSize) > uint64(len(data)) {
				return bad()
			}
			data = data[h.SkippableSize:]
			continue
		}
		if h.WindowSize > maxPage {
			return 0, unprocessable("a page of zstd data with a window of %d bytes", h.WindowSize)
		}
		rest, blocks, ok := skipBlocks(data[min(len(data), h.HeaderSize):], h.HasCheckSum)
		if !ok || h.HasFCS && h.FrameContentSize > maxPage {
			return bad()
		}
		data = rest
		if h.HasFCS {
			blocks = int64(h.FrameContentSize)
		}
		if most += blocks; most > maxPage {
			return 0, unprocessable("a page may unpack to more than %d bytes", maxPage)
		}
	}
	return most, nil
}

// skipBlocks returns what follows the blocks of a zstd frame, and what they
// unpack to at most (RFC 8878 §3.1.1.2).
func skipBlocks(data []byte, checksum bool) (rest []byte, most int64, ok bool) {
	for {
		if len(data) < 3 {
			return nil, 0, false
		}
		head := int(data[0]) | int(data[1])<<8 | int(data[2])<<16
		last, kind, size := head&1 == 1, head>>1&3, head>>3
		data = data[3:]
		stored := size
		switch kind {
		case 1: // one byte, repeated
			stored = 1
			most += int64(size)
		case 0:
			most += int64(size)
		default:
			most += maxBlock
		}
		if stored > len(data) {
			return nil, 0, false
		}
		if data = data[stored:]; last {
			break
		}
	}
	if checksum {
		if len(data) < 4 {
			return nil, 0, false
		}
		data = data[4:]
	}
	return data, most, true
}

// known says whether the codec can be read.
func known(codec compress.Compression) error {
	switch codec {
	case compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Brotli,
		compress.Codecs.Zstd, compress.Codecs.Lz4Raw:
		return nil
	}
	return fmt.Errorf("the codec %s: %w", codec, errdef.ErrUnsupported)
}
