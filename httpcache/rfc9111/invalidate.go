// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dunglas/httpsfv"
)

// Safe tells whether a method is known to change nothing (RFC 9110 §9.2.1). A method
// that is not known is not safe.
func Safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace,
		"PROPFIND", "REPORT", "SEARCH", "QUERY", "PRI":
		return true
	}
	return false
}

// Invalidates tells whether an answer to a request of this method makes stored
// responses for its target untrue (RFC 9111 §4.4): a success or redirection to a
// method that is not safe.
func Invalidates(method string, status int) bool {
	return !Safe(method) && status >= 200 && status < 400
}

// InvalidatedURLs lists, besides the target itself, the URLs that such an answer makes
// untrue: those in Location and Content-Location, if they have the target's origin
// (§4.4). target must be absolute.
func InvalidatedURLs(target *url.URL, h http.Header) []*url.URL {
	var out []*url.URL
	for _, field := range []string{"Location", "Content-Location"} {
		value := h.Get(field)
		if value == "" {
			continue
		}
		u, err := target.Parse(value)
		if err == nil && u.Scheme == target.Scheme && strings.EqualFold(u.Host, target.Host) {
			out = append(out, u)
		}
	}
	return out
}

// The fields of RFC 9875.
const (
	groupsField       = "Cache-Groups"
	invalidationField = "Cache-Group-Invalidation"
	maxGroups         = 128
	maxGroupName      = 128
)

// Groups lists the cache groups that a response belongs to (RFC 9875 §2): the strings
// of Cache-Groups. A field that is no list of strings names none. At most 128 of at
// most 128 characters are read.
func Groups(h http.Header) []string { return groupList(h[groupsField]) }

// InvalidatedGroups lists the groups that an answer to an unsafe request makes untrue
// (RFC 9875 §3).
func InvalidatedGroups(h http.Header) []string { return groupList(h[invalidationField]) }

func groupList(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil {
		return nil
	}
	var out []string
	for _, member := range list[:min(len(list), maxGroups)] {
		item, ok := member.(httpsfv.Item)
		if !ok {
			continue
		}
		if name, ok := item.Value.(string); ok && name != "" && len(name) <= maxGroupName {
			out = append(out, name)
		}
	}
	return out
}
