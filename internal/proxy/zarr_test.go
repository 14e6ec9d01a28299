package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestZarrTarget: what a Zarr path asks for, and what is no such path.
func TestZarrTarget(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]target{
		"/zarr/v2/run/img/.zarray":    {class: outline, route: "zarr/v2", node: "run/img"},
		"/zarr/v2/.zgroup":            {class: outline, route: "zarr/v2"},
		"/zarr/v2/run/img/.zattrs":    {class: outline, route: "zarr/v2", node: "run/img"},
		"/zarr/v2/run%2Fx//img/0.1":   {class: data, route: "zarr/v2", node: "run/x/img"},
		"/zarr/v2/run/12":             {class: data, route: "zarr/v2", node: "run"},
		"/zarr/v3/zarr.json":          {class: outline, route: "zarr/v3"},
		"/zarr/v3/run/img/zarr.json":  {class: outline, route: "zarr/v3", node: "run/img"},
		"/zarr/v3/run/img/c/0/1":      {class: data, route: "zarr/v3", node: "run/img"},
		"/zarr/v3/run/c/img/c/0":      {class: data, route: "zarr/v3", node: "run/c/img"},
		"/zarr/v3/run/c/img":          {class: passed, route: "zarr/v3"},
		"/zarr/v3/c/0":                {class: passed, route: "zarr/v3"},
		"/zarr/v3/run/img/c/0/":       {class: passed, route: "zarr/v3"},
		"/zarr/v2/run/img":            {class: passed, route: "zarr/v2"},
		"/zarr/v2/run/img/0..1":       {class: passed, route: "zarr/v2"},
		"/zarr/v2/run/img/0.1.":       {class: passed, route: "zarr/v2"},
		"/zarr/v2/12":                 {class: passed, route: "zarr/v2"},
		"/zarr/v4/run/img/.zarray":    {class: passed, route: "zarr/v4"},
		"/zarr/":                      {class: passed, route: "zarr/"},
		"/%7aarr/v2/run/img/0.1":      {class: passed},
		"/zarr":                       {class: other},
		"/zarr/v3/run/img/c/%30/../1": {class: passed, route: "zarr/v3"},
	} {
		if got := classify(httptest.NewRequest(http.MethodGet, "http://h"+path, http.NoBody)); got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
}

// TestZarr: chunks and documents of a finished run are kept although they have no tag, for
// those to whom the origin gave one of the same kind; those of a live run and of what
// grows are not.
func TestZarr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin()
		p := behind(t, o, nil)
		asked := func(url, who string, code int) int {
			t.Helper()
			o.taken("zarr/v2")
			if w := get(t, p, url, who); w.Code != code {
				t.Errorf("%s as %s: %d, want %d", url, who, w.Code, code)
			}
			return o.taken("zarr/v2")
		}
		const chunk, document = "/zarr/v2/run/img/0.1", "/zarr/v2/run/img/.zarray"
		for _, url := range []string{document, chunk} {
			for _, who := range []string{"alice", "bob"} {
				for i, want := range []int{1, 0, 0} {
					if n := asked(url, who, http.StatusOK); n != want {
						t.Errorf("%s by %s, read %d: %d requests, want %d", url, who, i, n, want)
					}
				}
			}
			asked(url, "mona", http.StatusForbidden)
			asked(url, "eve", http.StatusNotFound)
		}
		time.Sleep(defaultAuthTTL + time.Second)
		if n := asked(chunk, "alice", http.StatusOK); n != 1 {
			t.Errorf("a right is not proven again: %d", n)
		}
		for range 2 {
			for _, url := range []string{"/zarr/v2/live/img/0.1", "/zarr/v2/grows/0", "/zarr/v2/run/img"} {
				if n := asked(url, "alice", http.StatusOK); n != 1 {
					t.Errorf("%s: %d requests, want 1 each time", url, n)
				}
			}
		}
		send(t, p, http.MethodPut, "/api/v1/array/full/run/img", "alice")
		if n := asked(chunk, "alice", http.StatusOK); n != 1 {
			t.Errorf("after a write: %d requests", n)
		}
	})
}
