// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/budget"
	"github.com/terrazzo-data/terrazzo/internal/coding"
	"github.com/terrazzo-data/terrazzo/internal/column"
	"github.com/terrazzo-data/terrazzo/internal/httpapi"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/internal/webui"
)

// Limits of answers: of one, and of all under way.
const (
	responseLimit = 300_000_000
	flightBytes   = 1 << 30
)

// Handler serves what is held, to who shows the key, or to everybody if it is "".
func (s *Server) Handler(key, version string, log *slog.Logger) (http.Handler, error) {
	policy, err := auth.New(key, key == "")
	if err != nil {
		return nil, fmt.Errorf("offline: %w", err)
	}
	codings, err := coding.New(coding.Settings{})
	if err != nil {
		return nil, fmt.Errorf("offline: %w", err)
	}
	page, err := webui.FS()
	if err != nil {
		return nil, fmt.Errorf("offline: %w", err)
	}
	columns := &column.Columns{}
	api := httpapi.New(httpapi.Options{
		Root: s.Tree(), Column: columns.Of, Auth: policy, Flight: budget.New(flightBytes), Media: media.New(), Coding: codings,
		ResponseLimit: responseLimit, ExactCountLimit: 100, ExposeRawAssets: true, UI: page, Log: log, Version: version,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Tiled's Python client loses a connection to each 304 (bluesky/tiled issue 1158).
		if len(r.UserAgent()) > 12 && r.UserAgent()[:12] == "python-tiled" {
			r = r.Clone(r.Context())
			r.Header.Del("If-None-Match")
			r.Header.Del("If-Modified-Since")
		}
		api.ServeHTTP(w, r)
	}), nil
}

// Transport answers requests by a handler in this process: no socket is opened. The
// handler must not listen to what it is not asked.
type Transport struct{ Handler http.Handler }

// RoundTrip implements [http.RoundTripper]. The body is streamed.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, to := io.Pipe()
	w := &answering{header: http.Header{}, to: to, ready: make(chan struct{})}
	go func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil { // the handler's way to break off
				to.CloseWithError(io.ErrUnexpectedEOF)
			}
			w.WriteHeader(http.StatusInternalServerError) // if it said nothing
			_ = to.Close()                                // does not fail
			_ = in.Body.Close()
		}()
		t.Handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
	}()
	select {
	case <-w.ready:
	case <-r.Context().Done():
		cancel()
		_ = body.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	length := int64(-1)
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, ContentLength: length, Body: body, Request: r,
	}, nil
}

// answering is the response on its way.
type answering struct {
	header, sent http.Header
	status       int
	to           *io.PipeWriter
	once         sync.Once
	ready        chan struct{}
}

func (a *answering) Header() http.Header { return a.header }

func (a *answering) WriteHeader(status int) {
	if status < http.StatusOK {
		return
	}
	a.once.Do(func() {
		a.status, a.sent = status, a.header.Clone()
		close(a.ready)
	})
}

func (a *answering) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	n, err := a.to.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = context.Canceled // the reader has left
	}
	return n, err
}
