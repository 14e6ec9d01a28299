package server

import "net/http"

// revalidations answers a client that asks whether its own copy still holds
// without the response cache: the API knows that from the files' stamps alone,
// and a cached body would not be sent anyway. held answers 304, or returns false
// and has done nothing; then the request goes its usual way.
func revalidations(held func(http.ResponseWriter, *http.Request) bool, cache http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conditional := r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != ""
		if conditional && r.Method == http.MethodGet && r.Header.Get("Range") == "" && held(w, r) {
			return
		}
		cache.ServeHTTP(w, r)
	})
}
