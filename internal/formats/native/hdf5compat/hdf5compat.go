// Package hdf5compat shows files that HDF5 2 wrote to an older HDF5 library.
//
// With libver='latest', which SWMR asks for, HDF5 2 writes version 5 of two
// messages: data types (compound and enumeration types, and so every truth
// value of h5py) and the layout of data sets that have chunks and filters. The
// libraries before it refuse both, though hardly anything in them is new. What
// is the same is here given the old number while it is read; what became wider,
// the sizes of chunks in the indexes, is shown in its old width at addresses
// beyond any file's end.
//
// A [Translator] holds no state of a file but where its indexes lie, and does
// no more than change bytes whose checksum was right; where it does not know
// what it sees, the bytes stay as they are and the library says what it cannot
// read.
//
// The rules are those of the HDF5 File Format Specification, version 3.0, whose
// parts are named where they are used, and, for version 5, what the files of
// HDF5 2.0 have.
package hdf5compat

import (
	"bytes"
	"encoding/binary"
	"io"
	"sort"

	"github.com/terrazzo-data/terrazzo/internal/hdf5"
)

// Beyond is the first address of what is shown in its old form. What became
// smaller by it and lies in the file at an address is seen at that address and
// Beyond; what became larger, behind all that.
const Beyond = int64(1) << 61

const (
	// maxImages bounds the parts of indexes of one file that are known.
	maxImages = 1 << 20
	// maxRead bounds what is read of the file at once.
	maxRead = 64 << 20
	// undefined is the address that is none.
	undefined = ^uint64(0)
)

// Translator translates one open file. It is not safe for concurrent use.
type Translator struct {
	r io.ReaderAt
	// base is the offset of address 0; negative where the file's addresses
	// are not of 8 bytes, so that nothing is translated.
	base int64
	// ordered says of continuations of object headers whether their messages
	// have creation orders.
	ordered map[int64]bool
	images  map[int64]image
	// moved are where collections of global heaps are seen, by where they lie;
	// free is the first address behind them all.
	moved map[uint64]uint64
	free  uint64
	// tail is the rest of a header of which the beginning was asked for.
	tail tail
	// shown is what was seen last, and where.
	shown   []byte
	shownAt int64
	// paged are the blocks whose pages are images as well, by address.
	paged []pages
}

// tail is what follows the part of a header that was asked for first, as it is
// in the file and as it is to be seen.
type tail struct {
	addr     int64
	was, now []byte
}

// image is a part of an index that is shown in its old width.
type image interface {
	// show returns what is to be seen, its checksum included; nil if what lies
	// there is not what was expected.
	show(t *Translator) []byte
}

// pages are the pages of a data block.
type pages struct {
	start, stop int64 // where they are seen
	size        int64 // of one, as seen
	page        func(i int64) image
}

// New returns a translator of the file that r reads. It is r's owner's to see
// that both are used by one at a time.
func New(r io.ReaderAt) *Translator {
	return &Translator{
		r: r, base: baseOf(r), ordered: make(map[int64]bool), images: make(map[int64]image),
		moved: make(map[uint64]uint64), free: uint64(Beyond + Beyond/2),
	}
}

const signature = "\x89HDF\r\n\x1a\n"

// baseOf finds the superblock (section II.A), which lies at 0 or at a power of
// two from 512 on.
func baseOf(r io.ReaderAt) int64 {
	head := make([]byte, 16)
	for at := int64(0); at < 1<<40; at = max(512, 2*at) {
		n, err := r.ReadAt(head, at)
		if n < len(head) {
			return -1
		}
		if string(head[:8]) == signature {
			sizes := head[9:11] // of versions 2 and 3, the only ones with new messages
			if head[8] >= 2 && sizes[0] == 8 && sizes[1] == 8 {
				return at
			}
			return -1
		}
		if err != nil {
			return -1
		}
	}
	return -1
}

