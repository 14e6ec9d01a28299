// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// plan is how one response goes to one client: whole, a part of it, or its head alone.
type plan struct {
	part rfc9111.Part
	body bool
}

// plan decides by the request's own conditions. size is -1 while it is not known.
func (x *exchange) plan(p *response, size int64) plan {
	if !x.shielded && rfc9111.NotModified(x.r.Header, &p.Response) {
		return plan{part: rfc9111.Part{Status: http.StatusNotModified}}
	}
	part := rfc9111.Part{Status: p.Status, Length: size}
	if size >= 0 && x.r.Method == http.MethodGet {
		part = rfc9111.Range(x.r.Header, &p.Response, size)
	}
	body := x.r.Method == http.MethodGet && bodyAllowed(part.Status) && part.Status != http.StatusRequestedRangeNotSatisfiable
	return plan{part: part, body: body}
}

// writeHead sends status and fields. reused tells that the response was there before
// this request, so that it has an Age (RFC 9111 §5.1).
func (x *exchange) writeHead(p *response, how plan, reused bool) {
	out := x.w.Header()
	for name, values := range p.header {
		out[name] = values
	}
	for name, values := range x.own {
		if x.c.drop[name] || name == "Trailer" {
			out[name] = slices.Clone(values)
		}
	}
	if reused {
		out["Age"] = []string{strconv.FormatInt(int64(p.Age(time.Now())/time.Second), 10)}
	}
	switch how.part.Status {
	case http.StatusNotModified:
		delete(out, "Content-Length")
	case http.StatusRequestedRangeNotSatisfiable:
		for _, name := range []string{"Content-Length", "Content-Type", "Content-Encoding", "Content-Disposition"} {
			delete(out, name)
		}
	case http.StatusPartialContent:
		out["Content-Length"] = []string{strconv.FormatInt(how.part.Length, 10)}
	}
	if how.part.ContentRange != "" {
		out["Content-Range"] = []string{how.part.ContentRange}
	}
	x.tell(out, how.part.Status)
	x.addStatus(out)
	typed(out)
	x.w.WriteHeader(how.part.Status)
}

// tell passes on to the client's own cache how long the guard calls a response fresh.
func (x *exchange) tell(out http.Header, status int) {
	v := &x.verdict
	if !v.Tell || v.Fresh <= 0 || v.NoStore || len(out["Cache-Control"])+len(out["Expires"]) > 0 {
		return
	}
	if status == http.StatusOK || status == http.StatusPartialContent || status == http.StatusNotModified {
		out["Cache-Control"] = []string{"private, max-age=" + strconv.FormatInt(int64(v.Fresh/time.Second), 10)}
	}
}

// typed keeps net/http from guessing a Content-Type that the inner handler did not give.
func typed(out http.Header) {
	if _, ok := out["Content-Type"]; !ok {
		out["Content-Type"] = nil
	}
}

// addStatus appends this cache to Cache-Status: RFC 9211 §2 has the one nearest the
// origin first.
func (x *exchange) addStatus(out http.Header) {
	out["Cache-Status"] = append(slices.Clone(out["Cache-Status"]), x.status.String())
}

// sendHeld sends a stored response. It tells false, with nothing sent, if its body is
// gone from the store. from, if it is not nil, is the flight that still brings it.
func (x *exchange) sendHeld(p *response, from *flight) (bool, error) {
	if from != nil {
		return true, x.stream(p, from)
	}
	how := x.plan(p, p.size)
	if !how.body {
		x.writeHead(p, how, true)
		return true, nil
	}
	v, ok := x.c.body(x.ctx, p)
	if !ok {
		return false, nil
	}
	defer v.Release()
	x.writeHead(p, how, true)
	return true, x.sendValue(&v, how.part)
}

// sendValue writes a part of a stored body: in one write, without a copy, where it is in
// memory.
func (x *exchange) sendValue(v *store.Value, part rfc9111.Part) error {
	var err error
	if v.Bytes != nil {
		_, err = x.w.Write(v.Bytes[part.Start : part.Start+part.Length])
	} else {
		var n int64
		n, err = io.Copy(x.w, io.NewSectionReader(v.Body, part.Start, part.Length))
		if err == nil && n != part.Length {
			return fmt.Errorf("%w: stored body has %d of %d bytes", errAborted, n, part.Length)
		}
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// sendFlight sends what a shared flight brings, as it arrives.
func (x *exchange) sendFlight(f *flight) error { return x.stream(f.response, f) }

// stream is sendFlight under the head p.
func (x *exchange) stream(p *response, f *flight) error {
	size := p.size
	if done, n := f.finished(); done && size < 0 {
		size = n
	}
	how := x.plan(p, size)
	x.writeHead(p, how, false)
	if !how.body {
		return nil
	}
	return x.copyFlight(f, how.part)
}

// finished tells whether the whole body has arrived, and its length.
func (f *flight) finished() (bool, int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done && f.err == nil, f.buf.size
}

// copyFlight writes the part of a flight's body; a Length of -1 is all of it.
func (x *exchange) copyFlight(f *flight, part rfc9111.Part) error {
	for off, left := part.Start, part.Length; left != 0; {
		p, flush, err := f.next(x.ctx, off, x.leads == f)
		if err != nil {
			return fmt.Errorf("stream: %w", err)
		}
		if len(p) == 0 {
			return nil
		}
		if left > 0 {
			p = p[:min(int64(len(p)), left)]
			left -= int64(len(p))
		}
		off += int64(len(p))
		if _, err := x.w.Write(p); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		if flush {
			_ = http.NewResponseController(x.w).Flush()
		}
	}
	return nil
}

// sendError answers in this cache's own words, as Tiled's errors look.
func (x *exchange) sendError(status int, detail string) error {
	body, err := json.Marshal(map[string]string{"detail": detail})
	if err != nil {
		return fmt.Errorf("error body: %w", err)
	}
	out := x.w.Header()
	out.Set("Content-Type", "application/json")
	out.Set("Content-Length", strconv.Itoa(len(body)))
	out.Set("Cache-Control", "no-store")
	x.addStatus(out)
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead {
		return nil
	}
	if _, err := x.w.Write(body); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// sendFailure passes on a server error as the inner handler gave it.
func (x *exchange) sendFailure(f *failure) error {
	out := x.w.Header()
	for name, values := range f.header {
		if !x.c.drop[name] {
			out[name] = values
		}
	}
	x.status.Detail = "error"
	x.addStatus(out)
	typed(out)
	x.w.WriteHeader(f.status)
	if _, err := x.w.Write(f.body); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}
