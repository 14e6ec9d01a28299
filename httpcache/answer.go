// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// addStatus appends this cache to Cache-Status: RFC 9211 §2 has the one nearest the
// origin first.
func (x *exchange) addStatus(h http.Header) {
	h["Cache-Status"] = append(slices.Clone(h["Cache-Status"]), x.status.String())
}

// held answers with a stored response: all of it, a part, or 304 to a condition of the
// asker's own. It is nil if the body is gone.
func (x *exchange) held(v *variant) *http.Response {
	if rfc9111.NotModified(x.r.Header, &v.Response) {
		return x.answer(v, rfc9111.Part{Status: http.StatusNotModified}, http.NoBody)
	}
	part := rfc9111.Range(x.r.Header, &v.Response, v.Size)
	if x.r.Method == http.MethodHead || part.Status == http.StatusRequestedRangeNotSatisfiable {
		return x.answer(v, part, http.NoBody)
	}
	value, ok := x.t.body(x.r.Context(), v)
	if !ok {
		return nil
	}
	return x.answer(v, part, &lent{Reader: io.NewSectionReader(value.Body, part.Start, part.Length), value: &value})
}

// lent is a body on loan from the store.
type lent struct {
	io.Reader
	value *store.Value
	once  sync.Once
}

func (l *lent) Close() error {
	l.once.Do(l.value.Release)
	return nil
}

// answer puts a response together. The headers are the asker's own.
func (x *exchange) answer(v *variant, part rfc9111.Part, body io.ReadCloser) *http.Response {
	h := v.Header.Clone()
	h["Age"] = []string{strconv.FormatInt(int64(v.Age(time.Now())/time.Second), 10)}
	length := part.Length
	switch {
	case part.Status == http.StatusNotModified:
		delete(h, "Content-Length")
		length = 0
	case part.Status == http.StatusRequestedRangeNotSatisfiable:
		h["Content-Length"], length = []string{"0"}, 0
	case length >= 0:
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	if part.ContentRange != "" {
		h["Content-Range"] = []string{part.ContentRange}
	}
	x.addStatus(h)
	return x.response(part.Status, h, length, body)
}

func (x *exchange) response(status int, h http.Header, length int64, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, ContentLength: length, Body: body, Request: x.r,
	}
}

// gatewayTimeout is the answer of RFC 9111 §5.2.1.7.
func (x *exchange) gatewayTimeout() *http.Response {
	const text = `{"detail":"Not in the cache, and the server was not to be asked (only-if-cached)."}`
	h := http.Header{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(text))}, "Cache-Control": {"no-store"}}
	x.addStatus(h)
	return x.response(http.StatusGatewayTimeout, h, int64(len(text)), io.NopCloser(bytes.NewReader([]byte(text))))
}

// streamed answers with what a shared flight brings, as it arrives.
func (x *exchange) streamed(f *flight) *http.Response {
	x.t.counts.misses.Add(1)
	x.status.Stored = true
	v := f.head
	part := rfc9111.Part{Status: v.Status, Length: v.Size}
	if rfc9111.NotModified(x.r.Header, &v.Response) {
		f.leave()
		return x.answer(v, rfc9111.Part{Status: http.StatusNotModified}, http.NoBody)
	}
	if v.Size >= 0 {
		part = rfc9111.Range(x.r.Header, &v.Response, v.Size)
	}
	if x.r.Method == http.MethodHead || part.Status == http.StatusRequestedRangeNotSatisfiable {
		f.leave()
		return x.answer(v, part, http.NoBody)
	}
	return x.answer(v, part, &reader{f: f, ctx: x.r.Context(), off: part.Start, length: part.Length, mine: true})
}

// direct gives the answer of a flight that is for its leader alone. What was read of
// its body before that was known comes first.
func (x *exchange) direct(f *flight) *http.Response {
	x.t.counts.misses.Add(1)
	answer := f.answer
	x.addStatus(answer.Header)
	answer.Request = x.r
	network := answer.Body
	rest := io.Reader(&countingBody{network, x.t})
	if len(f.chunks) > 0 {
		parts := make([]io.Reader, 0, len(f.chunks)+1)
		for _, c := range f.chunks {
			parts = append(parts, bytes.NewReader(c))
		}
		rest = io.MultiReader(append(parts, rest)...)
	}
	stop := context.AfterFunc(x.r.Context(), f.cancel)
	answer.Body = &own{Reader: rest, close: func() error {
		stop()
		err := network.Close()
		f.leave()
		return err
	}}
	return answer
}

// own is a body that ends its flight.
type own struct {
	io.Reader
	once  sync.Once
	close func() error
}

func (o *own) Close() (err error) {
	o.once.Do(func() { err = o.close() })
	return err
}

// reader reads along with a flight.
type reader struct {
	f   *flight
	ctx context.Context //nolint:containedctx // that of the request, which the body belongs to
	off int64
	// length is how many bytes are left to give, -1 for all there are.
	length int64
	mine   bool
	once   sync.Once
}

// Read implements [io.Reader].
func (b *reader) Read(p []byte) (int, error) {
	if b.length == 0 {
		b.settled()
		return 0, io.EOF
	}
	if b.length > 0 {
		p = p[:min(int64(len(p)), b.length)]
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, wait, err := b.f.read(p, b.off)
		if n > 0 {
			b.off += int64(n)
			if b.length > 0 {
				b.length -= int64(n)
			}
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		select {
		case <-wait:
		case <-b.ctx.Done():
			return 0, b.ctx.Err()
		}
	}
}

// settled waits, at the end of the whole body, until it is kept: who asks next finds it.
func (b *reader) settled() {
	if !b.mine || b.off != b.f.head.Size {
		return
	}
	for {
		_, wait, err := b.f.read(nil, b.off)
		if err != nil {
			return
		}
		select {
		case <-wait:
		case <-b.ctx.Done():
			return
		}
	}
}

// Close implements [io.Closer].
func (b *reader) Close() error {
	if b.mine {
		b.once.Do(b.f.leave)
	}
	return nil
}

// read copies what has arrived from off on, or returns how to wait for more, or the end.
func (f *flight) read(p []byte, off int64) (n int, wait <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < f.size {
		return f.copyFrom(p, off), nil, nil
	}
	if f.done {
		if f.broken != nil {
			return 0, nil, f.broken
		}
		return 0, nil, io.EOF
	}
	if f.wake == nil {
		f.wake = make(chan struct{})
	}
	return 0, f.wake, nil
}

func (f *flight) copyFrom(p []byte, off int64) int {
	at, found := slices.BinarySearch(f.starts, off)
	if !found {
		at--
	}
	n := 0
	for ; at < len(f.chunks) && n < len(p); at++ {
		m := copy(p[n:], f.chunks[at][off-f.starts[at]:])
		n, off = n+m, off+int64(m)
	}
	return n
}
