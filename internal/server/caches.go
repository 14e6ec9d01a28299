package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/httpapi"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
	"github.com/terrazzo-data/terrazzo/internal/telemetry"
	"github.com/terrazzo-data/terrazzo/store"
)

// blocks wraps the tree in the data cache, layer 3.
func (s *Server) blocks(root adapter.Adapter) (adapter.Adapter, error) {
	if s.split.data == 0 {
		s.notes = append(s.notes, "DATA CACHE: off")
		return root, nil
	}
	o := datacache.Options{Bytes: s.split.data, Prefetch: s.config.Own.Prefetch, Policy: s.config.Own.CachePolicy, Log: s.log}
	if name := s.config.Own.CacheTrace; name != "" {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // the operator names it
		if err != nil {
			return nil, fmt.Errorf("--cache-trace: %w", err)
		}
		s.closers = append(s.closers, file.Close)
		o.Trace = file
	}
	cache, err := datacache.New(o)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, cache.Close)
	s.data, s.bare = cache, root
	s.notes = append(s.notes, fmt.Sprintf("DATA CACHE: Will use up to %d bytes (%.0f%% of total physical RAM)", s.split.data, 100*float64(s.split.data)/float64(s.split.ram)))
	return catalog.Through(root, cache.Wrap), s.countBlocks(cache)
}

// countBlocks shows what the data cache did as metrics.
func (s *Server) countBlocks(cache *datacache.Cache) error {
	const name, help = "terrazzo_data_cache_", "Data cache: "
	counters := map[string]func(datacache.Stats) float64{
		"hits":            func(n datacache.Stats) float64 { return float64(n.Hits) },
		"misses":          func(n datacache.Stats) float64 { return float64(n.Misses) },
		"coalesced":       func(n datacache.Stats) float64 { return float64(n.Joined) },
		"failed":          func(n datacache.Stats) float64 { return float64(n.Failed) },
		"stored":          func(n datacache.Stats) float64 { return float64(n.Stored) },
		"evicted":         func(n datacache.Stats) float64 { return float64(n.Evicted) },
		"discarded":       func(n datacache.Stats) float64 { return float64(n.Dropped) },
		"prefetch_begun":  func(n datacache.Stats) float64 { return float64(n.PrefetchBegun) },
		"prefetch_used":   func(n datacache.Stats) float64 { return float64(n.PrefetchUsed) },
		"prefetch_wasted": func(n datacache.Stats) float64 { return float64(n.PrefetchWasted) },
		"saved_seconds":   func(n datacache.Stats) float64 { return n.SecondsSaved },
		"spent_seconds":   func(n datacache.Stats) float64 { return n.SecondsSpent },
	}
	for r := datacache.Racy; r <= datacache.Collision; r++ {
		counters["refused_"+r.String()] = func(n datacache.Stats) float64 { return float64(n.Refused[r]) }
	}
	for what, value := range counters {
		if err := s.Telemetry.Counter(name+what+"_total", help+what+".", func() float64 { return value(cache.Stats()) }); err != nil {
			return err
		}
	}
	for what, value := range map[string]func(datacache.Stats) float64{
		"bytes":   func(n datacache.Stats) float64 { return float64(n.Bytes) },
		"entries": func(n datacache.Stats) float64 { return float64(n.Entries) },
		"room":    func(n datacache.Stats) float64 { return float64(n.Room) },
	} {
		if err := s.Telemetry.Gauge(name+what, help+what+" now.", func() float64 { return value(cache.Stats()) }); err != nil {
			return err
		}
	}
	return nil
}

// showBlocks says in each answer what the data cache did for it (RFC 9211). It
// lies inside the response cache, which does not keep what it says.
func showBlocks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tally := new(datacache.Tally)
		next.ServeHTTP(&tallied{ResponseWriter: w, tally: tally}, r.WithContext(datacache.WithTally(r.Context(), tally)))
	})
}

type tallied struct {
	http.ResponseWriter
	tally   *datacache.Tally
	started bool
}

