package httpcache_test

import (
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/terrazzo-data/terrazzo/httpcache"
)

// whoIs knows the owners of tokens: "Bearer alice-1" is alice's.
func whoIs(asked *atomic.Int64) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		asked.Add(1)
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		name, _, known := strings.Cut(token, "-")
		if !ok || !known {
			return "", errors.New("not known")
		}
		return name, nil
	}
}

// TestRenewedTokens: who renews a token finds what the one before fetched, also offline
// and in another process; who shows another's name or an unknown token does not.
func TestRenewedTokens(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, fresh)
	place := httpcache.Place{Dir: filepath.Join(t.TempDir(), "shared"), Capacity: 64 << 20}
	var asked atomic.Int64
	var offline atomic.Bool
	options := httpcache.Options{Identify: whoIs(&asked), Offline: offline.Load}
	c := newTransport(t, place, options)
	for _, token := range []string{"alice-1", "alice-2", "alice-2"} {
		if _, body, _ := get(t, c, o.URL+"/a", "Bearer "+token); body != "body of /a for Bearer alice-1" {
			t.Errorf("%s got %q", token, body)
		}
	}
	if asked.Load() != 2 || o.asked.Load() != 1 {
		t.Errorf("asked %d times who it is, %d for data", asked.Load(), o.asked.Load())
	}
	for _, who := range []string{"Bearer bob-1", "Bearer alice", "Apikey alice-1", ""} {
		if _, body, _ := get(t, c, o.URL+"/a", who); body != "body of /a for "+who {
			t.Errorf("%q got %q", who, body)
		}
	}
	offline.Store(true)
	later := newTransport(t, place, options) // as after a restart
	before := asked.Load()
	if _, body, _ := get(t, later, o.URL+"/a", "Bearer alice-2"); body != "body of /a for Bearer alice-1" {
		t.Errorf("offline: %q", body)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/a", nil)
	r.Header.Set("Authorization", "Bearer alice-3")
	if _, err := later.RoundTrip(r); !errors.Is(err, httpcache.ErrNotAvailableOffline) { //nolint:bodyclose // there is none
		t.Errorf("a token that nobody vouched for: %v", err)
	}
	if asked.Load() != before {
		t.Error("asked who it is while offline")
	}
}

// TestManyAtOnceAskOnceWhoItIs: a new token under many requests is asked about once.
func TestManyAtOnceAskOnceWhoItIs(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, fresh)
	var asked atomic.Int64
	c := newTransport(t, httpcache.Place{}, httpcache.Options{Identify: whoIs(&asked)})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/a", nil)
			r.Header.Set("Authorization", "Bearer alice-1")
			answer, err := c.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		})
	}
	wg.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// TestTwoShareAFolder: two users, each with a transport of their own over one folder.
func TestTwoShareAFolder(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, fresh)
	place := httpcache.Place{Dir: filepath.Join(t.TempDir(), "shared"), Capacity: 64 << 20}
	alice := newTransport(t, place, httpcache.Options{Principal: "alice"})
	bob := newTransport(t, place, httpcache.Options{Principal: "bob"})
	nobody := newTransport(t, place, httpcache.Options{Principal: "alice", Offline: func() bool { return true }})
	for range 2 {
		if _, body, _ := get(t, alice, o.URL+"/a", "Bearer 1"); body != "body of /a for Bearer 1" {
			t.Errorf("alice got %q", body)
		}
		if _, body, _ := get(t, bob, o.URL+"/a", "Bearer 2"); body != "body of /a for Bearer 2" {
			t.Errorf("bob got %q", body)
		}
	}
	if _, body, _ := get(t, nobody, o.URL+"/a", "Bearer expired"); body != "body of /a for Bearer 1" || o.asked.Load() != 2 {
		t.Errorf("alice offline: %q after %d requests", body, o.asked.Load())
	}
}
