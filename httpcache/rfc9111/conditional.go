// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"strings"
	"time"
)

// OriginOnly tells whether a request has a precondition that only the origin may judge:
// If-Match and If-Unmodified-Since are not for caches (RFC 9111 §4.3.2).
func OriginOnly(h http.Header) bool {
	return len(h["If-Match"]) > 0 || len(h["If-Unmodified-Since"]) > 0
}

// NotModified tells whether a request's own preconditions are answered with 304 by a
// stored 200 (RFC 9111 §4.3.2, RFC 9110 §13.2.2): If-None-Match first, and only without
// it If-Modified-Since. It allocates nothing where the form of the date is the usual.
func NotModified(h http.Header, s *Response) bool {
	if s.Status != http.StatusOK {
		return false
	}
	if lines := h["If-None-Match"]; len(lines) > 0 {
		return matchesAny(lines, s.ETag)
	}
	since, ok := date(h["If-Modified-Since"])
	if !ok {
		return false
	}
	// §4.3.2: without Last-Modified the Date, or the time it arrived, stands in.
	modified := s.LastModified
	if modified.IsZero() {
		modified = s.Date
	}
	return !modified.Truncate(time.Second).After(since)
}

// matchesAny walks a list of entity tags, quoted or (as Tiled writes them) bare.
func matchesAny(lines []string, tag string) bool {
	for _, line := range lines {
		for rest := line; rest != ""; {
			var one string
			one, rest = cutTag(rest)
			if one == "*" || one != "" && tag != "" && weakMatch(one, tag) {
				return true
			}
		}
	}
	return false
}

// cutTag cuts the first entity tag off a list; a comma inside quotes is part of it.
func cutTag(s string) (tag, rest string) {
	s = strings.TrimLeft(s, " \t,")
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return strings.TrimRight(s[:i], " \t"), s[i+1:]
		}
	}
	return strings.TrimRight(s, " \t"), ""
}

// weakMatch is the weak comparison of RFC 9110 §8.8.3.2.
func weakMatch(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// strongMatch is the strong comparison.
func strongMatch(a, b string) bool {
	return a == b && a != "" && !strings.HasPrefix(a, "W/")
}

// Revalidation sets, on the headers of a request to the origin, the preconditions that
// ask whether s still holds (RFC 9111 §4.3.1), in place of the asker's own; Range goes
// too, for the whole response is asked about. h is changed.
func Revalidation(h http.Header, s *Response) {
	Unconditional(h)
	if s.ETag != "" {
		h["If-None-Match"] = []string{s.ETag}
	}
	if !s.LastModified.IsZero() {
		h["If-Modified-Since"] = []string{s.LastModified.UTC().Format(http.TimeFormat)}
	}
}

// Unconditional takes preconditions and Range off the headers of a request, so that
// its answer is a whole response that can be kept. h is changed.
func Unconditional(h http.Header) {
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Range", "Range"} {
		delete(h, name)
	}
}
