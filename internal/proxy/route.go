// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// class is how the guard treats a request to a Tiled server.
type class uint8

const (
	// other: the web page and its like, for which the rules of HTTP are enough.
	other class = iota
	// passed: sign-in, streams, and what no cache may touch.
	passed
	// about: metadata, listings and their like.
	about
	// outline: the documents of a Zarr view, which some servers show to those alone who may
	// read data, and others to all who see metadata.
	outline
	// data: arrays, tables, files.
	data
)

// kept tells whether answers of this class may be kept by the rules for Tiled.
func (c class) kept() bool { return c == about || c == outline || c == data }

// api is where Tiled's API lies.
const api = "/api/v1/"

// target is what a request to a Tiled server asks for.
type target struct {
	class class
	// route is the part of the path that names the kind of request, "array/block".
	route string
	// node is the path of the node: segments decoded, empty ones dropped, joined by "/".
	node string
	// reads tells that a POST of this route only reads.
	reads bool
}

// classify takes the path of a request apart.
func classify(r *http.Request) target {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), api)
	if !ok {
		if rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/zarr/"); ok {
			return zarrTarget(rest)
		}
		return unrouted(r.URL.Path)
	}
	first, rest, more := strings.Cut(rest, "/")
	t := target{route: first}
	switch first {
	case "":
		if more {
			return target{class: passed}
		}
		// The About page: kept, for a client must have it to begin with, also offline. Its
		// cookie, which signing in needs, comes with the origin's 304.
		return target{class: about}
	case "metadata", "search", "search-deep", "distinct", "revisions":
		t.class = about
	case "array", "table", "container", "node", "awkward", "ragged", "sparse", "asset":
		var second string
		second, rest, _ = strings.Cut(rest, "/")
		t.class, t.route = data, first+"/"+second
		t.reads = first != "array" && first != "ragged"
	case "register", "data_source":
		t.class = passed
	default:
		return target{class: passed, route: first}
	}
	return t.about(rest)
}

// Bounds of a node's path that is kept: it is in a group for each node above it, and in
// the guard's memory.
const (
	maxNodePath  = 4096
	maxNodeDepth = 32
)

// about is t for the node at an escaped path.
func (t target) about(escaped string) target {
	t.node = nodePath(escaped)
	if len(t.node) > maxNodePath || strings.Count(t.node, "/") >= maxNodeDepth {
		return target{class: passed, route: t.route}
	}
	return t
}

// gathers tells whether an answer is put together from several nodes, so that it differs
// by which of them its asker may see: no one's may be given to another without asking.
func (t target) gathers() bool {
	return strings.HasPrefix(t.route, "container/") || strings.HasPrefix(t.route, "node/")
}

// zarrTarget takes the path of a Zarr view apart, "v2/a/b/0.1" or "v3/a/b/c/0/1". Listings
// and what has another form are passed.
func zarrTarget(rest string) target {
	version, rest, _ := strings.Cut(rest, "/")
	t := target{route: "zarr/" + version}
	above, last := "", rest
	if at := strings.LastIndexByte(rest, '/'); at >= 0 {
		above, last = rest[:at], rest[at+1:]
	}
	switch {
	case version == "v2" && (last == ".zarray" || last == ".zgroup" || last == ".zattrs"), version == "v3" && last == "zarr.json":
		t.class = outline
	case version == "v2" && above != "" && numbers(last, "."):
		t.class = data
	case version == "v3":
		at := strings.LastIndex(rest, "/c/")
		if at <= 0 || !numbers(rest[at+len("/c/"):], "/") {
			return target{class: passed, route: t.route}
		}
		t.class, above = data, rest[:at]
	default:
		return target{class: passed, route: t.route}
	}
	return t.about(above)
}

// numbers tells whether s is numbers with sep between them.
func numbers(s, sep string) bool {
	for part := range strings.SplitSeq(s, sep) {
		if part == "" || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}

// unrouted classifies what lies beside the API.
func unrouted(path string) target {
	for _, prefix := range []string{"/auth", "/device_code", "/zarr/", "/healthz", "/metrics", "/api", "/.well-known"} {
		if strings.HasPrefix(path, prefix) {
			return target{class: passed}
		}
	}
	return target{class: other}
}

// nodePath decodes the path of a node as Tiled does: empty segments count for nothing.
func nodePath(escaped string) string {
	segments := make([]string, 0, strings.Count(escaped, "/")+1)
	for segment := range strings.SplitSeq(escaped, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			decoded = segment
		}
		if decoded != "" {
			segments = append(segments, decoded)
		}
	}
	return strings.Join(segments, "/")
}

// ancestors lists the nodes above a node, the nearest first, the root ("") last.
func ancestors(node string) []string {
	var out []string
	for node != "" {
		node = node[:max(0, strings.LastIndexByte(node, '/'))]
		out = append(out, node)
	}
	return out
}

// MemberGroups are the cache groups that a response about a node is in: the node's own,
// and those of every subtree it lies in.
func MemberGroups(r *http.Request) []string {
	t := classify(r)
	if !t.class.kept() {
		return nil
	}
	out := []string{"node " + t.node, "tree " + t.node}
	for _, above := range ancestors(t.node) {
		out = append(out, "tree "+above)
	}
	return out
}

// WrittenGroups are the cache groups that a successful write makes untrue: all below
// the node, and the nodes above it, whose listings show it.
func WrittenGroups(r *http.Request) []string {
	t := classify(r)
	if r.Method == http.MethodPost && t.class == data && t.reads {
		return nil
	}
	if t.class == passed && t.route != "register" && t.route != "data_source" {
		return nil
	}
	t.node = strings.TrimSuffix(t.node, "/")
	out := []string{"tree " + t.node}
	if r.Method == http.MethodPost && (t.route == "metadata" || t.route == "register") {
		// A new child changes its parent's listing, and nothing below.
		out = []string{"node " + t.node}
	}
	for _, above := range ancestors(t.node) {
		out = append(out, "node "+above)
	}
	return out
}

// variant is what selects a Tiled response besides fields that are compared by meaning:
// Tiled splits Accept at comma and space, so its very text counts, and gives clients from
// before 0.2.19 other metadata.
func variant(r *http.Request) string {
	text := strings.Join(r.Header["Accept"], "\n") + "\t" + strings.Join(r.Header["Accept-Encoding"], "\n")
	if oldClient(r.UserAgent()) {
		text += "\told"
	}
	return text
}

// oldClient tells of Python clients that know access_blob instead of access_tags.
func oldClient(agent string) bool {
	version, ok := strings.CutPrefix(agent, "python-tiled/")
	if !ok {
		return false
	}
	limit := [3]int{0, 2, 19}
	for i, part := range strings.SplitN(version, ".", 3) {
		digits := strings.TrimLeft(part, "0123456789")
		n, err := strconv.Atoi(strings.TrimSuffix(part, digits))
		if err != nil || n != limit[i] {
			return err == nil && n < limit[i]
		}
	}
	return false
}
