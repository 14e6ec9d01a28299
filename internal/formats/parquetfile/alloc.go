package parquetfile

import (
	"fmt"
	"io"
	"sort"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// budget is an allocator of garbage-collected memory that refuses to have more
// than a bound in use. It is for one goroutine.
type budget struct {
	memory.GoAllocator
	left int64
}

// overdrawn is what a budget panics with: an allocator has no other way to
// refuse.
type overdrawn struct{}

func (b *budget) take(n int) {
	if b.left -= int64(n); b.left < 0 {
		panic(overdrawn{}) //nolint:forbidigo // caught by guard; the interface has no error
	}
}

func (b *budget) Allocate(size int) []byte {
	b.take(size)
	return b.GoAllocator.Allocate(size)
}

func (b *budget) Reallocate(size int, old []byte) []byte {
	b.take(size - len(old))
	return b.GoAllocator.Reallocate(size, old)
}

func (b *budget) Free(old []byte) { b.left += int64(len(old)) }

// guard is the one place where panics of the Arrow library on damaged files,
// and those of a budget, become errors. Everything that calls the library for
// a file's sake defers it, in the goroutine that calls.
func guard(err *error) {
	switch r := recover(); r.(type) {
	case nil:
	case overdrawn:
		*err = unprocessable("a column unpacks to more than its metadata allow for")
	default:
		*err = unprocessable("is damaged: %v", r)
	}
}

func unprocessable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}

// pieces is a file of which some pieces are in memory, and the rest cannot be
// read.
type pieces struct {
	size   int64
	offset []int64
	data   [][]byte
	at     int64
}

// add puts a piece in, keeping them in order.
func (p *pieces) add(offset int64, data []byte) {
	i := sort.Search(len(p.offset), func(i int) bool { return p.offset[i] > offset })
	p.offset = append(p.offset, 0)
	p.data = append(p.data, nil)
	copy(p.offset[i+1:], p.offset[i:])
	copy(p.data[i+1:], p.data[i:])
	p.offset[i], p.data[i] = offset, data
}

// ReadAt reads within one piece.
func (p *pieces) ReadAt(out []byte, offset int64) (int, error) {
	i := sort.Search(len(p.offset), func(i int) bool { return p.offset[i] > offset }) - 1
	for ; i >= 0; i-- {
		if in := offset - p.offset[i]; in < int64(len(p.data[i])) {
			n := copy(out, p.data[i][in:])
			if n < len(out) {
				return n, io.EOF
			}
			return n, nil
		}
	}
	return 0, io.EOF
}

// Seek is there for the interface; only the size is ever asked for.
func (p *pieces) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.at
	case io.SeekEnd:
		offset += p.size
	}
	p.at = offset
	return offset, nil
}
