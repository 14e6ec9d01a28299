package proxy

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/admin"
)

// TestAdmin looks at a running proxy, has it forget a node, an address, a folder and
// everything, and takes it off the network and back.
func TestAdmin(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, nil)
	listener := p.Admin()
	tell := func(method, path string, code int) admin.Report {
		t.Helper()
		w := httptest.NewRecorder()
		listener.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
		var report admin.Report
		if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil || w.Code != code {
			t.Errorf("%s %s: %d %s %v", method, path, w.Code, w.Body, err)
		}
		return report
	}
	settled := func() {
		t.Helper()
		reads(t, p, o, block, "alice", http.StatusOK, "v1")
		if n := reads(t, p, o, block, "alice", http.StatusOK, "v1"); n != 0 {
			t.Fatalf("a finished run is asked for again: %d", n)
		}
	}
	settled()
	if r := tell(http.MethodGet, "/cache", http.StatusOK); r.Responses.Hits == 0 || r.Store.Entries == 0 || r.Offline {
		t.Errorf("%+v %+v", r.Responses, r.Store)
	}
	for _, gone := range []string{
		"/cache/discard?path=run", "/cache/discard?path=/run/primary/img/", "/cache/discard?prefix=http://proxy/api/v1/",
		"/cache/discard?url=" + url.QueryEscape("http://proxy"+block), "/cache/clear",
	} {
		tell(http.MethodPost, gone, http.StatusOK)
		if n := reads(t, p, o, block, "alice", http.StatusOK, "v1"); n != 1 {
			t.Errorf("after %s it was asked for %d times, want 1", gone, n)
		}
		settled()
	}
	for _, kept := range []string{"/cache/discard?path=ru", "/cache/discard?path=run/other", "/cache/discard?prefix=http://other/api/v1/", "/cache/discard?group=g&base=http://proxy"} {
		tell(http.MethodPost, kept, http.StatusOK)
		if n := reads(t, p, o, block, "alice", http.StatusOK, "v1"); n != 0 {
			t.Errorf("%s took what it does not name", kept)
		}
	}
	for _, bad := range []string{"/cache/discard", "/cache/discard?path=/", "/cache/discard?url=/a", "/cache/discard?group=g", "/offline", "/offline?value=maybe"} {
		tell(http.MethodPost, bad, http.StatusBadRequest)
	}
	o.down = true
	if r := tell(http.MethodPost, "/offline?value=true", http.StatusOK); !r.Offline {
		t.Error("it does not say that it is offline")
	}
	reads(t, p, o, block, "alice", http.StatusOK, "v1")
	o.down = false
	tell(http.MethodPost, "/offline?value=false", http.StatusOK)
	if w := get(t, p, "/api/v1/metadata/run", "alice"); w.Code != http.StatusOK {
		t.Errorf("back on the network: %d", w.Code)
	}
}

// TestAddresses: what is written or discarded at one address is gone at all others.
func TestAddresses(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, nil)
	elsewhere := func() int {
		o.taken("array/block")
		for range 2 {
			r := httptest.NewRequest(http.MethodGet, "http://elsewhere"+block, http.NoBody)
			r.Header.Set("Authorization", "Apikey alice")
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Errorf("%d", w.Code)
			}
		}
		return o.taken("array/block")
	}
	if n := elsewhere(); n != 1 {
		t.Fatalf("%d requests for two reads", n)
	}
	send(t, p, http.MethodPut, "/api/v1/array/full/run/primary/img", "alice")
	if n := elsewhere(); n != 1 {
		t.Errorf("after a write at another address: %d requests, want 1", n)
	}
	if err := p.DiscardNode(t.Context(), "run"); err != nil {
		t.Fatal(err)
	}
	if n := elsewhere(); n != 1 {
		t.Errorf("after discarding: %d requests, want 1", n)
	}
}
