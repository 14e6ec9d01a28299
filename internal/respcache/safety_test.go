package respcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/store"
)

type ctxt = context.Context

// TestNobodyGetsWhatIsNotTheirs: law 9. One stored body serves all who may have it, and
// each of them was asked for by the inner handler itself.
func TestNobodyGetsWhatIsNotTheirs(t *testing.T) {
	var encodes, asked atomic.Int64
	api := validated(&encodes)
	c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.Header.Get("Authorization") {
		case "Bearer alice", "Bearer alice-renewed", "Bearer bob":
			api(w, r)
		case "Bearer mallory":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("no"))
		default:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("who are you"))
		}
	}, nil)
	for i, who := range []string{"Bearer alice", "Bearer bob", "Bearer alice-renewed", "Bearer alice"} {
		w := ask(t, c, "GET", "http://h/secret", "Authorization", who)
		if w.Code != 200 || w.Body.String() != "encoded" {
			t.Errorf("%s: %d %q", who, w.Code, w.Body)
		}
		wantCalls(t, &asked, int64(i+1))
	}
	for who, code := range map[string]int{"Bearer mallory": 403, "": 401, "Bearer alice2": 401} {
		if w := ask(t, c, "GET", "http://h/secret", "Authorization", who); w.Code != code || strings.Contains(w.Body.String(), "encoded") {
			t.Errorf("%s: %d %q", who, w.Code, w.Body)
		}
		if w := ask(t, c, "HEAD", "http://h/secret", "Authorization", who); w.Code != code {
			t.Errorf("HEAD %s: %d", who, w.Code)
		}
	}
	wantCalls(t, &encodes, 1)
	if w := ask(t, c, "GET", "http://h/secret", "Authorization", "Bearer bob"); w.Code != 200 {
		t.Errorf("a refusal to one took it from another: %d", w.Code)
	}
	wantCalls(t, &encodes, 1)
}

// TestAuthorizationWithoutPublic: RFC 9111 §3.5, what ATS gets wrong.
func TestAuthorizationWithoutPublic(t *testing.T) {
	for name, fields := range map[string][]string{
		"header": {"Authorization", "x"}, "cookie": {"Cookie", "a=1; tiled_api_key=x"},
	} {
		var calls atomic.Int64
		c := newCache(t, count(&calls, cacheable), nil)
		ask(t, c, "GET", "http://h/a", fields...)
		if w := ask(t, c, "GET", "http://h/a"); strings.Contains(w.Header().Get("Cache-Status"), "hit") {
			t.Errorf("%s: an anonymous client was given the answer", name)
		}
		wantCalls(t, &calls, 2)
	}
}

// TestChangedSource: a body does not outlive its source.
func TestChangedSource(t *testing.T) {
	version := `"1"`
	c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", version)
		w.Header().Set("Terrazzo-Cache-Control", "public, no-cache")
		if r.Header.Get("If-None-Match") == version {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte("body " + version))
	}, nil)
	for _, v := range []string{`"1"`, `"1"`, `"2"`, `"2"`, `"1"`} {
		version = v
		if w := ask(t, c, "GET", "http://h/a"); w.Body.String() != "body "+v || w.Header().Get("Etag") != v {
			t.Errorf("version %s: got %q %s", v, w.Body, w.Header().Get("Etag"))
		}
	}
}

