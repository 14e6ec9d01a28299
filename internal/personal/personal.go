// SPDX-License-Identifier: BSD-3-Clause

// Package personal is `terrazzo proxy --private`: one user's cache on loopback, for
// clients in any language. It is [httpcache.Transport] behind a reverse proxy: the rules
// are a private cache's, credentials pass through, and what is held is kept apart by them.
package personal

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
)

// Options are those of the proxy.
type Options struct {
	// Origin is the base URL of the server. Required.
	Origin string
	// Transport sends and keeps; it stays the caller's. Required.
	Transport *httpcache.Transport
	// Shield keeps Tiled's Python client from being answered 304, each of which would cost
	// it a connection (bluesky/tiled issue 1158).
	Shield bool
	// Logger is for what went wrong; nil is none.
	Logger *slog.Logger
}

// New returns the handler. It refuses hosts other than loopback's: pages of the web could
// otherwise read through it by a name of their own (DNS rebinding). What is wrong with o
// is errdef.ErrInvalid.
func New(o Options) (http.Handler, error) {
	origin, err := url.Parse(o.Origin)
	if err != nil || origin.Scheme != "http" && origin.Scheme != "https" || origin.Host == "" || o.Transport == nil {
		return nil, fmt.Errorf("proxy: origin %q: want http://host or https://host: %w", o.Origin, errdef.ErrInvalid)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	forward := &httputil.ReverseProxy{
		Transport: o.Transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			// Tiled builds its links from Host: they must lead back here.
			p.SetURL(origin)
			p.Out.Host = p.In.Host
			p.Out.Header.Set("X-Forwarded-Host", p.In.Host)
			p.Out.Header.Set("X-Forwarded-Proto", "http")
			// By this a server of ours knows that conditions are not the Python client's.
			p.Out.Header.Add("Via", "1.1 terrazzo")
			if _, ok := p.In.Header["User-Agent"]; !ok {
				p.Out.Header.Set("User-Agent", "") // keep Go's own from standing in
			}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { failed(w, r, err, o.Logger) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Loopback(r.Host) {
			refuse(w, http.StatusForbidden, "This is a cache for one user of this machine: address it as localhost.")
			return
		}
		if o.Shield && strings.HasPrefix(r.UserAgent(), "python-tiled/") {
			r = r.Clone(r.Context())
			r.Header.Del("If-None-Match")
			r.Header.Del("If-Modified-Since")
		}
		forward.ServeHTTP(w, r)
	}), nil
}

// Loopback tells whether a Host field names this machine.
func Loopback(host string) bool {
	u := url.URL{Host: host}
	name := strings.ToLower(u.Hostname())
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.IsLoopback()
}

func failed(w http.ResponseWriter, r *http.Request, err error, logger *slog.Logger) {
	var timeout interface{ Timeout() bool }
	switch {
	case r.Context().Err() != nil:
		w.WriteHeader(http.StatusBadGateway) // nobody listens
	case errors.Is(err, httpcache.ErrNotAvailableOffline):
		// No 5xx: Tiled's client would try that again for 45 seconds.
		refuse(w, http.StatusNotFound, "Not available offline.")
	case errors.As(err, &timeout) && timeout.Timeout():
		refuse(w, http.StatusGatewayTimeout, "The server behind this cache did not answer in time.")
	default:
		logger.LogAttrs(r.Context(), slog.LevelWarn, "origin", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
		refuse(w, http.StatusBadGateway, "The server behind this cache cannot be reached.")
	}
}

func refuse(w http.ResponseWriter, status int, detail string) {
	body, _ := json.Marshal(map[string]string{"detail": detail}) // texts marshal
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
