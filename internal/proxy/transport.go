// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// newTransport is the way to the origin. Bodies come as the origin codes them.
func newTransport(o *Options) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     o.OriginTLS,
		Protocols:           protocols,
		DisableCompression:  true,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
		// The head of an answer that is larger is a 502.
		MaxResponseHeaderBytes: 1 << 20,
		ResponseHeaderTimeout:  o.OriginTimeout,
		TLSHandshakeTimeout:    10 * time.Second,
	}
}

// picky sends what may be sent only once over connections of its own. Go's transport
// repeats a GET if the connection it reused turns out to be dead, and the code that a
// sign-in brings back is good for one request. It does not repeat a write, which then
// fails although the origin is well: Tiled leaves such connections behind after each
// error 500.
type picky struct{ reused, fresh *http.Transport }

func newPicky(t *http.Transport) *picky {
	fresh := t.Clone()
	fresh.DisableKeepAlives = true
	return &picky{reused: t, fresh: fresh}
}

func (p *picky) close() error {
	p.reused.CloseIdleConnections()
	return nil
}

// RoundTrip implements [http.RoundTripper].
func (p *picky) RoundTrip(r *http.Request) (*http.Response, error) {
	if !rfc9111.Safe(r.Method) || strings.Contains(r.URL.Path, "/auth/") || strings.HasSuffix(r.URL.Path, "/device_code") {
		return p.fresh.RoundTrip(r)
	}
	return p.reused.RoundTrip(r)
}
