package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/coding"
)

// digest names an answer: status, media type and what the body means. The zero value is
// a request that got no whole answer.
type digest [16]byte

// maxDocument is the largest JSON document that is compared by what it means. A larger one
// is compared byte for byte.
const maxDocument = 16 << 20

// maxBody bounds a decoded body: what decodes to more is an error, not an answer.
const maxBody = 64 << 30

// seen is a body that was read.
type seen struct {
	status    int
	mediaType string
	document  []byte // of JSON and HTML that is not too large
	bytes     hash.Hash
}

// decoded is the body as it was before it was coded.
func decoded(resp *http.Response) (io.ReadCloser, error) {
	name := resp.Header.Get("Content-Encoding")
	if name == "" {
		name = "identity"
	}
	c, err := coding.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("answer coded as %.50q, which was not asked for: %w", name, errdef.ErrUnprocessable)
	}
	return c.NewReader(resp.Body, maxBody), nil
}

// bareType is a media type without its parameters.
func bareType(h http.Header) string {
	bare, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return h.Get("Content-Type")
	}
	return bare
}

// read reads a body to its end.
func (p *pass) read(resp *http.Response) (*seen, error) {
	s := &seen{status: resp.StatusCode, mediaType: bareType(resp.Header), bytes: sha256.New()}
	body, err := decoded(resp)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // only read from
	if s.mediaType == "application/json" || s.mediaType == "text/html" {
		if s.document, err = io.ReadAll(io.LimitReader(body, maxDocument+1)); err != nil {
			return nil, err
		}
		if len(s.document) <= maxDocument {
			return s, nil
		}
		_, _ = s.bytes.Write(s.document) // a hash does not fail
		s.document = nil
	}
	_, err = io.Copy(s.bytes, body)
	return s, err
}

// sum is the digest, in which links that lead to hosts lead nowhere.
func (s *seen) sum(hosts []string) digest {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d %s\n", s.status, s.mediaType) // a hash does not fail
	if s.document != nil {
		_, _ = h.Write(canonical(s.document, hosts)) // a hash does not fail
	} else {
		_, _ = h.Write(s.bytes.Sum(nil))
	}
	return digest(h.Sum(nil)[:len(digest{})])
}

// hosts are the addresses that a way's links may have.
func (p *pass) hosts() []string { return []string{origin(p.line.Base)} }

// origin is scheme and host of an address.
func origin(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Scheme + "://" + u.Host
}

// canonical is a form of a JSON document that is the same for documents that mean the
// same: keys in order, numbers by their value, links without the host. Of what is no JSON
// the links alone are changed.
func canonical(document []byte, hosts []string) []byte {
	v, err := parseJSON(document)
	if err != nil {
		for _, h := range hosts {
			document = bytes.ReplaceAll(document, []byte(h), nil)
		}
		return document
	}
	out, err := json.Marshal(plain(v, hosts))
	if err != nil {
		return document
	}
	return out
}

func parseJSON(document []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one document: %w", errdef.ErrUnprocessable)
	}
	return v, nil
}

// plain changes a document in place.
func plain(v any, hosts []string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			v[k] = plain(member, hosts)
		}
	case []any:
		for i, item := range v {
			v[i] = plain(item, hosts)
		}
	case string:
		for _, h := range hosts {
			v = strings.ReplaceAll(v, h, "")
		}
		return v
	case json.Number:
		return number(v)
	}
	return v
}

// number writes 1.0 and 1e0 as 1. Whole numbers keep all their digits.
func number(n json.Number) any {
	if !strings.ContainsAny(n.String(), ".eE") {
		return n
	}
	f, err := n.Float64()
	if err != nil {
		return n
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// accept is what whoever asked wants, as far as a log can tell: Tiled's web page takes
// JSON, its Python client the forms without loss. Documents are asked for in JSON from
// both, so that they can be compared by what they mean.
func accept(target string, browser bool) string {
	path, query, _ := strings.Cut(target, "?")
	if strings.Contains(query, "format=") {
		return "*/*"
	}
	if browser {
		return "application/json, text/plain, */*"
	}
	_, route, _ := strings.Cut(path, "/api/v1/")
	switch route, _, _ = strings.Cut(route, "/"); route {
	case "array", "awkward", "ragged":
		return "application/octet-stream, application/vnd.apache.arrow.file"
	case "table":
		return "application/vnd.apache.arrow.file"
	case "asset", "zarr", "node", "container":
		return "*/*"
	}
	return "application/json"
}
