package server

import (
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/internal/admin"
)

// CacheReport is what the admin listener says of the caches; of a proxy, only
// what [admin.Report] has.
type CacheReport struct {
	admin.Report
	Data    *datacache.Stats `json:"data_cache,omitempty"`
	Entries []NodeReport     `json:"nodes,omitempty"`
}

// NodeReport is what the data cache holds of one node.
type NodeReport struct {
	Path    string        `json:"path"`
	Entries int           `json:"entries"`
	Bytes   int64         `json:"bytes"`
	Hits    int64         `json:"hits"`
	Cost    time.Duration `json:"cost_ns"`
}

// adminHandler shows and empties the caches, and gives profiles.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cache", func(w http.ResponseWriter, _ *http.Request) { admin.Reply(w, s.report()) })
	mux.HandleFunc("POST /cache/clear", func(w http.ResponseWriter, r *http.Request) {
		s.discard(w, r, func(c *datacache.Cache) int { return c.DiscardNode("") })
	})
	mux.HandleFunc("POST /cache/discard", func(w http.ResponseWriter, r *http.Request) {
		path, asset := strings.Trim(r.URL.Query().Get("path"), "/"), r.URL.Query().Get("asset")
		switch {
		case asset != "":
			s.discard(w, r, func(c *datacache.Cache) int { return c.DiscardAsset(r.Context(), s.bare, asset) })
		case path != "":
			s.discard(w, r, func(c *datacache.Cache) int { return c.DiscardNode(path) })
		default:
			s.purge(w, r)
		}
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	return mux
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
		held := s.responseStats()
		report.Responses, report.Store = &stats, &held
	}
	return report
}

// discard gives up what the data cache holds of a node or a file, and all of
// the response cache, which finds bodies by their address alone.
func (s *Server) discard(w http.ResponseWriter, r *http.Request, from func(*datacache.Cache) int) {
	gone := 0
	if s.data != nil {
		gone = from(s.data)
	}
	if s.cached != nil {
		if err := s.cached.PurgeAll(r.Context()); err != nil {
			s.log.LogAttrs(r.Context(), slog.LevelWarn, "admin: the response cache was not emptied", slog.Any("error", err))
		}
	}
	admin.Reply(w, map[string]any{"discarded": gone})
}

// purge forgets responses by URL, prefix or group.
func (s *Server) purge(w http.ResponseWriter, r *http.Request) {
	named := 0
	if s.cached != nil {
		var err error
		if named, err = admin.Purge(r.Context(), s.cached, r.URL.Query()); err != nil {
			admin.Refuse(w, http.StatusBadRequest, err.Error())
			return
		}
	}
	if named == 0 {
		admin.Refuse(w, http.StatusBadRequest, "name a path, asset, url, prefix or group to give up; to give up everything use /cache/clear")
		return
	}
	admin.Reply(w, map[string]any{"discarded": 0, "purged": named})
}
