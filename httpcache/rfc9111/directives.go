// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"strings"
	"time"
)

// maxDelta is what a delta-seconds that is too large counts as: RFC 9111 §1.2.2
// says 2^31 seconds, or the greatest a recipient can represent.
const maxDelta = (1 << 31) * time.Second

// directives walks the directives of a Cache-Control field, line by line, without
// allocating. Names are returned as written; compare them with [strings.EqualFold].
// A value is returned without its quotes; a backslash inside it stays.
type directives struct {
	lines []string
	rest  string
}

// directive is one name, with the value that follows "=" if there is one.
type directive struct {
	name, value string
	hasValue    bool
	// quoted tells that the value stood in quotes.
	quoted bool
}

func walk(lines []string) directives {
	return directives{lines: lines}
}

// next returns the next directive, or false at the end. It always makes progress,
// so it ends whatever it is fed.
func (d *directives) next() (directive, bool) {
	for {
		d.rest = strings.TrimLeft(d.rest, " \t,")
		if d.rest != "" {
			return d.take(), true
		}
		if len(d.lines) == 0 {
			return directive{}, false
		}
		d.rest, d.lines = d.lines[0], d.lines[1:]
	}
}

// take cuts one directive off the front of d.rest, which is not empty.
func (d *directives) take() directive {
	end := strings.IndexAny(d.rest, ",=")
	if end < 0 {
		out := directive{name: strings.TrimRight(d.rest, " \t")}
		d.rest = ""
		return out
	}
	out := directive{name: d.rest[:end]}
	if d.rest[end] == ',' {
		out.name = strings.TrimRight(out.name, " \t")
		d.rest = d.rest[end+1:]
		return out
	}
	out.hasValue = true
	d.rest = d.rest[end+1:]
	if strings.HasPrefix(d.rest, `"`) {
		out.quoted = true
		out.value, d.rest = cutQuoted(d.rest[1:])
		return out
	}
	if comma := strings.IndexByte(d.rest, ','); comma >= 0 {
		out.value, d.rest = d.rest[:comma], d.rest[comma+1:]
	} else {
		out.value, d.rest = d.rest, ""
	}
	// A space after "=" stays and makes a number invalid: RFC 9111 §5.2 has none there.
	out.value = strings.TrimRight(out.value, " \t")
	return out
}

// cutQuoted returns the text up to the closing quote and what follows the next
// comma. A string that is never closed reaches to the end of the line.
func cutQuoted(s string) (value, rest string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			value, rest = s[:i], s[i+1:]
			if comma := strings.IndexByte(rest, ','); comma >= 0 {
				return value, rest[comma+1:]
			}
			return value, ""
		}
	}
	return s, ""
}

// delta parses delta-seconds (RFC 9111 §1.2.2): digits and nothing else. A number
// beyond 2^31 is 2^31.
func delta(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	seconds := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		seconds = min(seconds*10+int64(s[i]-'0'), int64(maxDelta/time.Second))
	}
	return time.Duration(seconds) * time.Second, true
}

// age parses an Age field: the first member of the list counts and the others are
// dropped (RFC 9111 §5.1); what is no number is no Age. A parameter, which the grammar
// does not have, is not reason enough to take something old for new.
func age(lines []string) time.Duration {
	if len(lines) == 0 {
		return 0
	}
	first, _, _ := strings.Cut(lines[0], ",")
	first, _, _ = strings.Cut(first, ";")
	d, ok := delta(strings.TrimSpace(first))
	if !ok {
		return 0
	}
	return d
}
