package parquetfile

import (
	"encoding/binary"
	"fmt"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// compact reads Thrift's compact protocol, in which the footer and the headers
// of pages are written. The generated reader of the Arrow library allocates
// lists by the length that they claim; so everything is walked with this one
// before: a list has no more elements than bytes follow it, and nothing is
// nested without end.
//
// Errors stick: a reader that failed gives zeros.
type compact struct {
	data []byte
	at   int
	err  error
}

// The types of the compact protocol.
const (
	thriftStop   = 0
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

// maxNesting of structs and lists. Parquet's own metadata need less than ten.
const maxNesting = 24

func (c *compact) fail(why string) {
	if c.err == nil {
		c.err = fmt.Errorf("metadata: byte %d: %s: %w", c.at, why, errdef.ErrUnprocessable)
	}
	c.at = len(c.data)
}

func (c *compact) byte() byte {
	if c.at >= len(c.data) {
		c.fail("cut off")
		return 0
	}
	c.at++
	return c.data[c.at-1]
}

func (c *compact) uvarint() uint64 {
	v, n := binary.Uvarint(c.data[c.at:])
	if n <= 0 {
		c.fail("no number where one is expected")
		return 0
	}
	c.at += n
	return v
}

// int reads a zigzag number.
func (c *compact) int() int64 {
	v := c.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (c *compact) skip(n uint64) {
	if n > uint64(len(c.data)-c.at) {
		c.fail("longer than what holds it")
		return
	}
	c.at += int(n)
}

// list reads the head of a list.
func (c *compact) list() (n int, kind byte) {
	head := c.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = c.uvarint()
	}
	if size > uint64(len(c.data)-c.at) {
		c.fail("a list is longer than what holds it")
		return 0, 0
	}
	return int(size), head & 15
}

// fields gives each field of a struct to visit, which reads its value, or
// returns false to have it skipped. Bools have no bytes of their own: kind is
// their value.
func (c *compact) fields(depth int, visit func(id int, kind byte) bool) {
	if depth > maxNesting {
		c.fail("nested too deep")
		return
	}
	id := 0
	for c.err == nil {
		head := c.byte()
		kind := head & 15
		if kind == thriftStop {
			return
		}
		if delta := int(head >> 4); delta != 0 {
			id += delta
		} else {
			id = int(c.int())
		}
		if !visit(id, kind) {
			c.value(kind, depth)
		}
	}
}

// value skips a value.
func (c *compact) value(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		c.byte()
	case thriftI16, thriftI32, thriftI64:
		c.uvarint()
	case thriftDouble:
		c.skip(8)
	case thriftUUID:
		c.skip(16)
	case thriftBinary:
		c.skip(c.uvarint())
	case thriftList, thriftSet:
		n, kind := c.list()
		c.elements(n, kind, depth+1)
	case thriftMap:
		c.pairs(depth + 1)
	case thriftStruct:
		c.fields(depth+1, func(int, byte) bool { return false })
	default:
		c.fail("no such type")
	}
}

func (c *compact) elements(n int, kind byte, depth int) {
	if depth > maxNesting {
		c.fail("nested too deep")
		return
	}
	for i := 0; i < n && c.err == nil; i++ {
		c.element(kind, depth)
	}
}

// element skips an element of a list, in which bools have a byte each.
func (c *compact) element(kind byte, depth int) {
	if kind == thriftTrue || kind == thriftFalse {
		kind = thriftByte
	}
	c.value(kind, depth)
}

func (c *compact) pairs(depth int) {
	n := c.uvarint()
	if n == 0 {
		return
	}
	kinds := c.byte()
	if n > uint64(len(c.data)-c.at) || depth > maxNesting {
		c.fail("a map is longer than what holds it, or too deep")
		return
	}
	for i := uint64(0); i < n && c.err == nil; i++ {
		c.element(kinds>>4, depth)
		c.element(kinds&15, depth)
	}
}
