//go:build native

package hdf5file

// #include <stdlib.h>
// #include <string.h>
// #include "driver.h"
// #include "filters.h"
import "C"

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// filter is one step of what was done to chunks when they were written.
type filter struct {
	ID     int      `json:"id"`
	Values []uint32 `json:"values,omitempty"`
	Name   string   `json:"name,omitempty"`
}

// The filters that are undone here.
const (
	idDeflate    = 1
	idShuffle    = 2
	idFletcher   = 3
	idBzip2      = 307
	idLZF        = 32000
	idBlosc      = 32001
	idLZ4        = 32004
	idBitshuffle = 32008
	idZstd       = 32015
)

func (f filter) ours() bool {
	switch f.ID {
	case idDeflate, idShuffle, idFletcher, idBzip2, idLZF, idBlosc, idLZ4, idBitshuffle, idZstd:
		return true
	}
	return false
}

func readable(filters []filter) bool {
	for _, f := range filters {
		if !f.ours() {
			return false
		}
	}
	return len(filters) <= 32
}

// filters notes the filters of a data set, and what of them is missing.
func (n *notes) filters(plist C.hid_t) error {
	count := C.H5Pget_nfilters(plist)
	if count < 0 {
		return broken("filters")
	}
	for i := range C.uint(count) {
		var flags, config C.uint
		var values [64]C.uint
		var name [64]C.char
		many := C.size_t(len(values))
		id := C.H5Pget_filter2(plist, i, &flags, &many, &values[0], C.size_t(len(name)), &name[0], &config)
		if id < 0 || int(many) > len(values) {
			return broken("filters")
		}
		f := filter{ID: int(id), Name: C.GoString(&name[0])}
		for _, v := range values[:many] {
			f.Values = append(f.Values, uint32(v))
		}
		if !f.ours() && C.H5Zfilter_avail(id) <= 0 {
			n.How, n.Lacks = byNobody, fmt.Sprintf("the filter %d (%.40s) is not known here", f.ID, f.Name)
		}
		n.Filters = append(n.Filters, f)
	}
	return nil
}

// decoders are what undoing filters needs. It is safe for concurrent use.
type decoders struct {
	buffers sync.Pool // of *[]byte
	zstd    func() (*zstd.Decoder, error)
}

func newDecoders() *decoders {
	d := &decoders{}
	d.zstd = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxItem))
	})
	return d
}

func (d *decoders) buffer(n int) *[]byte {
	if b, ok := d.buffers.Get().(*[]byte); ok && cap(*b) >= n {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n)
	return &b
}

func damaged(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errdef.ErrUnprocessable)...)
}

// chunk undoes the filters of one chunk, but for those that mask says were left
// out. It fills dst, which has the size of a chunk.
func (d *decoders) chunk(dst []byte, filters []filter, mask uint32, raw []byte) error {
	var active []filter
	for i, f := range filters {
		if mask&(1<<i) == 0 {
			active = append(active, f)
		}
	}
	// sizes[i] is what filter i was given when it was written, -1 if unknown.
	sizes := make([]int, len(active)+1)
	sizes[0] = len(dst)
	for i, f := range active {
		switch {
		case f.ID == idShuffle || f.ID == idBitshuffle && f.compression() == 0:
			sizes[i+1] = sizes[i]
		case f.ID == idFletcher && sizes[i] >= 0:
			sizes[i+1] = sizes[i] + 4
		default:
			sizes[i+1] = -1
		}
	}
	for i := len(active) - 1; i >= 0; i-- {
		if sizes[i] < 0 { // known from what it has become
			switch f := active[i]; {
			case f.ID == idFletcher:
				sizes[i] = max(len(raw)-4, 0)
			case f.ID == idShuffle || f.ID == idBitshuffle && f.compression() == 0:
				sizes[i] = len(raw)
			default:
				sizes[i] = decodedSize(f, raw, -1)
			}
		}
		if sizes[i] < 0 || sizes[i] > maxItem {
			return fmt.Errorf("chunks that were compressed twice: %w", errdef.ErrUnsupported)
		}
		out := dst
		if i > 0 {
			held := d.buffer(sizes[i])
			defer d.buffers.Put(held)
			out = *held
		}
		n, err := d.undo(active[i], out, raw)
		if err == nil && n != len(out) {
			err = damaged("has %d bytes, expected %d", n, len(out))
		}
		if err != nil {
			return fmt.Errorf("filter %d: %w", active[i].ID, err)
		}
		raw = out
	}
	if len(active) == 0 {
		if len(raw) != len(dst) {
			return damaged("the chunk has %d bytes, expected %d", len(raw), len(dst))
		}
		copy(dst, raw)
	}
	return nil
}

