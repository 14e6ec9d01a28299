// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"strconv"

	"github.com/dunglas/httpsfv"
)

// targeted returns the directives of the first targeted field that is there, valid and
// not empty (RFC 9213 §2.2), written as Cache-Control would write them.
func (p Policy) targeted(h http.Header) ([]string, bool) {
	for _, name := range p.Targets {
		lines := h[name]
		if len(lines) == 0 {
			continue
		}
		if d, ok := plain(lines); ok {
			return d, true
		}
	}
	return nil, false
}

// plain reads a targeted field. Most are a list of bare words, which are a Structured
// Field already; only what has values goes through the full parser.
func plain(lines []string) ([]string, bool) {
	if bareKeys(lines) {
		return lines, true
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dict.Names()) == 0 {
		return nil, false
	}
	out := make([]string, 0, len(dict.Names()))
	for _, name := range dict.Names() {
		member, _ := dict.Get(name)
		item, ok := member.(httpsfv.Item)
		if !ok {
			continue
		}
		switch v := item.Value.(type) {
		case bool:
			if v {
				out = append(out, name)
			}
		case int64:
			out = append(out, name+"="+strconv.FormatInt(v, 10))
		case httpsfv.Token:
			out = append(out, name+"="+string(v))
		default:
			// RFC 9213 §2.1: max-age and its like are Integers; another type is no value
			// of theirs, and the directive is dropped.
		}
	}
	return out, true
}

// bareKeys tells whether the field is one or more Structured Field keys without
// values or parameters ("public, no-cache").
func bareKeys(lines []string) bool {
	for _, line := range lines {
		expectKey := true
		for i := range len(line) {
			switch c := line[i]; {
			case c >= 'a' && c <= 'z':
				expectKey = false
			case c == '-' && !expectKey:
			case c == ',' && !expectKey:
				expectKey = true
			case c == ' ' && i > 0 && line[i-1] == ',':
			default:
				return false
			}
		}
		if expectKey {
			return false
		}
	}
	return true
}
