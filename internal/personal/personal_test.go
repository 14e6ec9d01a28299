package personal_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/internal/personal"
)

func TestPrivateProxy(t *testing.T) {
	t.Parallel()
	asked := 0
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = io.WriteString(w, r.Host+" "+r.Header.Get("Authorization"))
	}))
	defer origin.Close()
	c, err := httpcache.Open(httpcache.Place{}, httpcache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h, err := personal.New(personal.Options{Origin: origin.URL, Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	for _, who := range []string{"Apikey a", "Apikey a", "Apikey b"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/x", nil)
		r.Header.Set("Authorization", who)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if want := r.URL.Host + " " + who; string(body) != want {
			t.Errorf("%q, want %q", body, want)
		}
	}
	if asked != 2 {
		t.Errorf("%d requests reached the origin, want one per asker", asked)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/x", nil)
	r.Host = "evil.example"
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("a page by another name: %v, error %v", answer.StatusCode, err)
	}
	_ = answer.Body.Close()
}

// TestPythonClientGetsLayer1: Tiled's Python client is answered from the cache after a 304
// that it does not see, also by a server that shields it from them.
func TestPythonClientGetsLayer1(t *testing.T) {
	t.Parallel()
	confirmed := 0
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Cache-Control", "no-cache")
		if r.Header.Get("If-None-Match") == `"1"` && r.Header.Get("Via") == "1.1 terrazzo" {
			confirmed++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "body")
	}))
	defer origin.Close()
	c, err := httpcache.Open(httpcache.Place{}, httpcache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h, err := personal.New(personal.Options{Origin: origin.URL, Transport: c, Shield: true})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	for range 3 {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/x", nil)
		r.Header.Set("User-Agent", "python-tiled/0.2.20")
		r.Header.Set("If-None-Match", `"1"`)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK || string(body) != "body" {
			t.Errorf("status %d, body %q", answer.StatusCode, body)
		}
	}
	if confirmed != 2 {
		t.Errorf("%d answers were confirmed by a 304, want 2", confirmed)
	}
}

// TestRenewedTokenKeepsTheCache: a client whose token was renewed finds what the token
// before fetched; another user, and who made a token up, does not.
func TestRenewedTokenKeepsTheCache(t *testing.T) {
	t.Parallel()
	owners := map[string]string{"Bearer a1": "alice", "Bearer a2": "alice", "Bearer b1": "bob"}
	asked, who := 0, 0
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		owner := owners[r.Header.Get("Authorization")]
		if r.URL.Path == "/prefix/api/v1/auth/whoami" {
			if who++; owner == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, `{"uuid":"`+owner+`"}`)
			return
		}
		asked++
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = io.WriteString(w, "for "+r.Header.Get("Authorization"))
	}))
	defer origin.Close()
	network := &http.Transport{}
	identify, err := personal.Identify(origin.URL+"/prefix", network)
	if err != nil {
		t.Fatal(err)
	}
	c, err := httpcache.Open(httpcache.Place{}, httpcache.Options{Next: network, Identify: identify})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h, err := personal.New(personal.Options{Origin: origin.URL + "/prefix", Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	for _, step := range [][2]string{
		{"Bearer a1", "Bearer a1"},
		{"Bearer a2", "Bearer a1"},
		{"Bearer b1", "Bearer b1"},
		{"Bearer made-up", "Bearer made-up"},
		{"Apikey a1", "Apikey a1"},
		{"Bearer a2", "Bearer a1"},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/x", nil)
		r.Header.Set("Authorization", step[0])
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if want := "for " + step[1]; string(body) != want {
			t.Errorf("%s: %q, want %q", step[0], body, want)
		}
	}
	if asked != 4 || who != 4 {
		t.Errorf("%d requests for data and %d for who it is reached the origin, want 4 and 4", asked, who)
	}
}