// undo undoes one filter and returns how much it wrote to out.
func (d *decoders) undo(f filter, out, in []byte) (int, error) {
	if len(in) == 0 || len(out) == 0 {
		return 0, damaged("no bytes")
	}
	from, to := unsafe.Pointer(&in[0]), unsafe.Pointer(&out[0])
	switch f.ID {
	case idDeflate:
		n := C.tz_inflate(from, C.size_t(len(in)), to, C.size_t(len(out)))
		if n < 0 {
			return 0, damaged("does not inflate to %d bytes", len(out))
		}
		return int(n), nil
	case idBlosc:
		n := C.tz_blosc(from, C.size_t(len(in)), to, C.size_t(len(out)))
		if n < 0 {
			return 0, damaged("is no chunk of Blosc of %d bytes", len(out))
		}
		return int(n), nil
	case idShuffle:
		if len(f.Values) < 1 || f.Values[0] == 0 || len(in) != len(out) {
			return 0, damaged("shuffled %d bytes for %d", len(in), len(out))
		}
		C.tz_unshuffle((*C.uint8_t)(to), (*C.uint8_t)(from), C.size_t(len(in)), C.size_t(f.Values[0]))
		return len(in), nil
	case idFletcher:
		return fletcher(out, in)
	case idBzip2:
		return unbzip2(out, in)
	case idLZF:
		return lzf(out, in)
	case idLZ4:
		return lz4Blocks(out, in)
	case idBitshuffle:
		return d.bitshuffle(f, out, in)
	case idZstd:
		return d.unzstd(out, in)
	}
	return 0, fmt.Errorf("is not known: %w", errdef.ErrUnsupported)
}

func fletcher(out, in []byte) (int, error) {
	n := len(in) - 4
	if n < 1 || n > len(out) {
		return 0, damaged("%d bytes for %d and a checksum", len(in), len(out))
	}
	sum := uint32(C.tz_fletcher32((*C.uint8_t)(unsafe.Pointer(&in[0])), C.size_t(n)))
	stored := binary.LittleEndian.Uint32(in[n:])
	// Old versions of the library stored the bytes of each half the other way.
	swapped := sum&0x00FF00FF<<8 | sum>>8&0x00FF00FF
	if stored != sum && stored != swapped {
		return 0, damaged("the checksum is %08x, expected %08x", sum, stored)
	}
	return copy(out, in[:n]), nil
}

func (d *decoders) unzstd(out, in []byte) (int, error) {
	z, err := d.zstd()
	if err != nil {
		return 0, fmt.Errorf("zstd: %w: %w", err, errdef.ErrUnsupported)
	}
	b, err := z.DecodeAll(in, out[:0:len(out)])
	if err != nil || len(b) > len(out) {
		return 0, damaged("zstd: %v", err)
	}
	if len(b) > 0 && &b[0] != &out[0] {
		copy(out, b)
	}
	return len(b), nil
}

func unbzip2(out, in []byte) (int, error) {
	n, err := io.ReadFull(bzip2.NewReader(bytes.NewReader(in)), out)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, damaged("bzip2: %v", err)
	}
	return n, nil
}

