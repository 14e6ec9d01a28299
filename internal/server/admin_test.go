package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/admin"
)

func TestAdmin(t *testing.T) {
	c := settings()
	c.Authentication.AllowAnonymousAccess = true
	c.Own.AdminKey, c.Own.DataCache = "adminsecret", "64MiB"
	s, err := New(c, Program{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := func(h http.Handler, method, path, key string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://localhost"+path, nil)
		if key != "" {
			r.Header.Set("Authorization", "Apikey "+key)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	listener := admin.Locked(c.Own.AdminKey, s.adminHandler())
	for _, key := range []string{"", "secret", "adminsecre"} {
		for _, path := range []string{"/cache", "/debug/pprof/"} {
			if w := ask(listener, http.MethodGet, path, key); w.Code != http.StatusUnauthorized {
				t.Errorf("%s with the key %q: %d", path, key, w.Code)
			}
		}
	}
	report := func() CacheReport {
		var doc CacheReport
		if err := json.Unmarshal(ask(listener, http.MethodGet, "/cache", "adminsecret").Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	if w := ask(s.handler, http.MethodGet, frame, ""); w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	if r := report(); r.Data.Misses != 1 || len(r.Entries) != 1 || r.Entries[0].Path != "scan/detector" || r.Entries[0].Entries != 1 || r.Responses.Stored != 1 {
		t.Errorf("%+v %+v", r.Data, r.Entries)
	}
	ask(listener, http.MethodPost, "/cache/discard?path=scan/other", "adminsecret")
	if r := report(); len(r.Entries) != 1 {
		t.Errorf("discarding another node left %+v", r.Entries)
	}
	ask(listener, http.MethodPost, "/cache/discard?path=/scan", "adminsecret")
	if r := report(); len(r.Entries) != 0 || r.Data.Dropped != 1 {
		t.Errorf("after discarding: %+v", r.Entries)
	}
	if w := ask(listener, http.MethodPost, "/cache/discard?url=http://localhost"+frame, "adminsecret"); w.Code != http.StatusOK || report().Responses.Purged == 0 {
		t.Errorf("purging an address: %d %s", w.Code, w.Body)
	}
	if w := ask(listener, http.MethodPost, "/cache/discard?prefix=nowhere", "adminsecret"); w.Code != http.StatusBadRequest {
		t.Errorf("purging below no folder: %d", w.Code)
	}
	if w := ask(listener, http.MethodPost, "/cache/discard", "adminsecret"); w.Code != http.StatusBadRequest {
		t.Errorf("discarding nothing: %d", w.Code)
	}
	ask(s.handler, http.MethodGet, frame, "")
	if r := report(); r.Data.Misses != 2 {
		t.Errorf("after emptying, a frame was not read again: %+v", r.Data)
	}
}

// What was read from a file is given up by the file's name.
func TestDataCacheDiscardsByFile(t *testing.T) {
	c := oneStack(t, 2)
	c.Authentication.AllowAnonymousAccess = true
	c.Own.DataCache, c.Trees[0].Args.Storage.TrustAfter = "64MiB", 1e-9
	s, err := New(c, Program{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := func(h http.Handler, method, path string) {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, nil)); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for file, want := range map[string]int64{"/nowhere/stack.npy": 1, c.Trees[0].Args.Directory + "/stack.npy": 0} {
		ask(s.handler, http.MethodGet, "/api/v1/array/full/stack?slice=0")
		ask(s.adminHandler(), http.MethodPost, "/cache/discard?asset="+file)
		if n := s.data.Stats().Entries; n != want {
			t.Errorf("after discarding %s there are %d entries, want %d", file, n, want)
		}
	}
}
