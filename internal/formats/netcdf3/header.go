package netcdf3

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

const (
	// maxHeader bounds what is read to describe a file.
	maxHeader = 64 << 20
	// maxAxes is numpy's own limit.
	maxAxes = 64
	// maxNumbers bounds the numbers in all attributes.
	maxNumbers = 1 << 20
)

// The external types (nc_type).
const (
	typeByte   = 1
	typeChar   = 2
	typeShort  = 3
	typeInt    = 4
	typeFloat  = 5
	typeDouble = 6
	typeUByte  = 7 // this and the following in CDF-5 alone
	typeUShort = 8
	typeUInt   = 9
	typeInt64  = 10
	typeUInt64 = 11
)

// The tags of the lists in a header.
const (
	tagAbsent     = 0
	tagDimensions = 10
	tagVariables  = 11
	tagAttributes = 12
)

// itemSizes are the sizes of the external types.
func itemSize(kind int32) int64 {
	return [...]int64{0, 1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8}[kind]
}

// header is what a file says before its data.
type header struct {
	version byte
	dims    []dimension
	attrs   []attribute
	vars    []variable
	// records is the length of the record dimension, stride the distance
	// between two records of a variable in bytes.
	records, stride int64
}

type dimension struct {
	name   string
	length int64
	record bool
}

type attribute struct {
	name string
	// value is a string, a number, or []any of numbers.
	value any
}

type variable struct {
	name  string
	dims  []int
	attrs []attribute
	kind  int32
	// begin is where the data lie.
	begin int64
	// shape has the length of the record dimension where there is one;
	// record says that there is. slab is the size of all data, or of those
	// of one record.
	shape  []int64
	record bool
	slab   int64
}

// begins says whether a file begins as classic files do.
func begins(f adapter.File) (bool, error) {
	start := make([]byte, 4)
	if f.Size() < int64(len(start)) {
		return false, nil
	}
	if err := adapter.ReadFull(f, start, 0); err != nil {
		return false, err
	}
	return string(start[:3]) == "CDF" && (start[3] == 1 || start[3] == 2 || start[3] == 5), nil
}

// readHeader reads and checks the header. The data of all variables lie within
// the file, so that whoever allocates by them allocates no more than it holds.
func readHeader(f adapter.File) (*header, error) {
	d := &decoder{
		r:    bufio.NewReaderSize(io.NewSectionReader(f, 0, min(f.Size(), maxHeader)), 16<<10),
		left: min(f.Size(), maxHeader), cut: f.Size() > maxHeader,
	}
	magic := d.bytes(4)
	if d.err != nil || string(magic[:3]) != "CDF" || magic[3] != 1 && magic[3] != 2 && magic[3] != 5 {
		return nil, unprocessable("does not begin as a classic NetCDF file does")
	}
	h := &header{version: magic[3]}
	d.wide = h.version == 5
	streaming := h.readRecords(d)
	h.readDimensions(d)
	h.attrs = d.attributes()
	h.readVariables(d)
	if d.err != nil {
		return nil, fmt.Errorf("header: %w", d.err)
	}
	if err := h.lay(); err != nil {
		return nil, err
	}
	if streaming {
		h.countRecords(f.Size())
	}
	return h, h.check(f.Size())
}

// readRecords reads the number of records; all ones mean that whoever wrote
// the file did not come back to write it down.
func (h *header) readRecords(d *decoder) (streaming bool) {
	if d.wide {
		n := d.uint64()
		h.records = int64(min(n, math.MaxInt64))
		return n == math.MaxUint64
	}
	n := d.uint32()
	h.records = int64(n)
	return n == math.MaxUint32
}

func (h *header) readDimensions(d *decoder) {
	n := d.list(tagDimensions)
	record := false
	for range n {
		dim := dimension{name: d.name(), length: d.count()}
		dim.record = dim.length == 0
		if dim.record && record {
			d.fail(unprocessable("two record dimensions"))
		}
		if d.err != nil {
			return
		}
		record = record || dim.record
		h.dims = append(h.dims, dim)
	}
}

func (h *header) readVariables(d *decoder) {
	n := d.list(tagVariables)
	seen := map[string]bool{}
	for range n {
		v := variable{name: d.name()}
		axes := d.count()
		for i := int64(0); i < axes && d.err == nil; i++ {
			dim := d.count()
			if d.err == nil && dim >= int64(len(h.dims)) {
				d.fail(unprocessable("variable %.40q: dimension %d of %d", v.name, dim, len(h.dims)))
			}
			v.dims = append(v.dims, int(dim))
		}
		v.attrs = d.attributes()
		v.kind = d.kind()
		d.count() // vsize, which follows from the rest and may not fit
		v.begin = d.offset(h.version)
		if d.err == nil && (seen[v.name] || v.name == "") {
			d.fail(unprocessable("two variables called %.40q", v.name))
		}
		if d.err != nil {
			return
		}
		seen[v.name] = true
		h.vars = append(h.vars, v)
	}
}

// lay finds out what lies where.
func (h *header) lay() error {
	records := 0
	for i := range h.vars {
		v := &h.vars[i]
		v.shape = make([]int64, len(v.dims))
		for axis, dim := range v.dims {
			v.shape[axis] = h.dims[dim].length
			if !h.dims[dim].record {
				continue
			}
			if axis > 0 {
				return unprocessable("variable %.40q: the record dimension is not its first", v.name)
			}
			v.record = true
		}
		inner := v.shape
		if v.record {
			inner = inner[1:]
		}
		var ok bool
		if v.slab, ok = structure.DataSize(inner, itemSize(v.kind)); !ok || v.slab > math.MaxInt64-8 {
			return unprocessable("variable %.40q: a shape of %v", v.name, inner)
		}
		if v.record {
			records++
			if h.stride > math.MaxInt64-v.slab-8 {
				return unprocessable("records of too many bytes")
			}
			h.stride += (v.slab + 3) &^ 3
		}
	}
	if records == 1 { // a single variable has records without padding
		for _, v := range h.vars {
			if v.record {
				h.stride = v.slab
			}
		}
	}
	return nil
}