// Patch changes what was read at an address of the file for an older library.
// It says whether it now names addresses of [Beyond].
//
// Only object headers, their continuations and the blocks in which many
// attributes lie are changed, read from their beginning. A library that asks
// for the first part of a header to learn its length asks for the rest then: it
// is read now, and changed if the next call is about it and it is still the
// same.
func (t *Translator) Patch(addr int64, p []byte) (beyond bool) {
	if t.base < 0 || addr >= Beyond {
		return false
	}
	rest := t.tail
	if t.tail = (tail{}); rest.addr == addr && bytes.Equal(rest.was, p) {
		copy(p, rest.now)
		return false
	}
	if len(p) < 16 {
		return false
	}
	switch string(p[:4]) {
	case "OHDR":
		return t.patchHeader(addr, p)
	case "OCHK":
		return t.patchContinuation(addr, p)
	case "FHDB":
		patchHeap(p)
	}
	return false
}

// Read fills p with what is to be seen at an address from [Beyond] on. What is
// not known is zeros.
func (t *Translator) Read(addr int64, p []byte) {
	clear(p)
	i, ok := t.images[addr]
	if !ok {
		i = t.pageAt(addr)
	}
	if i != nil {
		t.shown = i.show(t)
		copy(p, t.shown)
		t.shownAt = addr
		return
	}
	// What was asked for to learn a length is asked for to its end.
	if more := addr - t.shownAt; more > 0 && more < int64(len(t.shown)) {
		copy(p, t.shown[more:])
	}
}

func (t *Translator) pageAt(addr int64) image {
	k := sort.Search(len(t.paged), func(k int) bool { return t.paged[k].stop > addr })
	if k == len(t.paged) || t.paged[k].start > addr || (addr-t.paged[k].start)%t.paged[k].size != 0 {
		return nil
	}
	return t.paged[k].page((addr - t.paged[k].start) / t.paged[k].size)
}

// register says what is to be seen beyond the address.
func (t *Translator) register(addr uint64, i image) {
	if addr == undefined || addr > uint64(Beyond) || len(t.images) >= maxImages {
		return
	}
	t.images[Beyond+t.base+int64(addr)] = i
}

// registerPages says that pages of a size are to be seen from start on.
func (t *Translator) registerPages(next pages) {
	if next.size <= 0 || next.stop <= next.start || len(t.paged) >= maxImages {
		return
	}
	k := sort.Search(len(t.paged), func(k int) bool { return t.paged[k].stop > next.start })
	if k < len(t.paged) && t.paged[k].start < next.stop {
		t.paged[k] = next
		return
	}
	t.paged = append(t.paged, pages{})
	copy(t.paged[k+1:], t.paged[k:])
	t.paged[k] = next
}

// at reads n bytes at an address in the file; nil if there are not as many.
func (t *Translator) at(addr uint64, n int64) []byte {
	if addr > uint64(Beyond) || n < 0 || n > maxRead {
		return nil
	}
	p := make([]byte, n)
	if got, _ := t.r.ReadAt(p, t.base+int64(addr)); int64(got) < n { // a short read is told by its length
		return nil
	}
	return p
}

// beyond is an address as the library is told it.
func beyond(addr uint64) uint64 {
	if addr == undefined {
		return addr
	}
	return addr + uint64(Beyond)
}

// sealed appends the checksum of p. Where the bytes it was made of were wrong,
// it is wrong too: they are being written, and the library looks again.
func sealed(p []byte, right bool) []byte {
	sum := hdf5.Checksum(p)
	if !right {
		sum = ^sum
	}
	return binary.LittleEndian.AppendUint32(p, sum)
}

// checked says whether the last 4 bytes of p are its checksum.
func checked(p []byte) bool {
	n := len(p) - 4
	return n >= 0 && binary.LittleEndian.Uint32(p[n:]) == hdf5.Checksum(p[:n])
}

// number reads an unsigned little-endian number of up to 8 bytes.
func number(p []byte) uint64 {
	var n uint64
	for i := len(p) - 1; i >= 0; i-- {
		n = n<<8 | uint64(p[i])
	}
	return n
}

// appendNumber appends the low bytes of a number. One that does not fit is the
// largest that does, which is larger than any file.
func appendNumber(p []byte, n uint64, width int) []byte {
	if width < 8 && n>>(8*width) != 0 {
		n = ^uint64(0)
	}
	for range width {
		p = append(p, byte(n))
		n >>= 8
	}
	return p
}
