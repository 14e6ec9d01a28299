package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// accounts is a server of a Tiled with accounts: as much of it as logging in needs.
func accounts(renewals *atomic.Int64) http.Handler {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, doc any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(doc)
	}
	mux.HandleFunc("/api/v1/{$}", func(w http.ResponseWriter, _ *http.Request) {
		// The links name another host: what is secret must not go there.
		const base = "http://elsewhere.invalid/api/v1/auth/"
		reply(w, map[string]any{"api_version": 0, "library_version": "0.2.20", "authentication": map[string]any{
			"required":  true,
			"providers": []any{map[string]any{"provider": "toy", "mode": "password", "links": map[string]any{"auth_endpoint": base + "provider/toy/token"}}},
			"links":     map[string]any{"whoami": base + "whoami", "refresh_session": base + "session/refresh"},
		}})
	})
	mux.HandleFunc("POST /api/v1/auth/provider/toy/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("username") != "alice" || r.FormValue("password") != "pass" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		reply(w, map[string]any{"access_token": "old", "refresh_token": "r1", "principal": "p1"})
	})
	mux.HandleFunc("POST /api/v1/auth/session/refresh", func(w http.ResponseWriter, _ *http.Request) {
		renewals.Add(1)
		reply(w, map[string]any{"access_token": "new", "refresh_token": "r2"})
	})
	mux.HandleFunc("/api/v1/auth/whoami", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		reply(w, map[string]any{"uuid": "p1"})
	})
	return mux
}

func TestLogin(t *testing.T) {
	t.Parallel()
	var renewals atomic.Int64
	s := httptest.NewServer(accounts(&renewals))
	defer s.Close()
	anonymous, err := client.Connect(t.Context(), s.URL, quick)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := anonymous.Login(t.Context(), "", "alice", "wrong"); !errors.Is(err, errdef.ErrUnauthenticated) {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := anonymous.Login(t.Context(), "other", "alice", "pass"); !errors.Is(err, errdef.ErrNotAllowed) {
		t.Errorf("no such provider: %v", err)
	}
	tokens, err := anonymous.Login(t.Context(), "", "alice", "pass")
	if err != nil || tokens.Principal != "p1" {
		t.Fatalf("tokens %+v, error %v", tokens, err)
	}
	var mu sync.Mutex
	var saved client.Tokens
	session := client.NewSession(anonymous, tokens, func(t client.Tokens) error {
		mu.Lock()
		defer mu.Unlock()
		saved = t
		return nil
	})
	c, err := client.Connect(t.Context(), s.URL, client.WithAuthorizer(session), quick)
	if err != nil {
		t.Fatal(err)
	}
	who, err := c.WhoAmI(t.Context())
	if err != nil || who != "p1" || renewals.Load() != 1 {
		t.Errorf("%q after %d renewals, error %v", who, renewals.Load(), err)
	}
	if saved.Access != "new" || saved.Refresh != "r2" || saved.Principal != "p1" {
		t.Errorf("saved %+v", saved)
	}
}
