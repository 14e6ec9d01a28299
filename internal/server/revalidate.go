package server

import (
	"maps"
	"net/http"
)

// revalidations answers a client that asks whether its own copy still holds
// without the response cache: the API knows that from the files' stamps alone,
// and a cached body would not be sent anyway. The question goes to the API as
// HEAD, which reads no data either if the copy does not hold; then the request
// goes its usual way.
func revalidations(api, cache http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conditional := r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != ""
		if !conditional || r.Method != http.MethodGet || r.Header.Get("Range") != "" {
			cache.ServeHTTP(w, r)
			return
		}
		question := *r
		question.Method = http.MethodHead
		answer := &verdict{header: http.Header{}}
		api.ServeHTTP(answer, &question)
		if answer.status != http.StatusNotModified {
			cache.ServeHTTP(w, r)
			return
		}
		maps.Copy(w.Header(), answer.header)
		w.WriteHeader(http.StatusNotModified)
	})
}

// verdict is the head of an answer.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header { return v.header }

func (v *verdict) WriteHeader(status int) {
	if v.status == 0 {
		v.status = status
	}
}

func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }
