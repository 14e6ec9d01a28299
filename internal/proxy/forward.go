// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// via is what this proxy calls itself in Via (RFC 9110 §7.6.3).
const via = "1.1 terrazzo"

// forwarding is what the forwarder is made of.
type forwarding struct {
	origin    *url.URL
	transport http.RoundTripper
	base      func(*http.Request) string
	trust     bool
	logger    *slog.Logger
	// arrived, if set, sees each answer before anybody else does.
	arrived func(*http.Response)
	// patience is how long a body may stand still before it is broken off; 0 is for ever.
	patience time.Duration
	// links, if set, makes links lead back here.
	links *relinker
}

// forwarder passes requests to the origin as they are: web sockets, streams, interim
// responses and trailers included.
func forwarder(o forwarding) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: o.transport,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(o.origin)
			unkeyed(pr.Out.Header)
			// Tiled builds its absolute links from Host and X-Forwarded-Proto, and its clients
			// follow them: they must lead back here.
			outside, err := url.Parse(o.base(pr.In))
			if err == nil && outside.Host != "" {
				pr.Out.Host = outside.Host
				if o.trust {
					pr.Out.Header["X-Forwarded-For"] = pr.In.Header["X-Forwarded-For"]
				}
				pr.SetXForwarded()
				pr.Out.Header.Set("X-Forwarded-Host", outside.Host)
				pr.Out.Header.Set("X-Forwarded-Proto", outside.Scheme)
			}
			pr.Out.Header.Add("Via", via)
			if o.links != nil && o.links.pages {
				// Links are looked for in what is not coded.
				if t := classify(pr.In); t.class == about || t.class == passed {
					pr.Out.Header.Set("Accept-Encoding", "identity")
				}
			}
			if _, ok := pr.In.Header["User-Agent"]; !ok {
				// Keep Go's own from standing in for a client that sent none.
				pr.Out.Header.Set("User-Agent", "")
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if o.arrived != nil {
				o.arrived(r)
			}
			r.Header.Add("Via", via)
			o.watch(r)
			if o.links == nil {
				return nil
			}
			s, _ := r.Request.Context().Value(seenKey{}).(seen)
			return o.links.answer(r, s.base, s.target.class)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { unreachable(w, r, err, o.logger) },
	}
}

// watch breaks off a body of which nothing came for as long as the origin may take to
// begin one, so that all who wait for it learn of it. A stream of events may be silent.
func (o *forwarding) watch(r *http.Response) {
	if o.patience <= 0 || r.StatusCode == http.StatusSwitchingProtocols || strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
		return
	}
	body := &watched{ReadCloser: r.Body, patience: o.patience}
	body.timer = time.AfterFunc(o.patience, func() { _ = body.ReadCloser.Close() })
	r.Body = body
}

// watched is a body that is closed when nothing was read of it for a while. The wait for
// its reader does not count.
type watched struct {
	io.ReadCloser
	patience time.Duration
	timer    *time.Timer
}

// Read implements [io.Reader].
func (b *watched) Read(p []byte) (int, error) {
	b.timer.Reset(b.patience)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	return n, err
}

// Close implements [io.Closer].
func (b *watched) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}

// unkeyed takes fields off a request that some servers let stand for the target or the
// method. The cache does not know them, so that one client could have it keep, under one
// address, what is at another.
func unkeyed(h http.Header) {
	for _, name := range []string{
		"X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Path", "X-Original-Url", "X-Original-Host",
		"X-Rewrite-Url", "X-Host", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override",
	} {
		delete(h, name)
	}
}

// unreachable answers for an origin that did not: 504 if it took too long, else 502.
func unreachable(w http.ResponseWriter, r *http.Request, err error, logger *slog.Logger) {
	status, text := http.StatusBadGateway, `{"detail":"The server behind this proxy cannot be reached."}`
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		status, text = http.StatusGatewayTimeout, `{"detail":"The server behind this proxy did not answer in time."}`
	}
	if !errors.Is(err, context.Canceled) {
		logger.LogAttrs(r.Context(), slog.LevelWarn, "origin", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; then nobody misses this.
	_, _ = w.Write([]byte(text))
}