func (w *tallied) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *tallied) WriteHeader(status int) {
	if !w.started && status >= http.StatusOK {
		w.started = true
		hits, loads := w.tally.Count(datacache.Hit), w.tally.Count(datacache.Miss)+w.tally.Count(datacache.Joined)
		switch {
		case loads > 0:
			w.Header().Add("Cache-Status", "terrazzo-data; fwd=miss")
		case hits > 0:
			w.Header().Add("Cache-Status", "terrazzo-data; hit")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *tallied) Write(p []byte) (int, error) {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// responseStore is where responses lie: in memory, or where the settings say.
func (s *Server) responseStore() (store.Store, error) {
	spec := s.config.Own.ResponseStore
	if spec == "" {
		return memory.New(memory.Options{Capacity: s.split.responses})
	}
	held, err := store.Open(context.Background(), s.program.Stores, spec, s.split.responses)
	if err != nil {
		return nil, fmt.Errorf("--response-store: %w", err)
	}
	if c, ok := held.(io.Closer); ok {
		s.closers = append(s.closers, c.Close)
	}
	return held, nil
}

// responses wraps the API in the response cache, layer 2. Each reuse asks the
// API with the asker's own credentials, so one stored body serves all who may
// have it and nobody else.
func (s *Server) responses(api *httpapi.API) (http.Handler, error) {
	inner := http.Handler(api)
	if s.data != nil {
		inner = showBlocks(api)
	}
	if s.split.responses == 0 {
		return inner, nil
	}
	held, err := s.responseStore()
	if err != nil {
		return nil, err
	}
	cache, err := respcache.New(respcache.Options{
		Next: inner, Store: held, Name: "terrazzo", Base: api.Origin, Logger: s.log,
		Policy:          rfc9111.Policy{Shared: true, Targets: []string{"Terrazzo-Cache-Control"}},
		MaxBody:         min(respcache.DefaultMaxBody, s.split.responses/4),
		FlightBytes:     min(respcache.DefaultFlightBytes, s.split.flight/4),
		CredentialQuery: []string{"api_key"}, CredentialCookies: []string{auth.KeyCookie},
		NeutralCookies: []string{httpapi.CSRFCookie},
		Drop:           []string{"Server-Timing", "Cache-Status"},
		Variant:        func(r *http.Request) string { return strconv.Itoa(int(api.Class(r))) },
		Strict:         true,
	})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, cache.Close)
	s.cached, s.responseStats = cache, held.Stats
	return revalidations(api.NotModified, cache), CountResponses(s.Telemetry, cache.Stats, held.Stats)
}

// CountResponses shows what a response cache did, and what its store holds, as metrics.
func CountResponses(t *telemetry.Telemetry, done func() respcache.Stats, held func() store.Stats) error {
	const name, help = "terrazzo_response_cache_", "Response cache: "
	for what, value := range map[string]func(respcache.Stats) float64{
		"hits":          func(n respcache.Stats) float64 { return float64(n.Hits) },
		"confirmed":     func(n respcache.Stats) float64 { return float64(n.Confirmed) },
		"stale":         func(n respcache.Stats) float64 { return float64(n.Stale) },
		"misses":        func(n respcache.Stats) float64 { return float64(n.Misses) },
		"passed":        func(n respcache.Stats) float64 { return float64(n.Passed) },
		"refused":       func(n respcache.Stats) float64 { return float64(n.Refused) },
		"collapsed":     func(n respcache.Stats) float64 { return float64(n.Collapsed) },
		"stored":        func(n respcache.Stats) float64 { return float64(n.Stored) },
		"unstorable":    func(n respcache.Stats) float64 { return float64(n.Unstorable) },
		"purged":        func(n respcache.Stats) float64 { return float64(n.Purged) },
		"store_errors":  func(n respcache.Stats) float64 { return float64(n.StoreErrors) },
		"saved_seconds": func(n respcache.Stats) float64 { return n.Saved.Seconds() },
	} {
		if err := t.Counter(name+what+"_total", help+what+".", func() float64 { return value(done()) }); err != nil {
			return err
		}
	}
	if err := t.Counter(name+"evicted_total", help+"values that made room.", func() float64 { return float64(held().Evictions) }); err != nil {
		return err
	}
	for what, value := range map[string]func() int64{
		"bytes":     func() int64 { return held().Bytes },
		"entries":   func() int64 { return held().Entries },
		"room":      func() int64 { return held().Capacity },
		"in_flight": func() int64 { return done().InFlight },
	} {
		if err := t.Gauge(name+what, help+what+" now.", func() float64 { return float64(value()) }); err != nil {
			return err
		}
	}
	return nil
}
