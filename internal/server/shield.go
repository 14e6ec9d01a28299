package server

import (
	"net/http"
	"strings"
)

// shield lies outside everything, also the response cache. It keeps Tiled's
// Python client from being answered 304: the client's own cache drops such an
// answer without closing it, and each one pins a connection until none of its
// sixteen is left. Asked without conditions, the handlers below answer 200,
// the response cache from what it holds. Behind a proxy of ours, which takes
// such conditions off itself, they are the proxy's own, and it can bear a 304.
//
// It also takes away what is said to our own cache alone.
//
// origins says that answers differ by the asking page's origin, which caches
// outside must know and ours must not.
func shield(origins bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		direct := !strings.Contains(strings.Join(r.Header["Via"], ","), "terrazzo")
		if direct && strings.HasPrefix(r.UserAgent(), "python-tiled/") && (r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "") {
			r = r.Clone(r.Context())
			r.Header.Del("If-None-Match")
			r.Header.Del("If-Modified-Since")
		}
		next.ServeHTTP(&private{ResponseWriter: w, origins: origins}, r)
	})
}

// private leaves out of a response what only our own cache should read.
type private struct {
	http.ResponseWriter
	origins bool
	started bool
}

func (w *private) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *private) WriteHeader(status int) {
	if !w.started {
		w.started = status >= http.StatusOK
		w.Header().Del("Terrazzo-Cache-Control")
		if w.origins {
			w.Header().Add("Vary", "Origin")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *private) Write(p []byte) (int, error) {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}
