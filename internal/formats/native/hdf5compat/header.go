package hdf5compat

import (
	"bytes"
	"encoding/binary"

	"github.com/terrazzo-data/terrazzo/internal/hdf5"
)

// The messages of object headers (section IV.A.2) that are looked at.
const (
	msgDatatype     = 0x03
	msgLayout       = 0x08
	msgAttribute    = 0x0C
	msgContinuation = 0x10
)

const (
	// maxHeader bounds the first part of an object header.
	maxHeader = 16 << 20
	// ordering is the flag of headers whose messages have a creation order,
	// shared that of messages which only say where they are.
	ordering = 0x04
	shared   = 0x02
)

// patchHeader patches the first part of an object header of version 2 (section
// IV.A.1.b).
func (t *Translator) patchHeader(addr int64, p []byte) (beyond bool) {
	if p[4] != 2 {
		return false
	}
	flags, at := p[5], 6
	if flags&0x20 != 0 {
		at += 16
	}
	if flags&0x10 != 0 {
		at += 4
	}
	width := 1 << (flags & 3)
	if at+width > len(p) {
		return false
	}
	size := number(p[at : at+width])
	at += width
	if size > maxHeader {
		return false
	}
	need := at + int(size) + 4
	if need <= len(p) {
		return t.patchMessages(p[:need], at, flags&ordering != 0)
	}
	rest := t.at(uint64(addr-t.base)+uint64(len(p)), int64(need-len(p)))
	if rest == nil {
		return false
	}
	whole := append(bytes.Clone(p), rest...)
	beyond = t.patchMessages(whole, at, flags&ordering != 0)
	copy(p, whole)
	t.tail = tail{addr + int64(len(p)), rest, whole[len(p):]}
	return beyond
}

// patchContinuation patches another part of an object header.
func (t *Translator) patchContinuation(addr int64, p []byte) (beyond bool) {
	ordered, known := t.ordered[addr]
	return known && t.patchMessages(p, 4, ordered)
}

// patchMessages patches the messages of whole from at on, which ends in its
// checksum.
func (t *Translator) patchMessages(whole []byte, at int, ordered bool) (beyond bool) {
	if !checked(whole) {
		return false
	}
	end := len(whole) - 4
	changed := false
	for at+4 <= end {
		kind, size, flags := whole[at], int(binary.LittleEndian.Uint16(whole[at+1:])), whole[at+3]
		at += 4
		if ordered {
			at += 2
		}
		if at+size > end {
			break
		}
		body := whole[at : at+size]
		at += size
		switch {
		case flags&shared != 0:
		case kind == msgDatatype:
			changed = older(body) || changed
		case kind == msgAttribute:
			changed = patchAttribute(body, false) > 0 || changed
		case kind == msgLayout:
			ok, far := t.patchLayout(body)
			changed, beyond = changed || ok, beyond || far
		case kind == msgContinuation && size >= 16 && len(t.ordered) < maxImages:
			t.ordered[t.base+int64(binary.LittleEndian.Uint64(body)&^(1<<63))] = ordered
		}
	}
	if changed {
		binary.LittleEndian.PutUint32(whole[end:], hdf5.Checksum(whole[:end]))
	}
	return beyond
}

// patchAttribute patches the data type of an attribute message of version 3
// (section IV.A.2.m). It returns the bytes up to where the values begin; 0 if
// there was nothing to patch, or it is none. With strict, p may be anything.
func patchAttribute(p []byte, strict bool) int {
	if len(p) < 9 || p[0] != 3 || p[1] > 3 || p[8] > 1 {
		return 0
	}
	name, kind, space := int(binary.LittleEndian.Uint16(p[2:])), int(binary.LittleEndian.Uint16(p[4:])), int(binary.LittleEndian.Uint16(p[6:]))
	begin := 9 + name
	end := begin + kind + space
	if name < 2 || end > len(p) || p[begin-1] != 0 || p[1]&1 != 0 {
		return 0 // its type is shared: it lies somewhere else
	}
	if strict && !plausible(p[9:begin-1], p[begin:begin+kind], p[begin+kind:end]) {
		return 0
	}
	if older(p[begin : begin+kind]) {
		return end
	}
	return 0
}

// plausible says whether these are the name, the type and the data space
// (section IV.A.2.b, version 2) of an attribute.
func plausible(name, kind, space []byte) bool {
	for _, c := range name {
		if c == 0 {
			return false
		}
	}
	if n, ok := datatype(kind, 0, nil); !ok || n != len(kind) {
		return false
	}
	if len(space) < 4 || space[0] != 2 || space[1] > 32 || space[2] > 1 || space[3] > 2 {
		return false
	}
	return len(space) == 4+8*int(space[1])*(1+int(space[2]))
}
