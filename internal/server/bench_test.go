package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/config"
)

// folderOf makes a folder with a stack of frames of 2 MiB, settled long ago.
func folderOf(tb testing.TB, frames int) string {
	tb.Helper()
	dir := tb.TempDir()
	header := fmt.Sprintf("{'descr': '<u2', 'fortran_order': False, 'shape': (%d, 1024, 1024), }", frames)
	text := fmt.Appendf(nil, "\x93NUMPY\x01\x00\x76\x00%-117s\n", header)
	name := filepath.Join(dir, "stack.npy")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Truncate(name, int64(len(text)+frames<<21)); err != nil {
		tb.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(name, old, old); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// sink is a response that keeps nothing.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { s.bytes += len(p); return len(p), nil }

func handlerOf(tb testing.TB, dir string) http.Handler {
	tb.Helper()
	c := settings()
	c.Authentication.AllowAnonymousAccess = true
	c.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: dir}}}
	s, err := New(c, Program{}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s.handler
}

// BenchmarkRequest measures the handlers in process, without a network.
func BenchmarkRequest(b *testing.B) {
	handler := handlerOf(b, folderOf(b, 50))
	time.Sleep(3 * time.Second) // until ctime is trusted
	ballast := make([]byte, ballastBytes)
	defer runtime.KeepAlive(ballast)
	const slice = "/api/v1/array/full/stack?slice=3"
	for _, test := range []struct {
		name, path string
		condition  bool
		want       int
	}{
		{"slice", slice, false, 200},
		{"304", slice, true, 304},
		{"metadata", "/api/v1/metadata/stack", false, 200},
		{"metadata304", "/api/v1/metadata/stack", true, 304},
		{"search", "/api/v1/search/", false, 200},
	} {
		b.Run(test.name, func(b *testing.B) {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, test.path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.RemoteAddr = "127.0.0.1:1000"
			r.Host = "localhost:8000"
			first := &sink{header: http.Header{}}
			handler.ServeHTTP(first, r)
			if test.condition {
				r.Header.Set("If-None-Match", first.header.Get("ETag"))
			}
			b.ReportAllocs()
			for b.Loop() {
				out := &sink{header: http.Header{}}
				handler.ServeHTTP(out, r)
				if out.status != test.want {
					b.Fatalf("%d", out.status)
				}
			}
		})
	}
}
