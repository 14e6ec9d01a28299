// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Authorizer gives each request its credentials.
type Authorizer interface {
	// Authorization is the value of that field, or "" for none. refused tells that the
	// server did not take the one before: a token that can be renewed is renewed. The
	// error goes to whoever asked.
	Authorization(ctx context.Context, refused bool) (string, error)
}

// apiKey is the credentials of who has a key.
type apiKey string

func (k apiKey) Authorization(context.Context, bool) (string, error) {
	return "Apikey " + string(k), nil
}

// query is one request and what becomes of its answer.
type query struct {
	url    string
	params url.Values
	accept string
	// body is sent as JSON with POST; nil is GET.
	body []byte
	// header has further fields.
	header http.Header
	// limit bounds the decoded body; 0 is the client's limit.
	limit int64
	// identity asks for the body as it is, for offsets to mean something.
	identity bool
	// renewed: credentials were renewed for it once.
	renewed bool
	// take is given the decoded body of a success. It may be called again if an error of
	// reading, which it returns as it came, is followed by another try.
	take func(h http.Header, status int, body io.Reader) error
}

// do sends a request, as often as it takes.
func (c *Client) do(ctx context.Context, q query) error {
	if len(q.params) > 0 {
		q.url += "?" + q.params.Encode()
	}
	if q.limit <= 0 {
		q.limit = c.limit
	}
	return c.retry.run(ctx, func() error { return c.authorized(ctx, &q) })
}

// authorized sends a request, and once more with renewed credentials if they were
// refused.
func (c *Client) authorized(ctx context.Context, q *query) error {
	err := c.once(ctx, q, false)
	var e *Error
	if c.auth == nil || q.renewed || !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		return err
	}
	if _, fixed := c.auth.(apiKey); fixed {
		return err
	}
	q.renewed = true
	return c.once(ctx, q, true)
}

// once sends a request one time.
func (c *Client) once(ctx context.Context, q *query, refused bool) error {
	r, err := c.request(ctx, q, refused)
	if err != nil {
		return err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return unreachable(ctx, fmt.Errorf("%s %s: %w", r.Method, withoutSecrets(q.url), errors.Unwrap(err)))
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode == http.StatusNotModified && q.header["If-None-Match"] != nil {
		return q.take(answer.Header, answer.StatusCode, http.NoBody)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return refusal(r, answer)
	}
	body, err := c.decoded(answer, q.limit)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was only read
	if err := q.take(answer.Header, answer.StatusCode, body); err != nil {
		var broken readError
		if errors.As(err, &broken) {
			return unreachable(ctx, fmt.Errorf("%s %s: body: %w", r.Method, withoutSecrets(q.url), err))
		}
		return fmt.Errorf("%s %s: %w", r.Method, withoutSecrets(q.url), err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, q *query, refused bool) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if q.body != nil {
		method, body = http.MethodPost, bytes.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, method, q.url, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w: %w", err, errdef.ErrInvalid)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	if q.accept != "" {
		r.Header.Set("Accept", q.accept)
	}
	r.Header.Set("Accept-Encoding", "zstd, gzip")
	if q.identity {
		r.Header.Set("Accept-Encoding", "identity")
	}
	r.Header.Set("User-Agent", c.agent)
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.auth != nil {
		value, err := c.auth.Authorization(ctx, refused)
		if err != nil {
			return nil, err
		}
		if value != "" {
			r.Header.Set("Authorization", value)
		}
	}
	return r, nil
}

// maxRefusal bounds the body of an error that is read.
const maxRefusal = 64 << 10

// refusal makes an error of an answer.
func refusal(r *http.Request, answer *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxRefusal)) // as much as there is
	e := &Error{
		Method: r.Method, URL: withoutSecrets(r.URL.String()), Status: answer.StatusCode,
		Detail: detailOf(answer.Header.Get("Content-Type"), text), RequestID: answer.Header.Get("X-Tiled-Request-Id"),
	}
	if passing(e.Status) {
		return later{error: e, after: retryAfter(answer.Header)}
	}
	return e
}

// readError is an error of reading a body, which another try may not meet.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

// body reads a decoded body and marks the errors that the connection is to blame for.
type body struct{ io.ReadCloser }

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil, err == io.EOF:
		return n, err
	case errors.Is(err, errdef.ErrTooLarge), errors.Is(err, errdef.ErrUnprocessable):
		return n, err
	}
	return n, readError{err}
}

// decoded undoes the content coding, which must be one that was asked for.
func (c *Client) decoded(answer *http.Response, limit int64) (io.ReadCloser, error) {
	name := strings.ToLower(strings.TrimSpace(answer.Header.Get("Content-Encoding")))
	if name == "" || name == "identity" {
		if answer.ContentLength > limit {
			return nil, fmt.Errorf("body of %d bytes, at most %d are taken: %w", answer.ContentLength, limit, errdef.ErrTooLarge)
		}
		name = "identity"
	}
	decoder := c.codings[name]
	if decoder == nil && name != "identity" {
		return nil, fmt.Errorf("body in the content coding %q, which was not asked for: %w", name, errdef.ErrUnsupported)
	}
	if decoder == nil {
		return body{&bounded{r: answer.Body, left: limit}}, nil
	}
	return body{decoder.NewReader(answer.Body, limit)}, nil
}

// bounded reads at most left bytes and says so if there are more.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		return int(b.left), fmt.Errorf("body is longer than its limit: %w", errdef.ErrTooLarge)
	}
	b.left -= int64(n)
	return n, err
}

func (*bounded) Close() error { return nil }

// fetch returns the whole decoded body.
func (c *Client) fetch(ctx context.Context, q query) (data []byte, h http.Header, err error) {
	q.take = func(header http.Header, _ int, r io.Reader) error {
		data, err = io.ReadAll(r)
		h = header
		return err
	}
	err = c.do(ctx, q)
	return data, h, err
}

// maxDocument bounds metadata and listings.
const maxDocument = 64 << 20

// document asks for a document of plain values.
func (c *Client) document(ctx context.Context, address string, params url.Values) (doc any, err error) {
	q := query{url: address, params: params, accept: "application/x-msgpack", limit: min(maxDocument, c.limit)}
	data, h, err := c.fetch(ctx, q)
	if err != nil {
		return nil, err
	}
	doc, err = parseDocument(h.Get("Content-Type"), data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", withoutSecrets(address), err)
	}
	return doc, nil
}

// at is the address of a route for a node.
func (c *Client) at(route string, path []string) string {
	escaped := make([]string, len(path))
	for i, segment := range path {
		escaped[i] = url.PathEscape(segment)
	}
	return c.api + "/" + route + "/" + strings.Join(escaped, "/")
}
