// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"bufio"
	"errors"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// pass gives the request to the inner handler as it is. An unsafe one that succeeds
// makes stored responses untrue, before its client hears of it (RFC 9111 §4.4).
func (x *exchange) pass(fwd, detail string) error { return x.passAbout(nil, fwd, detail) }

// passAbout is pass for a HEAD, whose answer says something about the stored held.
func (x *exchange) passAbout(held *response, fwd, detail string) error {
	x.status.Fwd, x.status.Detail = fwd, detail
	if x.offline() {
		x.c.counts.refused.Add(1)
		x.status.Detail = "offline"
		return x.sendError(http.StatusGatewayTimeout, "This cache is offline.")
	}
	x.c.counts.passed.Add(1)
	p := &passing{ResponseWriter: x.w, x: x, unsafe: !rfc9111.Safe(x.r.Method), asked: time.Now(), mark: x.c.purges.mark(), held: held}
	r := x.r
	if x.c.o.Guard != nil {
		r = r.WithContext(x.named(x.ctx))
	}
	x.c.o.Next.ServeHTTP(p, r)
	if !p.wrote {
		p.WriteHeader(http.StatusOK)
	}
	if p.post != nil {
		p.post.keep(x)
	}
	return nil
}

// passing is the response writer of a request that goes by the cache. It sees the head,
// and nothing else; flushing, hijacking and the rest are reached through Unwrap.
type passing struct {
	http.ResponseWriter
	x      *exchange
	unsafe bool
	wrote  bool
	asked  time.Time
	mark   uint64
	held   *response // what a HEAD may say something about; else nil
	post   *posted   // nil unless the answer is to be kept
}

// Unwrap is for [http.ResponseController].
func (p *passing) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Hijack implements [http.Hijacker]: what becomes of the connection is no response.
func (p *passing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	p.wrote = true
	return http.NewResponseController(p.ResponseWriter).Hijack()
}

// Flush implements [http.Flusher], for handlers that look for it directly.
func (p *passing) Flush() {
	if !p.wrote {
		p.WriteHeader(http.StatusOK)
	}
	if err := http.NewResponseController(p.ResponseWriter).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		// A client that has gone shows at the next write.
		return
	}
}

// WriteHeader implements [http.ResponseWriter].
func (p *passing) WriteHeader(status int) {
	final := status >= 200 || status == http.StatusSwitchingProtocols
	if final && !p.wrote {
		p.wrote = true
		if p.unsafe && outdates(p.x.r.Method, status) {
			p.x.c.invalidate(p.x.r, p.x.id, p.Header())
		}
		p.post = p.posted(status)
		if p.held != nil && status == http.StatusOK {
			p.x.byHead(p.held, maps.Clone(p.Header()), p.asked, p.mark)
		}
		p.x.addStatus(p.Header())
		typed(p.Header())
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (p *passing) Write(b []byte) (int, error) {
	if !p.wrote {
		p.WriteHeader(http.StatusOK)
	}
	if p.post != nil && !p.post.write(b) {
		p.post = nil
	}
	n, err := p.ResponseWriter.Write(b)
	if err != nil {
		p.post = nil
	}
	return n, err
}

// outdates goes beyond RFC 9111 §4.4 in one case: a gateway's error does not say whether
// the write behind it was done.
func outdates(method string, status int) bool {
	return rfc9111.Invalidates(method, status) || status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}