// TestRequestsThatBypass: no cache may answer them, nor keep their answers.
func TestRequestsThatBypass(t *testing.T) {
	var calls atomic.Int64
	c := newCache(t, count(&calls, cacheable), nil)
	ask(t, c, "GET", "http://h/a")
	fat := httptest.NewRequest(http.MethodGet, "http://h/a", strings.NewReader("body"))
	chunked := httptest.NewRequest(http.MethodGet, "http://h/a", io.NopCloser(strings.NewReader("body")))
	chunked.TransferEncoding = []string{"chunked"}
	for name, r := range map[string]*http.Request{
		"fat GET": fat, "chunked fat GET": chunked,
		"upgrade":   with("GET", "Connection", "Upgrade", "Upgrade", "websocket"),
		"If-Match":  with("GET", "If-Match", `"x"`),
		"unsafe if": with("GET", "If-Unmodified-Since", "Thu, 18 Aug 2050 02:01:18 GMT"),
		"OPTIONS":   with("OPTIONS"), "TRACE": with("TRACE"), "POST": with("POST"), "get": with("get"),
	} {
		before := calls.Load()
		if serve(t, c, r); calls.Load() != before+1 {
			t.Errorf("%s did not reach the inner handler", name)
		}
	}
}

func with(method string, fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://h/a", http.NoBody)
	r.Method = method
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return r
}

// TestNoTypeIsGuessed: an answer without Content-Type stays without, as the inner handler
// gave it, on the way through, from the store, and past the cache.
func TestNoTypeIsGuessed(t *testing.T) {
	c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		if r.URL.Path == "/kept" {
			w.Header().Set("Cache-Control", "max-age=60")
		}
		_, _ = w.Write([]byte(`{"looks": "like text"}`))
	}, nil)
	server := httptest.NewServer(c)
	defer server.Close()
	for _, path := range []string{"/kept", "/kept", "/not"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if got := answer.Header.Values("Content-Type"); len(got) != 0 {
				t.Errorf("%s %s: %q", method, path, got)
			}
		}
	}
}

// TestWritesInvalidate before the writer hears of its success (nginx and Varnish keep
// the old answer).
func TestWritesInvalidate(t *testing.T) {
	for _, test := range []struct {
		method string
		status int
		gone   bool
	}{
		{"PUT", 200, true},
		{"POST", 201, true},
		{"PATCH", 204, true},
		{"DELETE", 303, true},
		{"M-SEARCH", 200, true},
		{"PUT", 502, true},
		{"PUT", 404, false},
		{"PUT", 500, false},
		{"OPTIONS", 200, false},
	} {
		var gets atomic.Int64
		c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				gets.Add(1)
				cacheable(w, r)
				return
			}
			w.Header().Set("Location", "/made")
			w.Header().Set("Content-Location", "http://other/a")
			w.WriteHeader(test.status)
		}, nil)
		for _, url := range []string{"http://h/a", "http://h/made", "http://other/a"} {
			ask(t, c, "GET", url)
		}
		ask(t, c, test.method, "http://h/a")
		for url, gone := range map[string]bool{"http://h/a": test.gone, "http://h/made": test.gone, "http://other/a": false} {
			before := gets.Load()
			if ask(t, c, "GET", url); (gets.Load() > before) != gone {
				t.Errorf("%s %d: %s asked again: %v, want %v", test.method, test.status, url, gets.Load() > before, gone)
			}
		}
	}
}

// TestPurge by URL, by folder and by cache group (RFC 9875).
func TestPurge(t *testing.T) {
	var calls atomic.Int64
	c := newCache(t, count(&calls, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if strings.HasPrefix(r.URL.Path, "/g/") {
			w.Header().Set("Cache-Groups", `"mine", "ours"`)
		}
		cacheable(w, r)
	}), nil)
	urls := []string{"http://h/g/1", "http://h/a/b/c?q", "http://h/a/b2", "http://h/a", "http://i/a/b/c?q"}
	fill := func() {
		for _, url := range urls {
			ask(t, c, "GET", url, "Accept", "x")
			ask(t, c, "GET", url, "Accept", "y")
		}
	}
	for name, try := range map[string]struct {
		purge func() error
		gone  int64
	}{
		"url":     {func() error { return c.PurgeURL(t.Context(), "http://h/a/b/c?q") }, 1},
		"folder":  {func() error { return c.PurgePrefix(t.Context(), "http://h/a/") }, 2},
		"deeper":  {func() error { return c.PurgePrefix(t.Context(), "http://h/a/b/") }, 1},
		"host":    {func() error { return c.PurgePrefix(t.Context(), "http://h/") }, 4},
		"group":   {func() error { return c.PurgeGroup(t.Context(), "http://h", "ours") }, 1},
		"all":     {func() error { return c.PurgeAll(t.Context()) }, 5},
		"foreign": {func() error { return c.PurgeGroup(t.Context(), "http://i", "ours") }, 0},
	} {
		fill()
		before := calls.Load()
		if err := try.purge(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if fill(); calls.Load()-before != 2*try.gone {
			t.Errorf("%s: %d requests asked again, want %d", name, calls.Load()-before, 2*try.gone)
		}
	}
	if err := c.PurgePrefix(t.Context(), "/a"); err == nil {
		t.Error("a prefix that is no folder was taken")
	}
}

