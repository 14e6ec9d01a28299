package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
)

// The admin listener shows and empties the caches, and gives profiles. It is
// off unless it is asked for, listens on a socket of its own or on loopback,
// and a key other than that of the data lets in.

// CacheReport is what the admin listener says of the caches.
type CacheReport struct {
	Data      *datacache.Stats `json:"data_cache,omitempty"`
	Entries   []NodeReport     `json:"nodes,omitempty"`
	Responses *respcache.Stats `json:"response_cache,omitempty"`
}

// NodeReport is what the data cache holds of one node.
type NodeReport struct {
	Path    string        `json:"path"`
	Entries int           `json:"entries"`
	Bytes   int64         `json:"bytes"`
	Hits    int64         `json:"hits"`
	Cost    time.Duration `json:"cost_ns"`
}

func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cache", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.report()) })
	mux.HandleFunc("POST /cache/clear", func(w http.ResponseWriter, r *http.Request) { s.discard(w, r, "") })
	mux.HandleFunc("POST /cache/discard", func(w http.ResponseWriter, r *http.Request) {
		path := strings.Trim(r.URL.Query().Get("path"), "/")
		if path == "" {
			http.Error(w, `{"detail":"parameter path: it is missing; to give up everything use /cache/clear"}`, http.StatusBadRequest)
			return
		}
		s.discard(w, r, path)
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	return s.adminKey(mux)
}

// adminKey lets in who shows the admin key. On a unix socket, which its folder
// and its mode protect, none need be set.
func (s *Server) adminKey(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.config.Own.AdminKey))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(key))
		if s.config.Own.AdminKey != "" && subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, `{"detail":"the admin key is needed: Authorization: Apikey KEY"}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) report() CacheReport {
	var report CacheReport
	if s.data != nil {
		stats := s.data.Stats()
		report.Data = &stats
		for _, e := range s.data.Entries() {
			n := len(report.Entries)
			if n == 0 || report.Entries[n-1].Path != e.Path {
				report.Entries = append(report.Entries, NodeReport{Path: e.Path})
				n++
			}
			node := &report.Entries[n-1]
			node.Entries++
			node.Bytes += e.Bytes
			node.Hits += e.Hits
			node.Cost += e.Cost
		}
	}
	if s.cached != nil {
		stats := s.cached.Stats()
		report.Responses = &stats
	}
	return report
}

// discard gives up what both caches hold of a node and of all below it. The
// response cache finds bodies by their address, which need not hold the path
// alone, so it gives up everything.
func (s *Server) discard(w http.ResponseWriter, r *http.Request, path string) {
	gone := 0
	if s.data != nil {
		gone = s.data.DiscardNode(path)
	}
	if s.cached != nil {
		if err := s.cached.PurgeAll(r.Context()); err != nil {
			s.log.LogAttrs(r.Context(), slog.LevelWarn, "admin: the response cache was not emptied", slog.Any("error", err))
		}
	}
	reply(w, map[string]any{"discarded": gone})
}

func reply(w http.ResponseWriter, doc any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc) // nobody to tell
}

// adminListener opens what --admin names: unix:PATH, or HOST:PORT of loopback.
func (s *Server) adminListener(ctx context.Context) (net.Listener, error) {
	var l net.ListenConfig
	address := s.config.Own.Admin
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		listener, err := l.Listen(ctx, "unix", path)
		if err != nil {
			return nil, fmt.Errorf("--admin: %w", err)
		}
		return listener, os.Chmod(path, 0o600)
	}
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil || !at.Addr().IsLoopback():
		return nil, fmt.Errorf("--admin: %q is neither unix:PATH nor an address of loopback like 127.0.0.1:9000: %w", address, errdef.ErrInvalid)
	case s.config.Own.AdminKey == "":
		return nil, fmt.Errorf("--admin: a port needs a key of its own, in TERRAZZO_ADMIN_KEY; a unix socket needs none: %w", errdef.ErrInvalid)
	}
	listener, err := l.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	return listener, nil
}

// serveAdmin runs the admin listener, if there is one, until ctx ends; the
// returned function waits for its end.
func (s *Server) serveAdmin(ctx context.Context) (wait func() error, err error) {
	if s.config.Own.Admin == "" {
		return func() error { return nil }, nil
	}
	listener, err := s.adminListener(ctx)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: s.adminHandler(), ReadHeaderTimeout: headerTime, MaxHeaderBytes: headerBytes}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return func() error {
		<-ctx.Done()
		err := server.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