// countRecords sets the number of records to what the file has room for.
func (h *header) countRecords(size int64) {
	h.records = 0
	first := int64(math.MaxInt64)
	for _, v := range h.vars {
		if v.record {
			first = min(first, v.begin)
		}
	}
	if first < size && h.stride > 0 {
		h.records = (size - first) / h.stride
	}
}

// check puts the number of records into the shapes and sees to it that all
// data lie within the file.
func (h *header) check(size int64) error {
	for i := range h.dims {
		if h.dims[i].record {
			h.dims[i].length = h.records
		}
	}
	for i := range h.vars {
		v := &h.vars[i]
		end, fits := v.slab, true
		if v.record {
			v.shape[0] = h.records
			switch {
			case h.records == 0:
				end = 0
			case h.stride > 0 && h.records-1 > (math.MaxInt64-v.slab)/h.stride:
				fits = false
			default:
				end = (h.records-1)*h.stride + v.slab
			}
		}
		if end > 0 && (!fits || v.begin > size || end > size-v.begin) {
			return unprocessable("is cut off: variable %.40q of shape %v at %d does not end within %d bytes", v.name, v.shape, v.begin, size)
		}
	}
	return nil
}

// decoder reads a header. After an error everything it returns is zero.
type decoder struct {
	r *bufio.Reader
	// left bytes may still be read; cut says that the file has more.
	left int64
	cut  bool
	// wide says that counts have 64 bits.
	wide bool
	// numbers in attributes until now.
	numbers int64
	err     error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// bytes reads n bytes, which are checked against what there is.
func (d *decoder) bytes(n int64) []byte {
	if d.err == nil && (n < 0 || n > d.left) {
		d.fail(unprocessable("is cut off: %d bytes expected, %d are left", n, d.left))
		if d.cut {
			d.err = fmt.Errorf("more than %d bytes: %w", maxHeader, errdef.ErrUnsupported)
		}
	}
	if d.err != nil {
		return make([]byte, 8)[:min(max(n, 0), 8)]
	}
	d.left -= n
	p := make([]byte, n)
	if _, err := io.ReadFull(d.r, p); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = unprocessable("is cut off")
		}
		d.fail(err)
	}
	return p
}

func (d *decoder) uint32() uint32 { return binary.BigEndian.Uint32(d.bytes(4)) }
func (d *decoder) uint64() uint64 { return binary.BigEndian.Uint64(d.bytes(8)) }

// count reads a NON_NEG.
func (d *decoder) count() int64 {
	var n uint64
	if d.wide {
		n = d.uint64()
	} else {
		n = uint64(d.uint32())
	}
	if n > math.MaxInt64 {
		d.fail(unprocessable("a count of %d", n))
		return 0
	}
	return int64(n)
}

// offset reads an OFFSET.
func (d *decoder) offset(version byte) int64 {
	var n uint64
	if version == 1 {
		n = uint64(d.uint32())
	} else {
		n = d.uint64()
	}
	if n > math.MaxInt64 {
		d.fail(unprocessable("an offset of %d", n))
		return 0
	}
	return int64(n)
}

// kind reads an nc_type.
func (d *decoder) kind() int32 {
	kind := d.uint32()
	if d.err == nil && (kind < typeByte || kind > typeUInt64 || kind > typeDouble && !d.wide) {
		d.fail(unprocessable("the type %d is not known", kind))
	}
	if d.err != nil {
		return typeByte
	}
	return int32(kind)
}

// list reads the head of a list and returns how many items follow.
func (d *decoder) list(tag uint32) int64 {
	got, n := d.uint32(), d.count()
	if d.err == nil && got != tag && (got != tagAbsent || n != 0) {
		d.fail(unprocessable("a list with the tag %d, expected %d", got, tag))
	}
	if d.err != nil {
		return 0
	}
	return n
}

func (d *decoder) name() string { return strings.ToValidUTF8(string(d.padded(d.count())), "\uFFFD") }

// padded reads n bytes and what fills them up to a multiple of four.
func (d *decoder) padded(n int64) []byte {
	if n > d.left || n < 0 {
		return d.bytes(n)
	}
	p := d.bytes((n + 3) &^ 3)
	return p[:min(n, int64(len(p)))]
}

func (d *decoder) attributes() []attribute {
	n := d.list(tagAttributes)
	var list []attribute
	for i := int64(0); i < n && d.err == nil; i++ {
		a := attribute{name: d.name()}
		kind, count := d.kind(), d.count()
		if d.err == nil && count > d.left/itemSize(kind) {
			d.bytes(math.MaxInt64) // says how much is left
		}
		if d.err != nil {
			return nil
		}
		data := d.padded(count * itemSize(kind))
		if kind != typeChar {
			d.numbers += count
		}
		if d.numbers > maxNumbers {
			d.fail(fmt.Errorf("more than %d numbers in attributes: %w", maxNumbers, errdef.ErrUnsupported))
		}
		if d.err != nil {
			return nil
		}
		a.value = attributeValue(kind, data, count)
		list = append(list, a)
	}
	return list
}

func unprocessable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}
