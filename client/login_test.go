package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
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
			"required": true,
			"providers": []any{
				map[string]any{"provider": "toy", "mode": "password", "links": map[string]any{"auth_endpoint": base + "provider/toy/token"}},
				map[string]any{"provider": "orcid", "mode": "external", "links": map[string]any{"auth_endpoint": base + "provider/orcid/authorize"}},
			},
			"links": map[string]any{"whoami": base + "whoami", "refresh_session": base + "session/refresh"},
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
	mux.HandleFunc("POST /api/v1/auth/provider/orcid/authorize", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{
			"authorization_uri": "https://orcid.invalid/authorize", "verification_uri": "http://elsewhere.invalid/api/v1/auth/provider/orcid/token",
			"interval": 0.001, "device_code": "d1", "user_code": "ABCD", "expires_in": 900,
		})
	})
	var polls atomic.Int64
	mux.HandleFunc("POST /api/v1/auth/provider/orcid/token", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Device string `json:"device_code"`
		}
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Device != "d1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if polls.Add(1) < 3 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"detail":{"error":"authorization_pending"}}`))
			return
		}
		reply(w, map[string]any{"access_token": "old", "refresh_token": "r1", "principal": "p1"})
	})
	mux.HandleFunc("POST /api/v1/auth/session/revoke", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Refresh string `json:"refresh_token"`
		}
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Refresh != "r1" {
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
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
	if err != nil || who.ID != "p1" || renewals.Load() != 1 {
		t.Errorf("%+v after %d renewals, error %v", who, renewals.Load(), err)
	}
	if saved.Access != "new" || saved.Refresh != "r2" || saved.Principal != "p1" {
		t.Errorf("saved %+v", saved)
	}
}

// TestDeviceLogin: the code is shown, the server asked until the user is done.
func TestDeviceLogin(t *testing.T) {
	t.Parallel()
	var renewals atomic.Int64
	s := httptest.NewServer(accounts(&renewals))
	defer s.Close()
	c, err := client.Connect(t.Context(), s.URL, quick)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.LoginDevice(t.Context(), "toy"); !errors.Is(err, errdef.ErrNotAllowed) {
		t.Errorf("a provider of passwords: %v", err)
	}
	login, err := c.LoginDevice(t.Context(), "")
	if err != nil || login.Visit != "https://orcid.invalid/authorize" || login.Code != "ABCD" {
		t.Fatalf("%+v, error %v", login, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := login.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	tokens, err := login.Wait(t.Context())
	if err != nil || tokens.Principal != "p1" || tokens.RenewAt == "" {
		t.Fatalf("%+v, error %v", tokens, err)
	}
	for _, refresh := range []string{"r1", "forgotten"} {
		if err := c.Logout(t.Context(), client.Tokens{Refresh: refresh}); err != nil {
			t.Errorf("%s: %v", refresh, err)
		}
	}
}

// TestLoginOnTiled logs in to the real Tiled with a password, outlives the access token,
// and is out after the logout.
func TestLoginOnTiled(t *testing.T) {
	t.Parallel()
	s := testenv.TiledConfig(t, fmt.Sprintf(`
authentication:
  providers:
  - provider: toy
    authenticator: tiled.authenticators:DictionaryAuthenticator
    args: {users_to_passwords: {alice: secret1}}
  secret_keys: ["SECRET"]
  access_token_max_age: 1
database: {uri: "sqlite:///%s", init_if_not_exists: true}
trees: [{path: /, tree: "tiled.examples.generated_minimal:tree"}]
`, filepath.Join(t.TempDir(), "auth.db")))
	anonymous, err := client.Connect(t.Context(), s.URL, quick)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := anonymous.Login(t.Context(), "", "alice", "wrong"); !errors.Is(err, errdef.ErrUnauthenticated) {
		t.Errorf("wrong password: %v", err)
	}
	tokens, err := anonymous.Login(t.Context(), "", "alice", "secret1")
	if err != nil {
		t.Fatal(err)
	}
	renewed := 0
	session := client.NewSession(anonymous, tokens, func(t client.Tokens) error { renewed++; tokens = t; return nil })
	c, err := client.Connect(t.Context(), s.URL, client.WithAuthorizer(session), quick)
	if err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < 3*time.Second; { // three lives of an access token
		if who, err := c.WhoAmI(t.Context()); err != nil || len(who.Names) != 1 || who.Names[0] != "alice" {
			t.Fatalf("%+v, error %v", who, err)
		}
	}
	if renewed == 0 {
		t.Error("no token was renewed")
	}
	if err := anonymous.Logout(t.Context(), tokens); err != nil {
		t.Error(err)
	}
	if _, err := client.NewSession(anonymous, tokens, nil).Authorization(t.Context(), true); !errors.Is(err, errdef.ErrUnauthenticated) {
		t.Errorf("a session that is over: %v", err)
	}
}