// brokenStore fails in every way it is told to.
type brokenStore struct {
	store.Store
	get, put, write, commit, garble bool
}

func (b *brokenStore) Get(ctx ctxt, key store.Key) (store.Value, error) {
	if b.get {
		return store.Value{}, fmt.Errorf("get: %w", errdef.ErrUnavailable)
	}
	v, err := b.Store.Get(ctx, key)
	if b.garble && err == nil {
		v.Header = append([]byte("\x01garbage"), v.Header...)
	}
	return v, err
}

func (b *brokenStore) Put(ctx ctxt, key store.Key, meta store.Meta) (store.Writer, error) {
	if b.put {
		return nil, fmt.Errorf("put: %w", errdef.ErrUnavailable)
	}
	w, err := b.Store.Put(ctx, key, meta)
	return &brokenWriter{w, b}, err
}

type brokenWriter struct {
	store.Writer
	b *brokenStore
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.b.write {
		return 0, errdef.ErrUnavailable
	}
	return w.Writer.Write(p)
}

func (w *brokenWriter) Commit() error {
	if w.b.commit {
		w.Abort()
		return errdef.ErrUnavailable
	}
	return w.Writer.Commit()
}

// TestBrokenStore: law 5 and hazard H5, a store that fails is a miss and is counted.
func TestBrokenStore(t *testing.T) {
	for name, broken := range map[string]*brokenStore{
		"get": {get: true}, "put": {put: true}, "write": {write: true}, "commit": {commit: true}, "garbled": {garble: true},
	} {
		broken.Store = memoryStore(t, 1<<20)
		c := newCache(t, cacheable, func(o *respcache.Options) { o.Store = broken })
		for range 3 {
			if w := ask(t, c, "GET", "http://h/a"); w.Code != 200 || w.Body.String() != "body of /a" {
				t.Errorf("%s: %d %q", name, w.Code, w.Body)
			}
		}
		if got := c.Stats(); got.StoreErrors == 0 || got.Hits != 0 {
			t.Errorf("%s: stats %+v", name, got)
		}
	}
}

// TestLostBody: the record is there, its body is not.
func TestLostBody(t *testing.T) {
	var encodes atomic.Int64
	s := &bodyless{Store: memoryStore(t, 1<<20)}
	for name, next := range map[string]http.HandlerFunc{"fresh": count(&encodes, cacheable), "validated": validated(&encodes)} {
		encodes.Store(0)
		c := newCache(t, next, func(o *respcache.Options) { o.Store = s })
		for range 3 {
			if w := ask(t, c, "GET", "http://h/"+name); w.Code != 200 || w.Body.Len() == 0 {
				t.Errorf("%s: %d %q", name, w.Code, w.Body)
			}
		}
		wantCalls(t, &encodes, 3)
	}
}

type bodyless struct{ store.Store }

func (b *bodyless) Get(ctx ctxt, key store.Key) (store.Value, error) {
	if strings.HasPrefix(string(key), "b:") {
		return store.Value{}, errdef.ErrNotFound
	}
	return b.Store.Get(ctx, key)
}
