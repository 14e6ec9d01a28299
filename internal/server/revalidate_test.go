package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRevalidationsPassTheCache(t *testing.T) {
	var asked []string
	held := func(w http.ResponseWriter, r *http.Request) bool {
		asked = append(asked, "api")
		if r.Header.Get("If-None-Match") != `"new"` {
			return false
		}
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	cache := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, "cache "+r.Method)
		_, _ = w.Write([]byte("body"))
	})
	for _, test := range []struct {
		method, tag, ranged, want string
		status                    int
	}{
		{"GET", `"new"`, "", "api", 304},
		{"GET", `"old"`, "", "api, cache GET", 200},
		{"GET", "", "", "cache GET", 200},
		{"HEAD", `"new"`, "", "cache HEAD", 200},
		{"GET", `"new"`, "bytes=0-1", "cache GET", 200},
	} {
		asked = nil
		r := httptest.NewRequest(test.method, "http://localhost/", nil)
		if test.tag != "" {
			r.Header.Set("If-None-Match", test.tag)
		}
		if test.ranged != "" {
			r.Header.Set("Range", test.ranged)
		}
		w := httptest.NewRecorder()
		revalidations(held, cache).ServeHTTP(w, r)
		if got := strings.Join(asked, ", "); got != test.want || w.Code != test.status {
			t.Errorf("%+v: asked %s, %d", test, got, w.Code)
		}
	}
}

// TestNothingButA304 asks, for everything that is not a 304, whether the
// question alone left the answer as it was.
func TestNothingButA304(t *testing.T) {
	handler := handlerOf(t, folderOf(t, 1))
	for _, path := range []string{
		"/", "/healthz", "/openapi.json", "/docs", "/ui/", "/tiled-ui-settings", "/nowhere", "/api/v1/", "/api/v1/metrics", "/api/v1/metadata/", "/api/v1/metadata/stack",
		"/api/v1/metadata/none", "/api/v1/search/", "/api/v1/search-deep/", "/api/v1/distinct/", "/api/v1/revisions/stack", "/api/v1/array/full/stack?slice=0", "/api/v1/array/full/stack?slice=9",
		"/api/v1/array/block/stack?block=0,0,0", "/api/v1/container/full/?format=json", "/api/v1/node/full/?format=json", "/api/v1/asset/bytes/stack?id=1", "/api/v1/asset/manifest/stack?id=1", "/zarr/v2/", "/zarr/v2/stack/.zarray",
		"/zarr/v2/stack/0.0.0", "/zarr/v3/stack/zarr.json", "/zarr/v3/stack/c/0/0/0", "/api/v1/table/full/stack", "/api/v1/metadata/stack?max_depth=99",
	} {
		plain := httptest.NewRecorder()
		handler.ServeHTTP(plain, httptest.NewRequest(http.MethodGet, path, nil))
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", `"something else"`)
		asked := httptest.NewRecorder()
		handler.ServeHTTP(asked, r)
		if asked.Code != plain.Code || asked.Body.String() != plain.Body.String() && plain.Code == http.StatusOK {
			t.Errorf("%s: %d with a condition, %d without", path, asked.Code, plain.Code)
		}
		for name, values := range plain.Header() {
			if got := asked.Header()[name]; len(got) != len(values) {
				t.Errorf("%s: %s %q with a condition, %q without", path, name, got, values)
			}
		}
	}
}
