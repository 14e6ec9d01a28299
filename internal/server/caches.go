package server

import (
	"net/http"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/httpapi"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
)

// responses wraps the API in the response cache, layer 2. Each reuse asks the
// API with the asker's own credentials, so one stored body serves all who may
// have it and nobody else.
func (s *Server) responses(api *httpapi.API) (http.Handler, error) {
	if s.split.responses == 0 {
		return api, nil
	}
	store, err := memory.New(memory.Options{Capacity: s.split.responses})
	if err != nil {
		return nil, err
	}
	cache, err := respcache.New(respcache.Options{
		Next: api, Store: store, Name: "terrazzo", Base: api.Origin, Logger: s.log,
		Policy:          rfc9111.Policy{Shared: true, Targets: []string{"Terrazzo-Cache-Control"}},
		MaxBody:         min(respcache.DefaultMaxBody, s.split.responses/4),
		FlightBytes:     min(respcache.DefaultFlightBytes, s.split.flight/4),
		CredentialQuery: []string{"api_key"}, CredentialCookies: []string{auth.KeyCookie},
		NeutralCookies: []string{httpapi.CSRFCookie},
		Drop:           []string{"Server-Timing", "X-Tiled-Request-Id"},
	})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, cache.Close)
	return cache, s.countResponses(cache)
}

// countResponses shows what the response cache did as metrics.
func (s *Server) countResponses(cache *respcache.Cache) error {
	for name, value := range map[string]func(respcache.Stats) float64{
		"confirmed":     func(n respcache.Stats) float64 { return float64(n.Confirmed) },
		"misses":        func(n respcache.Stats) float64 { return float64(n.Misses) },
		"passed":        func(n respcache.Stats) float64 { return float64(n.Passed) },
		"collapsed":     func(n respcache.Stats) float64 { return float64(n.Collapsed) },
		"stored":        func(n respcache.Stats) float64 { return float64(n.Stored) },
		"store_errors":  func(n respcache.Stats) float64 { return float64(n.StoreErrors) },
		"saved_seconds": func(n respcache.Stats) float64 { return n.Saved.Seconds() },
	} {
		err := s.Telemetry.Counter("terrazzo_response_cache_"+name+"_total", "Response cache: "+name+".", func() float64 { return value(cache.Stats()) })
		if err != nil {
			return err
		}
	}
	return nil
}
