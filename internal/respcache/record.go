// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// recordVersion begins every record. A record of another version is no record.
const recordVersion = 1

// Bounds of a record. A URL whose Vary explodes keeps the newest maxVariants.
const (
	maxVariants = 16
	maxFields   = 512
	// maxRecord bounds a record in bytes; a head of more than maxHead is not kept.
	maxRecord = store.MaxHeader / 2
	maxHead   = 128 << 10
)

// bounded tells whether a head is small enough to be kept.
func (p *response) bounded() bool {
	lines, bytes := 0, 0
	for name, values := range p.header {
		lines += len(values)
		for _, value := range values {
			bytes += len(name) + len(value)
		}
	}
	return lines <= maxFields && len(p.selectors) <= maxFields && bytes <= maxHead
}

// selector is a request field that selects a variant, and what it was.
type selector struct {
	name, value string
	present     bool
}

// response is the head of a stored response, or of one about to be stored. It is
// immutable.
type response struct {
	rfc9111.Response
	// selectors are the request fields that select it (RFC 9111 §4.1).
	selectors []selector
	// header is what is sent: without connection fields and those that are dropped.
	header http.Header
	// groups are the store groups it is in.
	groups []string
	// body is where its body lies, of size bytes.
	body store.Key
	size int64
	// cost is what it took the inner handler.
	cost time.Duration
	// tag is the guard's version of the source; language the Content-Language.
	tag, language string
}

// errRecord says that bytes from the store are no record.
var errRecord = errors.New("no record of this version")

// appendString, appendHeader and their like write the parts of a record: lengths and
// numbers as varints, strings after their length.
func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// encode writes one variant. What selects it comes first, so that a reader can pass on
// to the next one after a glance.
func (p *response) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(len(p.selectors)))
	for _, s := range p.selectors {
		b = appendString(b, s.name)
		b = appendString(b, s.value)
		b = binary.AppendUvarint(b, map[bool]uint64{true: 1}[s.present])
	}
	b = appendString(b, p.language)
	b = appendString(b, string(p.body))
	b = appendString(b, p.tag)
	b = appendString(b, p.ETag)
	for _, n := range []int64{
		int64(p.Status), int64(p.Flags), p.Received.UnixNano(), int64(p.InitialAge), int64(p.Lifetime),
		int64(p.StaleWhileRevalidate), int64(p.StaleIfError), p.Date.Unix(), lastModified(p.LastModified),
		p.size, int64(p.cost),
	} {
		b = binary.AppendVarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(p.groups)))
	for _, group := range p.groups {
		b = appendString(b, group)
	}
	lines := 0
	for _, values := range p.header {
		lines += len(values)
	}
	b = binary.AppendUvarint(b, uint64(lines))
	for name, values := range p.header {
		for _, value := range values {
			b = appendString(b, name)
			b = appendString(b, value)
		}
	}
	return b
}

// never stands for a Last-Modified that was not given.
const never = -1 << 62

func lastModified(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.Unix()
}

// appendRecord writes a record of variants, each as encode wrote it, newest first.
func appendRecord(variants [][]byte) []byte {
	b := []byte{recordVersion}
	for _, v := range variants {
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(b, v...)
	}
	return b
}

// splitRecord takes a record apart; the parts share its bytes.
func splitRecord(record []byte) ([][]byte, error) {
	if len(record) == 0 || record[0] != recordVersion {
		return nil, errRecord
	}
	r := reader{rest: string(record[1:])}
	var variants [][]byte
	for r.rest != "" {
		v := r.string()
		if r.bad || len(variants) >= maxVariants {
			return nil, errRecord
		}
		at := len(record) - len(r.rest)
		variants = append(variants, record[at-len(v):at])
	}
	return variants, nil
}

// reader reads the parts of a variant. After the first thing that does not fit, bad is
// set and everything is empty.
type reader struct {
	rest string
	bad  bool
}

func (r *reader) uvarint() uint64 {
	var n uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return n
		}
	}
	r.bad, r.rest = true, ""
	return 0
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, ""
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// count reads how many things follow; each takes at least one byte, so the rest bounds
// what may be allocated.
func (r *reader) count(most int) int {
	n := r.uvarint()
	if n > uint64(min(most, len(r.rest))) {
		r.bad, r.rest = true, ""
		return 0
	}
	return int(n)
}

// decode reads one variant. Its strings share one copy of the bytes.
func decode(variant []byte) (*response, error) {
	r := reader{rest: string(variant)}
	p := &response{selectors: r.selectors()}
	p.language = r.string()
	p.body = store.Key(r.string())
	p.tag = r.string()
	p.ETag = r.string()
	p.Status, p.Flags = int(r.varint()), rfc9111.Flags(r.varint())
	p.Received = time.Unix(0, r.varint())
	p.InitialAge, p.Lifetime = time.Duration(r.varint()), time.Duration(r.varint())
	p.StaleWhileRevalidate, p.StaleIfError = time.Duration(r.varint()), time.Duration(r.varint())
	p.Date = time.Unix(r.varint(), 0).UTC()
	if modified := r.varint(); modified != never {
		p.LastModified = time.Unix(modified, 0).UTC()
	}
	p.size, p.cost = r.varint(), time.Duration(r.varint())
	p.groups = make([]string, 0, r.count(store.MaxGroups))
	for range cap(p.groups) {
		p.groups = append(p.groups, r.string())
	}
	p.header = r.header()
	if r.bad || r.rest != "" || p.size < 0 || p.body == "" || p.Status < 200 || p.Status > 999 {
		return nil, errRecord
	}
	return p, nil
}

func (r *reader) selectors() []selector {
	n := r.count(maxFields)
	if n == 0 {
		return nil
	}
	out := make([]selector, 0, n)
	for range n {
		out = append(out, selector{name: r.string(), value: r.string(), present: r.uvarint() == 1})
	}
	return out
}

// header reads the fields into one map and one array of values; each slice ends at its
// own length, so that appending to it elsewhere cannot reach its neighbour.
func (r *reader) header() http.Header {
	n := r.count(maxFields)
	values := make([]string, 0, n)
	h := make(http.Header, n)
	for range n {
		name, value := r.string(), r.string()
		if had := h[name]; had != nil {
			h[name] = append(slices.Clip(had), value)
			continue
		}
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	return h
}
