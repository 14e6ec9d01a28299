package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestRevalidationsPassTheCache(t *testing.T) {
	var asked []string
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, "api "+r.Method)
		w.Header().Set("ETag", `"new"`)
		if r.Header.Get("If-None-Match") == `"new"` {
			w.WriteHeader(http.StatusNotModified)
		}
	})
	cache := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, "cache "+r.Method)
		_, _ = w.Write([]byte("body"))
	})
	for _, test := range []struct {
		method, tag, ranged, want string
		status                    int
	}{
		{"GET", `"new"`, "", "api HEAD", 304},
		{"GET", `"old"`, "", "api HEAD cache GET", 200},
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
		revalidations(api, cache).ServeHTTP(w, r)
		got := ""
		for i, a := range asked {
			if i > 0 {
				got += " "
			}
			got += a
		}
		if got != test.want || w.Code != test.status || w.Code == 304 && w.Header().Get("ETag") != `"new"` {
			t.Errorf("%+v: asked %s, %d %v", test, got, w.Code, w.Header())
		}
	}
}
