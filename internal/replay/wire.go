package replay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// Counter is a [http.RoundTripper] that counts the requests it passes on, and the bytes
// of the bodies that come back. It is safe for concurrent use.
type Counter struct {
	Next            http.RoundTripper
	requests, bytes atomic.Int64
}

// Traffic is what was counted so far.
func (c *Counter) Traffic() Traffic {
	return Traffic{Requests: c.requests.Load(), Bytes: c.bytes.Load()}
}

// RoundTrip implements [http.RoundTripper].
func (c *Counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	resp, err := c.Next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &countedBody{ReadCloser: resp.Body, n: &c.bytes}
	return resp, nil
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// Network is the way to a server: bodies as they come, as many connections as are wanted.
func Network(connections int) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableCompression: true, MaxIdleConnsPerHost: max(connections, 16),
		IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 5 * time.Minute,
	}
}

// Serve serves h on a free port of loopback until close is called.
func Serve(ctx context.Context, h http.Handler) (base string, closer func() error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	return "http://" + l.Addr().String(), func() error {
		err := s.Close()
		if ended := <-done; err == nil && !errors.Is(ended, http.ErrServerClosed) {
			err = ended
		}
		return err
	}, nil
}

// Relay passes requests to a server as they are, host included, and counts them: what
// stands between a proxy and its origin, where nothing else can count.
func Relay(server *url.URL, c *Counter) http.Handler {
	return &httputil.ReverseProxy{
		Transport: c,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(server)
			p.Out.Host = p.In.Host
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			p.Out.Header["X-Forwarded-Host"] = p.In.Header["X-Forwarded-Host"]
			p.Out.Header["X-Forwarded-Proto"] = p.In.Header["X-Forwarded-Proto"]
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ErrorLog:     slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}
