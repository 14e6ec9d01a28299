package server

import (
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/config"
)

// TestImmutable: clients need not ask about what lies in a tree that is
// declared immutable; the server's own cache asks all the same.
func TestImmutable(t *testing.T) {
	c := oneStack(t, 2)
	c.Trees[0].Path = "/live"
	frozen := config.Tree{Tree: "directory", Path: "/frozen/data", Args: config.TreeArgs{Directory: folderOf(t, 2)}}
	frozen.Args.Storage.Immutable = true
	c.Trees = append(c.Trees, frozen)
	for i := range c.Trees {
		c.Trees[i].Args.Storage.TrustAfter = 1e-6
	}
	address, _, stop := started(t, c)
	const ask, forever = "private, no-cache", "private, max-age=31536000, immutable"
	for path, want := range map[string]string{
		"/api/v1/array/full/frozen/data/stack?slice=0": forever,
		"/api/v1/metadata/frozen/data/stack":           forever,
		"/api/v1/search/frozen/data":                   forever,
		"/zarr/v2/frozen/data/stack/.zarray":           forever,
		"/api/v1/array/full/live/stack?slice=0":        ask,
		"/api/v1/metadata/frozen/none":                 "no-store",
		"/api/v1/":                                     "no-store",
	} {
		for range 2 { // the second time out of the response cache
			_, h, _ := get(t, address, path, "Authorization: Apikey secret")
			if got := h.Get("Cache-Control"); got != want {
				t.Errorf("%s: Cache-Control: %s, want %s", path, got, want)
			}
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestNearAndFar: what was kept for a client on this machine, uncompressed, is
// not given to one that is far away and takes less.
func TestNearAndFar(t *testing.T) {
	c := oneStack(t, 2)
	c.Own.ResponseCache = "64MiB"
	c.Trees[0].Args.Storage.TrustAfter = 1e-6
	c.Listen.ProxyHeaders, c.Listen.ForwardedAllowIPs = true, "127.0.0.1"
	address, _, stop := started(t, c)
	const path = "/api/v1/array/full/stack?slice=0"
	for i := range 2 {
		for client, want := range map[string]string{"127.0.0.1": "", "203.0.113.7": "zstd"} {
			_, h, _ := get(t, address, path, "Authorization: Apikey secret", "Accept-Encoding: zstd", "X-Forwarded-For: "+client)
			if got := h.Get("Content-Encoding"); got != want {
				t.Errorf("%s: Content-Encoding %q, want %q (%s)", client, got, want, h.Get("Cache-Status"))
			}
			if status := h.Get("Cache-Status"); i == 1 && !strings.Contains(status, "fwd-status=304") {
				t.Errorf("%s: was not kept: %s", client, status)
			}
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
