package hdf5

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Types of header messages (IV.A.2).
const (
	msgDataspace = 0x01
	msgLinkInfo  = 0x02
	msgDatatype  = 0x03
	msgFill      = 0x05
	msgLink      = 0x06
	msgLayout    = 0x08
	msgGroupInfo = 0x0a
	msgAttribute = 0x0c
)

// header is the object header of a node. Its length does not depend on where
// things lie.
func (n *Node) header() ([]byte, error) {
	var m []byte
	var err error
	if n.Dataset != nil {
		m, err = n.datasetMessages()
	} else {
		m = n.groupMessages()
	}
	if err != nil {
		return nil, err
	}
	for i := range n.Attributes {
		a, err := n.Attributes[i].message()
		if err != nil {
			return nil, fmt.Errorf("attribute %.200q: %w", n.Attributes[i].Name, err)
		}
		m = message(m, msgAttribute, a)
	}
	// Version 2, the length in four bytes.
	b := append([]byte("OHDR"), 2, 2)
	b = u32(b, int64(len(m)))
	return checked(append(b, m...)), nil
}

func message(b []byte, kind byte, body []byte) []byte {
	b = u16(append(b, kind), len(body))
	return append(append(b, 0), body...)
}

// groupMessages are a group's: links in the header, with their order.
func (n *Node) groupMessages() []byte {
	info := append([]byte{0, 1}, make([]byte, 8)...) // creation order is tracked
	binary.LittleEndian.PutUint64(info[2:], uint64(len(n.Members)))
	info = u64(u64(info, undefined), undefined)
	m := message(nil, msgLinkInfo, info)
	m = message(m, msgGroupInfo, []byte{0, 0})
	for i, member := range n.Members {
		// Name with its length in two bytes, order, character set.
		link := []byte{1, 1 | 1<<2 | 1<<4}
		link = append(u64(link, uint64(i)), 1)
		link = append(u16(link, len(member.Name)), member.Name...)
		m = message(m, msgLink, u64(link, uint64(member.at))) //nolint:gosec // not negative
	}
	return m
}

func (n *Node) datasetMessages() ([]byte, error) {
	datatype, err := datatypeOf(n.Dataset.Type)
	if err != nil {
		return nil, err
	}
	if len(datatype) > maxMessage {
		return nil, fmt.Errorf("a type of %d bytes, at most %d can be written: %w", len(datatype), maxMessage, errdef.ErrNotAcceptable)
	}
	m := message(nil, msgDataspace, dataspace(n.Dataset.Shape))
	m = message(m, msgDatatype, datatype)
	// Space is there late, zeros are written where it is, as libhdf5 does it.
	m = message(m, msgFill, []byte{3, 0x0a})
	layout := []byte{3, 1}
	if n.bytes == 0 {
		layout = u64(u64(layout, undefined), 0)
	} else {
		layout = u64(u64(layout, uint64(n.data)), uint64(n.bytes)) //nolint:gosec // not negative
	}
	return message(m, msgLayout, layout), nil
}

// dataspace is that of version 2; nil is a scalar.
func dataspace(shape []int64) []byte {
	if len(shape) == 0 {
		return []byte{2, 0, 0, 0}
	}
	b := []byte{2, byte(len(shape)), 0, 1} //nolint:gosec // at most 32
	for _, extent := range shape {
		b = u64(b, uint64(extent)) //nolint:gosec // not negative
	}
	return b
}

// message is the attribute's, of version 3.
func (a *Attribute) message() ([]byte, error) {
	datatype, space, data, err := a.value()
	if err != nil {
		return nil, err
	}
	if len(a.Name)+len(datatype)+len(space)+len(data) > maxMessage {
		return nil, fmt.Errorf("%d bytes, at most %d can be written: %w", len(data), maxMessage, errdef.ErrNotAcceptable)
	}
	b := []byte{3, 0}
	b = u16(u16(u16(b, len(a.Name)+1), len(datatype)), len(space))
	b = append(append(append(b, 1), a.Name...), 0)
	b = append(append(b, datatype...), space...)
	return append(b, data...), nil
}

func (a *Attribute) value() (datatype, space, data []byte, err error) {
	switch {
	case a.targets != nil && a.listed:
		return vlen(objectReference(), 0), dataspace(a.Shape), a.pointers(1), nil
	case a.targets != nil:
		return objectReference(), dataspace(a.Shape), u64(nil, uint64(a.targets[0].at)), nil //nolint:gosec // not negative
	case a.Texts != nil:
		return vlen(integer(1, 0, false), 0x101), dataspace(a.Shape), a.pointers(0), nil
	case a.Data == nil:
		datatype, err = datatypeOf(structure.DType{Kind: 'S', ItemSize: 1})
		return datatype, []byte{2, 0, 0, 2}, nil, err
	}
	datatype, err = datatypeOf(a.Type)
	if a.ended && err == nil {
		datatype[1] = 0
	}
	return datatype, dataspace(a.Shape), stored(a.Type, a.Data), err
}

// pointers are elements that lie in heaps: how many there are, or the length of
// the text, and where.
func (a *Attribute) pointers(count int64) []byte {
	var b []byte
	for i, p := range a.heap {
		n := count
		if a.Texts != nil {
			n = int64(len(a.Texts[i]))
		}
		if p.heap == nil {
			b = append(b, make([]byte, 16)...)
			continue
		}
		b = u32(b, n)
		b = u32(u64(b, uint64(p.heap.at)), int64(p.index)) //nolint:gosec // not negative
	}
	return b
}

// checked appends the check sum of metadata.
func checked(b []byte) []byte { return u32(b, int64(Checksum(b))) }

// Checksum is that of metadata (V.A): Jenkins' lookup3.
func Checksum(key []byte) uint32 {
	a := 0xdeadbeef + uint32(len(key)) //nolint:gosec // modulo 2^32
	b, c := a, a
	for len(key) > 12 {
		a += binary.LittleEndian.Uint32(key)
		b += binary.LittleEndian.Uint32(key[4:])
		c += binary.LittleEndian.Uint32(key[8:])
		a = a - c ^ bits.RotateLeft32(c, 4)
		c += b
		b = b - a ^ bits.RotateLeft32(a, 6)
		a += c
		c = c - b ^ bits.RotateLeft32(b, 8)
		b += a
		a = a - c ^ bits.RotateLeft32(c, 16)
		c += b
		b = b - a ^ bits.RotateLeft32(a, 19)
		a += c
		c = c - b ^ bits.RotateLeft32(b, 4)
		b += a
		key = key[12:]
	}
	if len(key) == 0 {
		return c
	}
	var last [12]byte
	copy(last[:], key)
	a += binary.LittleEndian.Uint32(last[0:])
	b += binary.LittleEndian.Uint32(last[4:])
	c += binary.LittleEndian.Uint32(last[8:])
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	return (c ^ b) - bits.RotateLeft32(b, 24)
}
