package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/structure"
)

// base returns the URL of the API as the client sees it, without a slash at
// the end: what links are built from. Forwarded headers count only from
// proxies that were named, since whoever sets them decides where clients go.
func (c *call) base() string { return c.origin() + api }

// origin is scheme, host and root path as the client sees them.
func (c *call) origin() string { return c.Origin(c.r) }

// Origin returns the scheme, host and root path that links in the answer to r
// are built from.
func (a *API) Origin(r *http.Request) string {
	if a.PublicURL != "" {
		return a.PublicURL
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if a.trusted(r) {
		if v := first(r.Header.Get("X-Forwarded-Proto")); v == "http" || v == "https" {
			scheme = v
		}
		if v := first(r.Header.Get("X-Forwarded-Host")); validHost(v) {
			host = v
		}
	}
	if !validHost(host) {
		host = "localhost"
	}
	return scheme + "://" + host + a.RootPath
}

// trusted tells whether the request came straight from a proxy that was named.
func (a *API) trusted(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range a.Proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// first is the first of a comma-separated list, the proxy nearest the client.
func first(list string) string {
	value, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(value)
}

// validHost takes what RFC 3986 §3.2.2 allows in a host with port, and nothing
// that could end the authority of a link.
func validHost(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	return strings.IndexFunc(host, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return false
		}
		return !strings.ContainsRune("-._~:[]", r)
	}) < 0
}

// readable has bytes that are not UTF-8 as %XX, as keys have them: a client that
// sends a key as it is has sent what its %XX stand for.
func readable(path []string) []string {
	for i, key := range path {
		if utf8.ValidString(key) {
			continue
		}
		var b strings.Builder
		for len(key) > 0 {
			r, size := utf8.DecodeRuneInString(key)
			if r == utf8.RuneError && size == 1 {
				fmt.Fprintf(&b, "%%%02X", key[0])
			} else {
				b.WriteString(key[:size])
			}
			key = key[size:]
		}
		path[i] = b.String()
	}
	return path
}

// inLink joins keys to a path in a link. Tiled's clients follow links as they
// are, and expect names as they are in them, so only what would end or change
// there is encoded.
func inLink(path []string) string {
	var b strings.Builder
	for i, key := range path {
		if i > 0 {
			b.WriteByte('/')
		}
		for j := range len(key) {
			switch c := key[j]; {
			case c < ' ', c == 0x7f, c == '#', c == '?', c == '%':
				fmt.Fprintf(&b, "%%%02X", c)
			default:
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

// links returns the links of a node, as its family has them.
func links(base, path string, family structure.Family, ndim int) map[string]any {
	to := func(route string) string { return base + "/" + route + "/" + path }
	doc := map[string]any{"self": to("metadata")}
	switch family {
	case structure.FamilyContainer:
		doc["search"], doc["search_deep"], doc["full"] = to("search"), to("search-deep"), to("container/full")
	case structure.FamilyArray, structure.FamilySparse:
		indexes := make([]string, ndim)
		for i := range indexes {
			indexes[i] = fmt.Sprintf("{%d}", i)
		}
		doc["full"], doc["block"] = to("array/full"), to("array/block")+"?block="+strings.Join(indexes, ",")
	case structure.FamilyTable:
		doc["full"], doc["partition"] = to("table/full"), to("table/partition")+"?partition={index}"
	case structure.FamilyAwkward:
		doc["full"], doc["buffers"] = to("awkward/full"), to("awkward/buffers")
	case structure.FamilyRagged:
		doc["full"], doc["block"] = to("ragged/full"), to("ragged/block")+"?block={0}"
	case structure.FamilyBytes:
	}
	return doc
}
