// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"strconv"
	"strings"
)

// Part is the piece of a stored body that answers a request.
type Part struct {
	// Status is 200 for all of it, 206 for a piece, 416 if there is no such piece.
	Status int
	// Start and Length say which bytes to send; of all of it with 200, of none with 416.
	Start, Length int64
	// ContentRange is the value of that field with 206 and 416, else "".
	ContentRange string
}

// Range answers the Range and If-Range fields of a GET from a stored 200 of size bytes
// (RFC 9110 §14.2, §13.1.5). More than one range, another unit and what cannot be read
// are answered with the whole, as a server may.
func Range(h http.Header, s *Response, size int64) Part {
	whole := Part{Status: s.Status, Length: size}
	lines := h["Range"]
	if s.Status != http.StatusOK || len(lines) != 1 || !ifRange(h, s) {
		return whole
	}
	start, end, ok := parseRange(lines[0], size)
	if !ok {
		return whole
	}
	total := strconv.FormatInt(size, 10)
	if start >= size || end < start {
		return Part{Status: http.StatusRequestedRangeNotSatisfiable, ContentRange: "bytes */" + total}
	}
	end = min(end, size-1)
	return Part{
		Status: http.StatusPartialContent, Start: start, Length: end - start + 1,
		ContentRange: "bytes " + strconv.FormatInt(start, 10) + "-" + strconv.FormatInt(end, 10) + "/" + total,
	}
}

// PlainRange tells whether a cache can answer the Range field of a request by [Range]: it
// is absent, or one range of bytes. Others are for the origin, which may know how.
func PlainRange(h http.Header) bool {
	lines := h["Range"]
	if len(lines) == 0 {
		return true
	}
	_, _, ok := parseRange(lines[0], 1)
	return ok && len(lines) == 1
}

// ifRange tells whether Range counts: no If-Range, or one that is strongly the stored
// response's validator (RFC 9110 §13.1.5).
func ifRange(h http.Header, s *Response) bool {
	value := strings.TrimSpace(h.Get("If-Range"))
	if value == "" {
		return len(h["If-Range"]) == 0
	}
	if when, ok := ParseDate(value); ok {
		return !s.LastModified.IsZero() && when.Equal(s.LastModified)
	}
	return strongMatch(value, s.ETag)
}

// parseRange reads "bytes=" with one range in it; last is inclusive. A suffix that is
// longer than the body is all of it, one of no bytes cannot be satisfied.
func parseRange(value string, size int64) (start, last int64, ok bool) {
	unit, spec, found := strings.Cut(value, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return 0, 0, false
	}
	from, to, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found {
		return 0, 0, false
	}
	if from == "" {
		n, ok := position(to)
		if !ok {
			return 0, 0, false
		}
		if n == 0 {
			return size, size, true
		}
		return max(0, size-n), size - 1, true
	}
	if start, ok = position(from); !ok {
		return 0, 0, false
	}
	if to == "" {
		return start, max(start, size-1), true
	}
	last, ok = position(to)
	return start, last, ok && last >= start
}

// position reads a byte position; one too large for an int64 is no position.
func position(s string) (int64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
