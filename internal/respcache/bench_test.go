package respcache_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/respcache"
)

// sink is a client in the same process that takes everything and keeps nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func bench(b *testing.B, c *respcache.Cache, fields ...string) {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://h/api/v1/array/block/a/b?block=0,0&expected_shape=1000,1000", http.NoBody)
	r.Header.Set("Accept", "application/octet-stream")
	r.Header.Set("Accept-Encoding", "zstd, blosc2, gzip")
	r.Header.Set("Authorization", "Apikey sesame")
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := &sink{header: http.Header{}}
	c.ServeHTTP(w, r)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		c.ServeHTTP(w, r)
	}
}

func BenchmarkFresh(b *testing.B) {
	bench(b, newCache(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		w.Header().Set("Vary", "Accept, Accept-Encoding")
		_, _ = w.Write(make([]byte, 2<<20))
	}, nil))
}

// BenchmarkConfirmed is law 9's path: each reuse asks the inner handler, whose own part
// (authorisation, stat, hash) is not in it.
func BenchmarkConfirmed(b *testing.B) {
	var encodes atomic.Int64
	bench(b, newCache(b, validated(&encodes), nil))
	if encodes.Load() != 1 {
		b.Errorf("%d encodes", encodes.Load())
	}
}

// BenchmarkNotModified is the same where the client holds the body itself.
func BenchmarkNotModified(b *testing.B) {
	var encodes atomic.Int64
	bench(b, newCache(b, validated(&encodes), nil), "If-None-Match", `"1"`)
}