// lz4Blocks reads what the LZ4 filter writes: the size of the whole, the size of
// its blocks, and blocks with their stored sizes, all numbers big-endian. A
// block that did not become smaller is stored as it was.
func lz4Blocks(out, in []byte) (int, error) {
	if len(in) < 12 {
		return 0, damaged("LZ4 in %d bytes", len(in))
	}
	size, block := binary.BigEndian.Uint64(in), uint64(binary.BigEndian.Uint32(in[8:]))
	if size > uint64(len(out)) || block == 0 {
		return 0, damaged("LZ4 of %d bytes, expected %d", size, len(out))
	}
	out, in = out[:size], in[12:]
	for at := uint64(0); at < size; at += block {
		want := out[at:min(at+block, size)]
		part, rest, err := sized(in)
		if err != nil {
			return 0, err
		}
		in = rest
		if len(part) == len(want) {
			copy(want, part)
			continue
		}
		if n, err := lz4.UncompressBlock(part, want); err != nil || n != len(want) {
			return 0, damaged("an LZ4 block of %d bytes", len(want))
		}
	}
	return int(size), nil
}

// sized takes a part with its size before it off in.
func sized(in []byte) (part, rest []byte, err error) {
	if len(in) < 4 || uint64(binary.BigEndian.Uint32(in)) > uint64(len(in)-4) {
		return nil, nil, damaged("a block is cut off")
	}
	n := 4 + binary.BigEndian.Uint32(in)
	return in[4:n], in[n:], nil
}

// compression is bitshuffle's own: 0 none, 2 LZ4, 3 zstd.
func (f filter) compression() uint32 {
	if len(f.Values) > 4 {
		return f.Values[4]
	}
	return 0
}

// bitshuffle undoes the bitshuffle filter: blocks of a multiple of 8 elements,
// each perhaps compressed, and at the end up to 7 elements as they are.
func (d *decoders) bitshuffle(f filter, out, in []byte) (int, error) {
	if len(f.Values) < 3 || f.Values[2] == 0 || uint64(f.Values[2]) > uint64(len(out)) {
		return 0, damaged("bitshuffle without the size of elements")
	}
	element := int(f.Values[2])
	block := max(8192/element/8*8, 128)
	if len(f.Values) > 3 && f.Values[3] != 0 {
		block = int(f.Values[3])
	}
	packed := f.compression() != 0
	if packed {
		if len(in) < 12 {
			return 0, damaged("bitshuffle in %d bytes", len(in))
		}
		if binary.BigEndian.Uint64(in) != uint64(len(out)) {
			return 0, damaged("bitshuffle of %d bytes, expected %d", binary.BigEndian.Uint64(in), len(out))
		}
		block = int(binary.BigEndian.Uint32(in[8:])) / element
		in = in[12:]
	} else if len(in) != len(out) {
		return 0, damaged("bitshuffle of %d bytes, expected %d", len(in), len(out))
	}
	if block <= 0 || block%8 != 0 || block > maxItem/element {
		return 0, damaged("bitshuffle in blocks of %d elements", block)
	}
	size := min(block*element, len(out))
	held := d.buffer(2 * size)
	defer d.buffers.Put(held)
	total := len(out)
	for len(out)/element >= 8 {
		n := min(block, len(out)/element/8*8)
		bits := (*held)[:n*element]
		rest, err := d.bits(f, bits, in, packed)
		if err != nil {
			return 0, err
		}
		in = rest
		C.tz_unbitshuffle((*C.uint8_t)(unsafe.Pointer(&out[0])), (*C.uint8_t)(unsafe.Pointer(&bits[0])),
			(*C.uint8_t)(unsafe.Pointer(&(*held)[size])), C.size_t(n), C.size_t(element))
		out = out[n*element:]
	}
	if len(in) < len(out) {
		return 0, damaged("bitshuffle: the end is cut off")
	}
	copy(out, in)
	return total, nil
}

