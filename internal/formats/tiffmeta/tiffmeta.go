// Package tiffmeta reads what a TIFF file says of its pictures, without
// decoding any: pages (image file directories), their tags, and how tifffile,
// and so Tiled, joins pages to one array.
//
// It reads classic TIFF and BigTIFF, in both byte orders (TIFF revision 6.0
// and the BigTIFF design). What a directory claims is checked against the
// file's size before memory is allocated by it.
//
// # Pages as an array
//
// [File.Series] gives the first series as tifffile has it: the axes of OME-XML,
// of ImageJ's hyperstacks (with one directory for all, too), of the shape that
// tifffile itself writes down, and else all pages that are like the first.
// Axes of extent 1 are left out, except X, Y and those of a shape written
// down. Pyramids show their largest level.
package tiffmeta

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// MaxPages bounds the pages of one file.
	MaxPages = 1 << 19
	// maxEntries bounds the tags of a page, maxValues the bytes of one tag.
	maxEntries, maxValues = 4096, 64 << 20
)

// File is an open TIFF file. It is not safe for concurrent use.
type File struct {
	r     adapter.File
	order binary.ByteOrder
	// big says BigTIFF: offsets of 64 bits.
	big   bool
	first int64
	// Pages are the chain of directories.
	Pages []*Page
}

// Open reads the header and all directories, but no values that stand
// elsewhere. Of the pages but the first it keeps what places need. Errors are errdef.ErrUnprocessable, and ErrUnsupported for more
// than [MaxPages] pages.
func Open(ctx context.Context, r adapter.File) (*File, error) {
	f, err := header(r)
	if err != nil {
		return nil, err
	}
	seen := map[int64]bool{}
	for at := f.first; at != 0; {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if seen[at] {
			return nil, damaged("the directory at %d comes twice in the chain of pages", at)
		}
		if len(f.Pages) == MaxPages {
			return nil, fmt.Errorf("more than %d pages: %w", MaxPages, errdef.ErrUnsupported)
		}
		seen[at] = true
		p, next, err := f.page(at)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", len(f.Pages), err)
		}
		if len(f.Pages) > 0 {
			p.forget()
		}
		f.Pages = append(f.Pages, p)
		at = next
	}
	if len(f.Pages) == 0 {
		return nil, damaged("has no pages")
	}
	return f, nil
}

// OpenPage reads the one directory at an offset that [Page.Offset] gave before.
// Errors are those of [Open].
func OpenPage(r adapter.File, at int64) (*File, error) {
	f, err := header(r)
	if err != nil {
		return nil, err
	}
	p, _, err := f.page(at)
	if err != nil {
		return nil, fmt.Errorf("page at %d: %w", at, err)
	}
	f.Pages = []*Page{p}
	return f, nil
}

// Order is the byte order of the file.
func (f *File) Order() binary.ByteOrder { return f.order }

func header(r adapter.File) (*File, error) {
	start := make([]byte, 16)
	if r.Size() < int64(len(start)) {
		return nil, damaged("is cut off: it has %d bytes", r.Size())
	}
	if err := adapter.ReadFull(r, start, 0); err != nil {
		return nil, err
	}
	f := &File{r: r}
	switch string(start[:2]) {
	case "II":
		f.order = binary.LittleEndian
	case "MM":
		f.order = binary.BigEndian
	default:
		return nil, damaged("does not begin as a TIFF file does")
	}
	switch version := f.order.Uint16(start[2:]); {
	case version == 42:
		f.first = int64(f.order.Uint32(start[4:]))
	case version == 43 && f.order.Uint16(start[4:]) == 8:
		f.big = true
		first := f.order.Uint64(start[8:])
		if first >= uint64(r.Size()) {
			return nil, damaged("is cut off: the first page is at %d of %d bytes", first, r.Size())
		}
		f.first = int64(first)
	default:
		return nil, damaged("does not begin as a TIFF file does: version %d", version)
	}
	return f, nil
}

// page reads the directory at an offset, and returns that of the next.
func (f *File) page(at int64) (*Page, int64, error) {
	countSize, entrySize, offsetSize := int64(2), int64(12), int64(4)
	if f.big {
		countSize, entrySize, offsetSize = 8, 20, 8
	}
	if at < 8 || f.r.Size()-at < countSize {
		return nil, 0, damaged("is cut off: a directory at %d of %d bytes", at, f.r.Size())
	}
	head := make([]byte, min(1024, f.r.Size()-at))
	if err := adapter.ReadFull(f.r, head, at); err != nil {
		return nil, 0, err
	}
	count := int64(f.number(head, countSize))
	if count < 0 || count > maxEntries {
		return nil, 0, damaged("a directory of %d tags", count)
	}
	size := countSize + count*entrySize + offsetSize
	if size > f.r.Size()-at {
		return nil, 0, damaged("is cut off: a directory of %d tags at %d of %d bytes", count, at, f.r.Size())
	}
	if int64(len(head)) < size {
		head = make([]byte, size)
		if err := adapter.ReadFull(f.r, head, at); err != nil {
			return nil, 0, err
		}
	}
	entries := head[countSize : countSize+count*entrySize]
	p := &Page{Offset: at}
	for i := int64(0); i < count; i++ {
		p.tags = append(p.tags, f.entry(entries[i*entrySize:(i+1)*entrySize]))
	}
	next := f.number(head[countSize+count*entrySize:], offsetSize)
	if next >= uint64(f.r.Size()) {
		return nil, 0, damaged("is cut off: the next page is at %d of %d bytes", next, f.r.Size())
	}
	return p, int64(next), f.settle(p)
}

// entry is a tag with its value, or with where its value stands.
func (f *File) entry(b []byte) tag {
	t := tag{code: f.order.Uint16(b), kind: f.order.Uint16(b[2:])}
	inline := b[8:12]
	t.count = uint64(f.order.Uint32(b[4:]))
	if f.big {
		t.count, inline = f.order.Uint64(b[4:]), b[12:20]
	}
	size := t.itemSize()
	if t.count <= 8 && t.count*size <= uint64(len(inline)) {
		t.value = append([]byte(nil), inline[:t.count*size]...)
		return t
	}
	t.at = f.number(inline, int64(len(inline)))
	return t
}

// number reads an unsigned number of so many bytes.
func (f *File) number(b []byte, size int64) uint64 {
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(f.order.Uint16(b))
	case 4:
		return uint64(f.order.Uint32(b))
	default:
		return f.order.Uint64(b)
	}
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}
