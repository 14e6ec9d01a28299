// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"encoding/binary"
	"math"
)

// msgpackLinks is jsonLinks for a MessagePack page. False means that nothing was changed,
// or that body is not one whole MessagePack value.
func msgpackLinks(body []byte, by *prefixes) ([]byte, bool) {
	w := packWalker{rest: body, by: by}
	w.value(elsewhere, 0)
	if w.bad || len(w.rest) > 0 || !w.changed {
		return nil, false
	}
	return w.out, true
}

// packWalker copies MessagePack. After the first byte that does not fit, bad is set.
type packWalker struct {
	rest    []byte
	out     []byte
	by      *prefixes
	changed bool
	bad     bool
}

// take copies the next n bytes.
func (w *packWalker) take(n uint64) {
	if w.bad || n > uint64(len(w.rest)) {
		w.bad = true
		return
	}
	w.out = append(w.out, w.rest[:n]...)
	w.rest = w.rest[n:]
}

// length reads the length that follows a type byte in width bytes.
func (w *packWalker) length(width int) uint64 {
	if len(w.rest) < 1+width {
		w.bad = true
		return 0
	}
	n := uint64(0)
	for _, b := range w.rest[1 : 1+width] {
		n = n<<8 | uint64(b)
	}
	return n
}

// value copies one value.
func (w *packWalker) value(at place, depth int) {
	if w.bad || len(w.rest) == 0 || depth > maxNesting {
		w.bad = true
		return
	}
	switch c := w.rest[0]; {
	case c <= 0x7f || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3: // small numbers, nil, booleans
		w.take(1)
	case c <= 0x8f:
		w.items(1, uint64(c&0x0f), true, at, depth)
	case c <= 0x9f:
		w.items(1, uint64(c&0x0f), false, at, depth)
	case c <= 0xbf:
		w.text(1, uint64(c&0x1f), at)
	case c >= 0xd9 && c <= 0xdb: // str 8, 16, 32
		width := 1 << (c - 0xd9)
		w.text(1+width, w.length(width), at)
	case c == 0xdc || c == 0xdd: // array 16, 32
		width := 2 << (c - 0xdc)
		w.items(uint64(1+width), w.length(width), false, at, depth)
	case c == 0xde || c == 0xdf: // map 16, 32
		width := 2 << (c - 0xde)
		w.items(uint64(1+width), w.length(width), true, at, depth)
	default:
		w.opaque(c)
	}
}

// opaque copies bytes, extensions and numbers.
func (w *packWalker) opaque(c byte) {
	switch {
	case c >= 0xc4 && c <= 0xc6: // bin 8, 16, 32
		width := 1 << (c - 0xc4)
		w.take(uint64(1+width) + w.length(width))
	case c >= 0xc7 && c <= 0xc9: // ext 8, 16, 32
		width := 1 << (c - 0xc7)
		w.take(uint64(2+width) + w.length(width))
	case c == 0xca: // float 32
		w.take(5)
	case c == 0xcb: // float 64
		w.take(9)
	case c >= 0xcc && c <= 0xcf: // uint
		w.take(1 + 1<<(c-0xcc))
	case c >= 0xd0 && c <= 0xd3: // int
		w.take(1 + 1<<(c-0xd0))
	case c >= 0xd4 && c <= 0xd8: // fixext
		w.take(2 + 1<<(c-0xd4))
	default:
		w.bad = true
	}
}

// items copies the members of an array or map of n, each of which takes a byte at least.
func (w *packWalker) items(header, n uint64, pairs bool, at place, depth int) {
	w.take(header)
	for i := uint64(0); i < n && !w.bad; i++ {
		inside := at
		if pairs {
			inside = at.under(w.key())
			w.value(elsewhere, depth+1)
		}
		w.value(inside, depth+1)
	}
}

// key is the string that comes next, without moving; "" if it is none.
func (w *packWalker) key() string {
	if len(w.rest) == 0 {
		return ""
	}
	var start int
	var n uint64
	switch c := w.rest[0]; {
	case c >= 0xa0 && c <= 0xbf:
		start, n = 1, uint64(c&0x1f)
	case c == 0xd9 && len(w.rest) > 1:
		start, n = 2, uint64(w.rest[1])
	default:
		return ""
	}
	if n > uint64(len(w.rest)-start) {
		return ""
	}
	return string(w.rest[start : start+int(n)])
}

// text copies a string of n bytes after a header of that many, rewritten.
func (w *packWalker) text(header int, n uint64, at place) {
	if w.bad || n > uint64(len(w.rest)) || uint64(header)+n > uint64(len(w.rest)) {
		w.bad = true
		return
	}
	whole := uint64(header) + n
	changed, ok := at.value(string(w.rest[header:whole]), w.by)
	if !ok {
		w.take(whole)
		return
	}
	w.changed = true
	w.out = appendPackString(w.out, changed)
	w.rest = w.rest[whole:]
}

// appendPackString writes a string in the shortest form.
func appendPackString(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		b = append(b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(min(n, math.MaxUint32)))
	}
	return append(b, s...)
}