// bits gets the bits of one block and what is behind it.
func (d *decoders) bits(f filter, bits, in []byte, packed bool) ([]byte, error) {
	if !packed {
		if len(in) < len(bits) {
			return nil, damaged("bitshuffle: a block is cut off")
		}
		copy(bits, in)
		return in[len(bits):], nil
	}
	part, rest, err := sized(in)
	if err != nil {
		return nil, err
	}
	var n int
	switch f.compression() {
	case 2:
		n, err = lz4.UncompressBlock(part, bits)
	case 3:
		n, err = d.unzstd(bits, part)
	default:
		return nil, fmt.Errorf("bitshuffle with compression %d: %w", f.compression(), errdef.ErrUnsupported)
	}
	if err != nil || n != len(bits) {
		return nil, damaged("bitshuffle: a block of %d bytes: %v", len(bits), err)
	}
	return rest, nil
}

// lzf undoes LZF: literal runs, and copies of what was written before.
func lzf(out, in []byte) (int, error) {
	at := 0
	for i := 0; i < len(in); {
		c := int(in[i])
		i++
		if c < 32 {
			c++
			if i+c > len(in) || at+c > len(out) {
				return 0, damaged("LZF: a run leaves the chunk")
			}
			at += copy(out[at:], in[i:i+c])
			i += c
			continue
		}
		n := c >> 5
		if n == 7 {
			if i >= len(in) {
				return 0, damaged("LZF: is cut off")
			}
			n += int(in[i])
			i++
		}
		if i >= len(in) {
			return 0, damaged("LZF: is cut off")
		}
		back := (c&31)<<8 + int(in[i]) + 1
		i++
		n += 2
		if back > at || at+n > len(out) {
			return 0, damaged("LZF: a copy leaves the chunk")
		}
		for range n {
			out[at] = out[at-back]
			at++
		}
	}
	return at, nil
}

// shared are the decoders that the library's own reading uses: it knows of
// nothing but C functions.
func shared() *decoders { return oneDecoders() }

var oneDecoders = sync.OnceValue(newDecoders) //nolint:gochecknoglobals // made once, for callbacks from C

// terrazzoFilter is called by the library to undo a filter of ours. It returns
// the size of what it has allocated at to, or 0.
//
//export terrazzoFilter
func terrazzoFilter(id C.int, n C.size_t, values *C.uint, data unsafe.Pointer, size, room C.size_t, to *unsafe.Pointer) C.size_t {
	f := filter{ID: int(id)}
	for _, v := range unsafe.Slice(values, int(n)) {
		f.Values = append(f.Values, uint32(v))
	}
	in := unsafe.Slice((*byte)(data), int(size))
	length := decodedSize(f, in, int(room))
	if length <= 0 || length > maxItem {
		return 0
	}
	p := C.malloc(C.size_t(length))
	if p == nil {
		return 0
	}
	got, err := shared().undo(f, unsafe.Slice((*byte)(p), length), in)
	if err != nil || got <= 0 {
		C.free(p)
		return 0
	}
	*to = p
	return C.size_t(got)
}

// decodedSize is how much a chunk becomes, as its header or filter says.
func decodedSize(f filter, in []byte, room int) int {
	switch f.ID {
	case idBlosc:
		if len(in) >= 16 {
			return int(binary.LittleEndian.Uint32(in[4:]))
		}
	case idLZ4:
		if len(in) >= 12 {
			return int(min(binary.BigEndian.Uint64(in), maxItem))
		}
	case idBitshuffle:
		if f.compression() == 0 {
			return len(in)
		}
		if len(in) >= 12 {
			return int(min(binary.BigEndian.Uint64(in), maxItem))
		}
	case idLZF: // the size of a chunk is the third value
		if len(f.Values) > 2 {
			return int(f.Values[2])
		}
	case idBzip2: // nothing says how much it becomes
		if n, err := io.Copy(io.Discard, io.LimitReader(bzip2.NewReader(bytes.NewReader(in)), maxItem+1)); err == nil {
			return int(n)
		}
	case idZstd:
		var h zstd.Header
		if err := h.Decode(in); err == nil && h.HasFCS {
			return int(min(h.FrameContentSize, maxItem))
		}
	}
	return room
}
