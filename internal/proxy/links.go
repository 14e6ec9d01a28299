// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxRewritten is the largest body in which links are looked for, in bytes; a larger one
// passes as it is. Tiled's pages are far below.
const maxRewritten = 64 << 20

// relinker makes links that an origin built lead back through the proxy: where either of
// the two lies below a path, and where an origin does not heed X-Forwarded-Host.
type relinker struct {
	origin *url.URL
	// pages: links in the pages of a Tiled server are rewritten too, not only fields.
	pages bool
}

// prefixes are the beginnings of links that lead to the origin, as the origin may have
// written them for a client that used base, and what replaces them.
type prefixes struct {
	from [2]string
	to   string
	// fromPath and toPath are the same for links without a host.
	fromPath, toPath string
}

func (l *relinker) prefixes(base string) (prefixes, bool) {
	outside, err := url.Parse(base)
	if err != nil || outside.Host == "" {
		return prefixes{}, false
	}
	path := strings.TrimRight(l.origin.EscapedPath(), "/")
	return prefixes{
		from:     [2]string{outside.Scheme + "://" + outside.Host + path, l.origin.Scheme + "://" + l.origin.Host + path},
		to:       strings.TrimRight(base, "/"),
		fromPath: path, toPath: strings.TrimRight(outside.EscapedPath(), "/"),
	}, true
}

// link is s as a client is to see it, and whether that is another text.
func (p *prefixes) link(s string) (string, bool) {
	for _, from := range p.from {
		rest, ok := strings.CutPrefix(s, from)
		if ok && (rest == "" || strings.ContainsRune("/?#", rune(rest[0]))) {
			return p.to + rest, p.to != from
		}
	}
	return s, false
}

// path is link for one that begins with its path.
func (p *prefixes) path(s string) (string, bool) {
	rest, ok := strings.CutPrefix(s, p.fromPath)
	if !ok || strings.HasPrefix(s, "//") || rest != "" && rest[0] != '/' || p.fromPath == p.toPath {
		return s, false
	}
	return p.toPath + rest, true
}

// answer rewrites the links of an answer in place. A body that cannot be read is an error
// of the origin's connection; one that is not what its type says stays as it is.
func (l *relinker) answer(r *http.Response, base string, class class) error {
	p, ok := l.prefixes(base)
	if !ok {
		return nil
	}
	p.fields(r.Header)
	if !l.pages || class != about && class != passed || r.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var rewrite func([]byte, *prefixes) ([]byte, bool)
	switch media {
	case "application/json":
		rewrite = jsonLinks
	case msgpack:
		rewrite = msgpackLinks
	default:
		return nil
	}
	if r.Request.Method == http.MethodHead {
		r.Header.Del("Content-Length") // that of the body before
		return nil
	}
	if r.Header.Get("Content-Encoding") != "" || r.ContentLength > maxRewritten {
		return nil
	}
	return l.body(r, &p, rewrite)
}

func (l *relinker) body(r *http.Response, p *prefixes, rewrite func([]byte, *prefixes) ([]byte, bool)) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRewritten+1))
	if err != nil {
		return fmt.Errorf("proxy: page: %w", err)
	}
	if len(body) > maxRewritten {
		r.Body = rejoined{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
		return nil
	}
	if err := r.Body.Close(); err != nil {
		return fmt.Errorf("proxy: page: %w", err)
	}
	if changed, ok := rewrite(body, p); ok {
		body = changed
		for _, name := range []string{"Content-Md5", "Content-Digest", "Repr-Digest", "Digest"} {
			r.Header.Del(name)
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.TransferEncoding = nil
	return nil
}

// rejoined is a body of which the beginning was read already.
type rejoined struct {
	io.Reader
	io.Closer
}

// fields rewrites the fields that hold addresses.
func (p *prefixes) fields(h http.Header) {
	for _, name := range []string{"Location", "Content-Location"} {
		for i, value := range h[name] {
			changed, ok := p.link(value)
			if !ok && strings.HasPrefix(value, "/") {
				changed, ok = p.path(value)
			}
			if ok {
				h[name][i] = changed
			}
		}
	}
	if p.fromPath == p.toPath {
		return
	}
	for i, value := range h["Set-Cookie"] {
		parts := strings.Split(value, ";")
		for at, part := range parts[1:] {
			name, path, _ := strings.Cut(strings.TrimSpace(part), "=")
			if changed, ok := p.path(strings.TrimRight(path, "/")); ok && strings.EqualFold(name, "path") {
				parts[at+1] = " " + name + "=" + orElse(changed, "/")
			}
		}
		h["Set-Cookie"][i] = strings.Join(parts, ";")
	}
}
