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
