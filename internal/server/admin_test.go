package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
)

func TestAdmin(t *testing.T) {
	c := settings()
	c.Authentication.AllowAnonymousAccess = true
	c.Own.AdminKey = "adminsecret"
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
	admin := s.adminHandler()
	for _, key := range []string{"", "secret", "adminsecre"} {
		for _, path := range []string{"/cache", "/debug/pprof/"} {
			if w := ask(admin, http.MethodGet, path, key); w.Code != http.StatusUnauthorized {
				t.Errorf("%s with the key %q: %d", path, key, w.Code)
			}
		}
	}
	report := func() CacheReport {
		var doc CacheReport
		if err := json.Unmarshal(ask(admin, http.MethodGet, "/cache", "adminsecret").Body.Bytes(), &doc); err != nil {
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
	ask(admin, http.MethodPost, "/cache/discard?path=scan/other", "adminsecret")
	if r := report(); len(r.Entries) != 1 {
		t.Errorf("discarding another node left %+v", r.Entries)
	}
	ask(admin, http.MethodPost, "/cache/discard?path=/scan", "adminsecret")
	if r := report(); len(r.Entries) != 0 || r.Data.Dropped != 1 {
		t.Errorf("after discarding: %+v", r.Entries)
	}
	if w := ask(admin, http.MethodPost, "/cache/discard", "adminsecret"); w.Code != http.StatusBadRequest {
		t.Errorf("discarding nothing: %d", w.Code)
	}
	ask(s.handler, http.MethodGet, frame, "")
	if r := report(); r.Data.Misses != 2 {
		t.Errorf("after emptying, a frame was not read again: %+v", r.Data)
	}
}

func TestAdminListens(t *testing.T) {
	for address, key := range map[string]string{"0.0.0.0:0": "k", "127.0.0.1:0": "", "somewhere": "k"} {
		c := settings()
		c.Own.Admin, c.Own.AdminKey = address, key
		s, err := New(c, Program{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.adminListener(t.Context()); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%s with the key %q: %v", address, key, err)
		}
		_ = s.Close()
	}
	c := settings()
	c.Own.Admin = "unix:" + t.TempDir() + "/admin"
	s, err := New(c, Program{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	wait, err := s.serveAdmin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := wait(); err != nil {
		t.Error(err)
	}
}
