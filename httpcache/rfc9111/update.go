// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"net/textproto"
	"strings"
)

// Connection deletes the fields that belong to one connection and may not be stored or
// passed on (RFC 9111 §3.1, RFC 9110 §7.6.1): those of a fixed list and those that
// Connection names.
func Connection(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				delete(h, textproto.CanonicalMIMEHeaderKey(name))
			}
		}
	}
	for name := range h {
		if connectionField(name) {
			delete(h, name)
		}
	}
}

// connectionField tells whether a field, named in canonical form, never outlives its
// connection.
func connectionField(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade", "Trailer",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization":
		return true
	}
	return false
}

// Update returns the headers of a stored response after a 304 confirmed it: each field
// of the 304 replaces the stored one, except those that describe the body as stored
// (RFC 9111 §3.2, §4.3.4). Neither argument is changed; values are shared with both.
func Update(stored, confirmed http.Header) http.Header {
	out := make(http.Header, len(stored)+len(confirmed))
	for name, lines := range stored {
		out[name] = lines
	}
	for name, lines := range confirmed {
		if !bodyField(name) && !connectionField(name) {
			out[name] = lines
		}
	}
	// §4.2.3: the age of before no longer counts.
	if _, ok := confirmed["Age"]; !ok {
		delete(out, "Age")
	}
	return out
}

// bodyField names what a 304 cannot say anew about bytes that we hold.
func bodyField(name string) bool {
	switch name {
	case "Content-Length", "Content-Encoding", "Content-Range", "Content-Md5", "Content-Digest":
		return true
	}
	return false
}

// Confirms tells whether a 304 with these headers is about the stored response
// (§4.3.4): a 304 that names another entity tag is not. A 304 without validators is
// about the response whose validator was sent, which is the stored one.
func Confirms(s *Response, confirmed http.Header) bool {
	if tag := strings.TrimSpace(confirmed.Get("Etag")); tag != "" && s.ETag != "" {
		return weakMatch(tag, s.ETag)
	}
	return true
}
