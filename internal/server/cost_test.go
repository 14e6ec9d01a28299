package server

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// TestARevalidationCostsLittle bounds what it takes to say that a client's copy
// still holds, the key's check included: law 9 of the architecture lets every
// hit of the response cache rest on it.
func TestARevalidationCostsLittle(t *testing.T) {
	c := settings()
	c.Authentication.SingleUserAPIKey = "secret"
	c.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: folderOf(t, 2)}}}
	s, err := New(c, Program{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/array/full/stack?slice=1,0:2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr, r.Host = "127.0.0.1:1000", "localhost:8000"
	r.Header.Set("Authorization", "Apikey secret")
	ask := func() *sink {
		out := &sink{header: http.Header{}}
		s.handler.ServeHTTP(out, r)
		return out
	}
	first := ask()
	for first.header.Get("ETag") == "" { // until the folder's own ctime is trusted
		time.Sleep(50 * time.Millisecond)
		first = ask()
	}
	if first.status != http.StatusOK {
		t.Fatal(first.status)
	}
	r.Header.Set("If-None-Match", first.header.Get("ETag"))
	ask()
	stats, opens := s.files.counts[source.Stats].Load(), s.files.counts[source.Opens].Load()
	if got := ask(); got.status != http.StatusNotModified {
		t.Fatal(got.status)
	}
	if got := s.files.counts[source.Stats].Load() - stats; got != 2 {
		t.Errorf("%d looks at files, expected one at the folder and one at the file", got)
	}
	if got := s.files.counts[source.Opens].Load() - opens; got != 0 {
		t.Errorf("%d files opened", got)
	}
	if got := testing.AllocsPerRun(100, func() { ask() }); got > maxRevalidationAllocs {
		t.Errorf("%v allocations, at most %d are allowed", got, maxRevalidationAllocs)
	}
	r.Header.Set("Authorization", "Apikey wrong")
	if got := ask(); got.status != http.StatusUnauthorized {
		t.Errorf("with a wrong key: %d", got.status)
	}
}

// maxRevalidationAllocs is a little more than it takes: that a change adds some
// should show.
const maxRevalidationAllocs = 84
