// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxNesting bounds how deep pages are looked into.
const maxNesting = 200

// Where in a page a walker is: links are rewritten below a key "links" alone, and never
// inside what users wrote ("metadata").
type place uint8

const (
	elsewhere place = iota
	inLinks
	inMetadata
	inMeta
	rootPath
)

// under is the place of the value of key.
func (p place) under(key string) place {
	switch {
	case p == inMetadata || p == inLinks:
		return p
	case key == "metadata":
		return inMetadata
	case key == "links", key == "authorization_uri", key == "verification_uri", key == "verification_uri_complete":
		return inLinks
	case key == "meta":
		return inMeta
	case key == "root_path" && p == inMeta:
		return rootPath
	}
	return elsewhere
}

// value rewrites a text found at a place.
func (p place) value(s string, by *prefixes) (string, bool) {
	switch p {
	case inLinks:
		return by.link(s)
	case rootPath:
		return by.path(s)
	case elsewhere, inMetadata, inMeta:
	}
	return s, false
}

// jsonLinks rewrites the links in a JSON page; every other byte stays what it is. False
// means that nothing was changed, or that body is no JSON.
func jsonLinks(body []byte, by *prefixes) ([]byte, bool) {
	if !json.Valid(body) {
		return nil, false
	}
	w := jsonWalker{rest: body, by: by}
	w.value(elsewhere, 0)
	if !w.changed {
		return nil, false
	}
	return append(w.out, w.rest...), true
}

// jsonWalker copies JSON that is known to be valid.
type jsonWalker struct {
	rest    []byte
	out     []byte
	by      *prefixes
	changed bool
}

// take copies the next n bytes.
func (w *jsonWalker) take(n int) {
	w.out = append(w.out, w.rest[:n]...)
	w.rest = w.rest[n:]
}

// space copies white space, and what separates members.
func (w *jsonWalker) space() {
	n := 0
	for n < len(w.rest) && strings.IndexByte(" \t\r\n,:", w.rest[n]) >= 0 {
		n++
	}
	w.take(n)
}

// text returns the next string as it stands, quotes included.
func (w *jsonWalker) text() []byte {
	for i := 1; i < len(w.rest); i++ {
		switch w.rest[i] {
		case '\\':
			i++
		case '"':
			return w.rest[:i+1]
		}
	}
	return w.rest
}

// value copies one value. Deeper than maxNesting it copies and looks no further.
func (w *jsonWalker) value(at place, depth int) {
	w.space()
	if len(w.rest) == 0 || depth > maxNesting {
		return
	}
	switch w.rest[0] {
	case '"':
		w.link(at)
	case '{', '[':
		w.members(at, depth)
	default:
		n := bytes.IndexAny(w.rest, ",:]} \t\r\n")
		if n < 0 {
			n = len(w.rest)
		}
		w.take(n)
	}
}

func (w *jsonWalker) members(at place, depth int) {
	object := w.rest[0] == '{'
	w.take(1)
	for depth < maxNesting {
		w.space()
		if len(w.rest) == 0 {
			return
		}
		if w.rest[0] == '}' || w.rest[0] == ']' {
			w.take(1)
			return
		}
		inside := at
		if object {
			key := w.text()
			inside = at.under(string(bytes.Trim(key, `"`)))
			w.take(len(key))
		}
		before := len(w.rest)
		w.value(inside, depth+1)
		if len(w.rest) == before {
			return
		}
	}
}

func (w *jsonWalker) link(at place) {
	raw := w.text()
	var s string
	if at == elsewhere || at == inMetadata || json.Unmarshal(raw, &s) != nil {
		w.take(len(raw))
		return
	}
	changed, ok := at.value(s, w.by)
	if !ok {
		w.take(len(raw))
		return
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(changed) != nil {
		w.take(len(raw))
		return
	}
	w.changed = true
	w.out = append(w.out, bytes.TrimSpace(b.Bytes())...)
	w.rest = w.rest[len(raw):]
}
