package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadOriginProvesNothing: while the origin is down, what is stale goes to those alone
// whom the origin gave an answer of that kind before it died: not to strangers, and no
// data to who was shown metadata.
func TestDeadOriginProvesNothing(t *testing.T) {
	for _, mode := range []string{AuthorizeMetadata, AuthorizeRevalidate, AuthorizeKey} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOrigin()
				p := behind(t, o, func(o *Options) { o.Authorize, o.StaleIfError = mode, time.Hour })
				const live, metadata = "/api/v1/array/block/live/img?block=0", "/api/v1/metadata/live/img"
				for _, who := range []string{"alice", "mona", "eve", ""} {
					for _, url := range []string{metadata, live} {
						get(t, p, url, who)
					}
				}
				o.mu.Lock()
				o.down = true
				o.mu.Unlock()
				for range 2 {
					for who, want := range map[string][2]bool{"alice": {true, true}, "mona": {true, false}, "eve": {}, "": {}, "new": {}} {
						for i, url := range []string{metadata, live} {
							w := get(t, p, url, who)
							if got := w.Code == http.StatusOK; got != want[i] {
								t.Errorf("%s as %q: %d %s, want given: %v", url, who, w.Code, w.Header().Get("Cache-Status"), want[i])
							}
						}
					}
					time.Sleep(20 * time.Minute)
				}
				time.Sleep(time.Hour)
				if w := get(t, p, live, "alice"); w.Code == http.StatusOK {
					t.Errorf("long after: %d", w.Code)
				}
			})
		})
	}
}

// TestDeadOriginMixesNobody: what is kept of a listing while the origin is down goes to
// the one to whom it was given last, not to another who may see less.
func TestDeadOriginMixesNobody(t *testing.T) {
	for _, mode := range []string{AuthorizeMetadata, AuthorizeRevalidate} {
		down := false
		network := roundTripper(func(r *http.Request) (*http.Response, error) {
			if down {
				return nil, io.ErrUnexpectedEOF
			}
			body := "seen by " + r.Header.Get("Authorization")
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{"Etag": {fmt.Sprintf("%x", body)}},
				Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
			}, nil
		})
		p := behind(t, newOrigin(), func(o *Options) { o.transport, o.StaleIfError, o.Authorize = network, time.Hour, mode })
		const url = "/api/v1/search/run?fields="
		get(t, p, url, "bob")
		get(t, p, url, "alice")
		down = true
		if w := get(t, p, url, "alice"); w.Body.String() != "seen by Apikey alice" {
			t.Errorf("%s: alice gets %d %q", mode, w.Code, w.Body)
		}
		if w := get(t, p, url, "bob"); w.Code == http.StatusOK && w.Body.String() != "seen by Apikey bob" {
			t.Errorf("%s: bob gets %q", mode, w.Body)
		}
	}
}

// TestListingsAreOnesOwn: where a rule makes listings fresh, each asker gets what the
// origin answered to them, never what it answered to another, who may see more.
func TestListingsAreOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin()
		network := roundTripper(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/search/") || strings.Contains(r.URL.Path, "/container/full/") {
				body := "seen by " + r.Header.Get("Authorization")
				return &http.Response{
					StatusCode: http.StatusOK, Header: http.Header{"Etag": {fmt.Sprintf("%x", body)}},
					Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
				}, nil
			}
			return o.RoundTrip(r)
		})
		p := behind(t, o, func(options *Options) {
			options.transport = network
			options.Fresh = []string{"search/**=60s", "metadata/**=60s"}
		})
		for range 4 {
			for _, who := range []string{"alice", "bob", "alice", "mona"} {
				for _, url := range []string{"/api/v1/search/run?fields=", "/api/v1/container/full/run?format=json"} {
					if w := get(t, p, url, who); w.Body.String() != "seen by Apikey "+who {
						t.Errorf("%s to %s: %q (%s)", url, who, w.Body, w.Header().Get("Cache-Status"))
					}
				}
			}
			time.Sleep(11 * time.Second)
		}
		for range 2 {
			get(t, p, "/api/v1/search/run?fields=", "alice")
		}
		if st := p.Cache().Stats(); st.Hits == 0 {
			t.Errorf("nothing came from the cache: %+v", st)
		}
		// Offline what is held is served to who reaches the proxy, as the manual says.
		p.SetOffline(true)
		if w := get(t, p, "/api/v1/search/run?fields=", "alice"); w.Code != http.StatusOK {
			t.Errorf("offline: %d", w.Code)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
