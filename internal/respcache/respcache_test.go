package respcache_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
	"github.com/terrazzo-data/terrazzo/store"
)

// policy is that of a shared cache, as the server and the proxy use it.
func policy() rfc9111.Policy {
	return rfc9111.Policy{Shared: true, Targets: []string{"Terrazzo-Cache-Control", "Cdn-Cache-Control"}}
}

func memoryStore(tb testing.TB, capacity int64) *memory.Store {
	tb.Helper()
	s, err := memory.New(memory.Options{Capacity: capacity})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// newCache builds a cache around next; change may be nil.
func newCache(tb testing.TB, next http.HandlerFunc, change func(*respcache.Options)) *respcache.Cache {
	tb.Helper()
	o := respcache.Options{
		Next: next, Store: memoryStore(tb, 64<<20), Policy: policy(),
		CredentialQuery: []string{"api_key"}, CredentialCookies: []string{"tiled_api_key"},
	}
	if change != nil {
		change(&o)
	}
	c, err := respcache.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// ask sends one request straight to the handler. An aborted response is reported in the
// recorder's Code as 0.
func ask(tb testing.TB, h http.Handler, method, target string, fields ...string) (w *httptest.ResponseRecorder) {
	tb.Helper()
	r := httptest.NewRequest(method, target, http.NoBody)
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return serve(tb, h, r)
}

func serve(tb testing.TB, h http.Handler, r *http.Request) (w *httptest.ResponseRecorder) {
	tb.Helper()
	w = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
				tb.Errorf("panic: %v", p)
			}
			w.Code = 0
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

// count wraps a handler and counts its calls.
func count(n *atomic.Int64, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		h(w, r)
	}
}

func cacheable(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=60")
	_, _ = w.Write([]byte("body of " + r.URL.Path))
}

func wantStatus(tb testing.TB, w *httptest.ResponseRecorder, want string) {
	tb.Helper()
	if got := w.Header().Get("Cache-Status"); got != want {
		tb.Errorf("Cache-Status %q, want %q", got, want)
	}
}

func wantCalls(tb testing.TB, n *atomic.Int64, want int64) {
	tb.Helper()
	if got := n.Load(); got != want {
		tb.Errorf("%d calls of the inner handler, want %d", got, want)
	}
}

func TestHitAndMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := newCache(t, count(&calls, cacheable), nil)
		first := ask(t, c, "GET", "http://h/a?x=1")
		wantStatus(t, first, "terrazzo; fwd=uri-miss; stored")
		time.Sleep(5 * time.Second)
		second := ask(t, c, "GET", "http://h/a?x=1")
		wantStatus(t, second, "terrazzo; hit; ttl=55")
		if first.Body.String() != second.Body.String() || second.Header().Get("Age") != "5" || second.Header().Get("Content-Length") != "10" {
			t.Errorf("got %q with %v", second.Body, second.Header())
		}
		wantCalls(t, &calls, 1)
		head := ask(t, c, "HEAD", "http://h/a?x=1")
		if head.Body.Len() != 0 || head.Header().Get("Content-Length") != "10" {
			t.Errorf("HEAD: %q %v", head.Body, head.Header())
		}
		wantCalls(t, &calls, 1)
		time.Sleep(55 * time.Second)
		wantStatus(t, ask(t, c, "GET", "http://h/a?x=1"), "terrazzo; fwd=stale; stored")
		wantCalls(t, &calls, 2)
		if got := c.Stats(); got.Hits != 2 || got.Misses != 2 || got.Stored != 2 || got.InFlight != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

// TestKeys: what distinguishes two requests, and what must not.
func TestKeys(t *testing.T) {
	var calls atomic.Int64
	c := newCache(t, count(&calls, cacheable), nil)
	ask(t, c, "GET", "http://h/a/b?x=1&y=2")
	for _, other := range []string{
		"http://h/a/b?y=2&x=1", "http://h/a/b", "http://h/a/b?", "http://h/a//b?x=1&y=2", "http://h/a/./b?x=1&y=2",
		"http://h/a%2Fb?x=1&y=2", "http://other/a/b?x=1&y=2", "http://h/A/b?x=1&y=2", "http://h/a/b?x=1&y=2&z",
	} {
		before := calls.Load()
		if ask(t, c, "GET", other); calls.Load() != before+1 {
			t.Errorf("%s was answered from another URL's response", other)
		}
	}
	before := calls.Load()
	// Unkeyed input that does not shape the answer, a poisoner's first try.
	ask(t, c, "GET", "http://h/a/b?x=1&y=2", "X-Forwarded-Host", "evil", "X-Original-URL", "/evil", "X-HTTP-Method-Override", "DELETE")
	wantCalls(t, &calls, before)
}

// TestCredentialsAreInNoKey: law 9, hazard of a key that is written to disk or a log.
func TestCredentialsAreInNoKey(t *testing.T) {
	spy := &spyStore{Store: memoryStore(t, 1<<20)}
	c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Terrazzo-Cache-Control", "public, no-cache")
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if !strings.Contains(r.URL.RawQuery, "sesame") {
			t.Error("the inner handler did not get the credential")
		}
		_, _ = w.Write([]byte("x"))
	}, func(o *respcache.Options) { o.Store = spy })
	ask(t, c, "GET", "http://h/a?b=1&api_key=sesame&c=2", "Authorization", "Bearer sesame", "Cookie", "tiled_api_key=sesame")
	ask(t, c, "GET", "http://h/a?b=1&%61pi_key=sesame&c=2")
	if len(spy.said()) == 0 || strings.Contains(spy.said(), "sesame") {
		t.Errorf("the store was told %q", spy.said())
	}
	if got := c.Stats(); got.Confirmed != 1 {
		t.Errorf("an escaped name of the same credential missed: %+v", got)
	}
}

// spyStore notes every key, header and group.
type spyStore struct {
	store.Store
	mu  sync.Mutex
	log strings.Builder
}

func (s *spyStore) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func (s *spyStore) Put(ctx ctxt, key store.Key, meta store.Meta) (store.Writer, error) {
	s.mu.Lock()
	fmt.Fprintf(&s.log, "%s %s %s\n", key, meta.Header, meta.Groups)
	s.mu.Unlock()
	return s.Store.Put(ctx, key, meta)
}

// TestConditionsAndRanges are answered from the store.
func TestConditionsAndRanges(t *testing.T) {
	var calls atomic.Int64
	c := newCache(t, count(&calls, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"1"`)
		_, _ = w.Write([]byte("0123456789"))
	}), nil)
	ask(t, c, "GET", "http://h/a")
	if w := ask(t, c, "GET", "http://h/a", "If-None-Match", `"1"`); w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("Etag") != `"1"` || w.Header().Get("Content-Length") != "" {
		t.Errorf("condition: %d %v", w.Code, w.Header())
	}
	if w := ask(t, c, "GET", "http://h/a", "Range", "bytes=2-4"); w.Code != 206 || w.Body.String() != "234" || w.Header().Get("Content-Range") != "bytes 2-4/10" || w.Header().Get("Content-Length") != "3" {
		t.Errorf("range: %d %q %v", w.Code, w.Body, w.Header())
	}
	wantCalls(t, &calls, 1)
	for i, odd := range []string{"bytes=99-", "bytes=0-1,3-4", "bytes=4-2", "lines=1-2"} {
		ask(t, c, "GET", "http://h/a", "Range", odd)
		wantCalls(t, &calls, int64(i+2))
	}
}

// TestMissWithCondition goes to the inner handler as it is, and its 304 comes back.
func TestMissWithCondition(t *testing.T) {
	c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		t.Error("the condition was lost")
	}, nil)
	if w := ask(t, c, "GET", "http://h/a", "If-None-Match", `"1"`); w.Code != 304 {
		t.Errorf("got %d", w.Code)
	}
	if got := c.Stats(); got.Stored != 0 {
		t.Errorf("a 304 was stored: %+v", got)
	}
}

// TestVariants: each asker gets the variant it selects; a URL keeps a bounded number.
func TestVariants(t *testing.T) {
	var calls atomic.Int64
	s := memoryStore(t, 1<<20)
	c := newCache(t, count(&calls, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Accept")
		_, _ = w.Write([]byte(r.Header.Get("Accept")))
	}), func(o *respcache.Options) { o.Store = s })
	for range 2 {
		for i := range 10 {
			accept := fmt.Sprint("text/", i)
			if got := ask(t, c, "GET", "http://h/a", "Accept", accept).Body.String(); got != accept {
				t.Errorf("asked for %s, got %s", accept, got)
			}
		}
	}
	wantCalls(t, &calls, 10)
	for i := range 500 {
		ask(t, c, "GET", "http://h/a", "Accept", fmt.Sprint("explosion/", i))
	}
	// One record and sixteen bodies; the rest of the explosion is gone.
	if got := s.Stats(); got.Entries > 17 {
		t.Errorf("%d entries for one URL, want at most 17", got.Entries)
	}
}

// TestLog: one debug line per request, without credentials.
func TestLog(t *testing.T) {
	var lines bytes.Buffer
	c := newCache(t, cacheable, func(o *respcache.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	ask(t, c, "GET", "http://h/a?x=1&api_key=sesame")
	ask(t, c, "GET", "http://h/a?x=1", "Authorization", "Bearer sesame")
	text := lines.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, `url="http://h/a?x=1"`) || !strings.Contains(text, "fwd=uri-miss") || strings.Contains(text, "sesame") {
		t.Errorf("got %s", text)
	}
}

// TestVaryOnCredentials selects by them and does not store them.
func TestVaryOnCredentials(t *testing.T) {
	var calls atomic.Int64
	spy := &spyStore{Store: memoryStore(t, 1<<20)}
	c := newCache(t, count(&calls, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60, public")
		w.Header().Set("Vary", "Authorization, Cookie")
		_, _ = w.Write([]byte(r.Header.Get("Authorization")))
	}), func(o *respcache.Options) { o.Store = spy })
	for range 2 {
		for _, who := range []string{"Bearer alice", "Bearer bob", ""} {
			if got := ask(t, c, "GET", "http://h/a", "Authorization", who, "Cookie", "id=sesame").Body.String(); got != who {
				t.Errorf("%q got %q", who, got)
			}
		}
	}
	wantCalls(t, &calls, 3)
	if said := spy.said(); strings.Contains(said, "alice") || strings.Contains(said, "sesame") {
		t.Errorf("the store was told %q", said)
	}
}

// TestSetCookie is neither kept nor replayed, and reaches the one it was meant for.
func TestSetCookie(t *testing.T) {
	spy := &spyStore{Store: memoryStore(t, 1<<20)}
	var serial atomic.Int64
	c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", fmt.Sprint("id=", serial.Add(1)))
		w.Header().Set("X-Request-Id", "7")
		w.Header().Set("Terrazzo-Cache-Control", "public, no-cache")
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte("x"))
	}, func(o *respcache.Options) { o.Store, o.Drop = spy, []string{"X-Request-Id"} })
	for i := range 3 {
		w := ask(t, c, "GET", "http://h/a")
		if got, want := w.Header().Values("Set-Cookie"), fmt.Sprint("[id=", i+1, "]"); fmt.Sprint(got) != want {
			t.Errorf("asker %d got %v, want %v", i, got, want)
		}
		if got := w.Header().Values("X-Request-Id"); len(got) != 1 {
			t.Errorf("asker %d got request ids %v", i, got)
		}
	}
	if strings.Contains(spy.said(), "id=") {
		t.Error("a cookie was stored")
	}
}

// TestHeadFreshens: RFC 9111 §4.3.5.
func TestHeadFreshens(t *testing.T) {
	for name, try := range map[string]struct {
		length, tag string
		gets        int64
	}{"fits": {"4", `"1"`, 1}, "another length": {"5", `"1"`, 2}, "another tag": {"4", `"2"`, 2}, "says nothing": {"", "", 1}} {
		synctest.Test(t, func(t *testing.T) {
			var gets atomic.Int64
			c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=10")
				if r.Method == http.MethodHead {
					w.Header().Set("Content-Length", try.length)
					w.Header().Set("Etag", try.tag)
					return
				}
				gets.Add(1)
				w.Header().Set("Etag", `"1"`)
				_, _ = w.Write([]byte("body"))
			}, nil)
			ask(t, c, "GET", "http://h/a")
			time.Sleep(15 * time.Second)
			ask(t, c, "HEAD", "http://h/a")
			if ask(t, c, "GET", "http://h/a"); gets.Load() != try.gets {
				t.Errorf("%s: %d GETs, want %d", name, gets.Load(), try.gets)
			}
		})
	}
}

// TestCrossOrigin: what one web page may do is not told to another.
func TestCrossOrigin(t *testing.T) {
	for _, implicit := range [][]string{nil, {"Origin"}} {
		var encodes atomic.Int64
		api := validated(&encodes)
		c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
			if origin := r.Header.Get("Origin"); origin != "" {
				w.Header().Set("Access-Control-Allow-Origin", origin)
			}
			api(w, r)
		}, func(o *respcache.Options) { o.ImplicitVary = implicit })
		for _, page := range []string{"http://a", "http://b", "", "http://a"} {
			r := httptest.NewRequest(http.MethodGet, "http://h/x", http.NoBody)
			if page != "" {
				r.Header.Set("Origin", page)
			}
			if got := serve(t, c, r).Header().Get("Access-Control-Allow-Origin"); got != page {
				t.Errorf("%v: page %q was told %q", implicit, page, got)
			}
		}
		wantCalls(t, &encodes, int64(1+2*len(implicit)))
	}
}

// TestShield: a client that must not see a 304 gets the stored body, and the inner
// handler encodes it once.
func TestShield(t *testing.T) {
	var encodes atomic.Int64
	c := newCache(t, validated(&encodes), func(o *respcache.Options) {
		o.Shield = func(r *http.Request) bool { return strings.HasPrefix(r.UserAgent(), "python-tiled/") }
	})
	for range 3 {
		w := ask(t, c, "GET", "http://h/a", "User-Agent", "python-tiled/0.2.20", "If-None-Match", `"1"`)
		if w.Code != 200 || w.Body.String() != "encoded" {
			t.Errorf("got %d %q", w.Code, w.Body)
		}
	}
	wantCalls(t, &encodes, 1)
	if w := ask(t, c, "GET", "http://h/a", "If-None-Match", `"1"`); w.Code != 304 {
		t.Errorf("another client got %d, want 304", w.Code)
	}
}

// validated is Terrazzo's API in small: no-cache with a strong ETag, public to its own
// cache, private outside, and a cheap 304.
func validated(encodes *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Etag", `"1"`)
		h.Set("Cache-Control", "private, no-cache")
		h.Set("Terrazzo-Cache-Control", "public, no-cache")
		h.Set("Vary", "Accept, Accept-Encoding")
		if strings.Contains(r.Header.Get("If-None-Match"), `"1"`) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		encodes.Add(1)
		_, _ = w.Write([]byte("encoded"))
	}
}

// TestPosted: RFC 9110 §9.3.3, and what is not it.
func TestPosted(t *testing.T) {
	for location, stored := range map[string]bool{"/a": true, "/b": false, "": false, "http://evil/a": false} {
		var gets atomic.Int64
		c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Location", location)
			if r.Method == http.MethodGet {
				gets.Add(1)
			}
			_, _ = w.Write([]byte(r.Method))
		}, nil)
		ask(t, c, "POST", "http://h/a")
		got := ask(t, c, "GET", "http://h/a").Body.String()
		if (gets.Load() == 0) != stored || stored && got != "POST" {
			t.Errorf("Content-Location %q: %d GETs reached the handler, body %q", location, gets.Load(), got)
		}
	}
}

// TestManyURLs: ten thousand URLs through a small store stay within its bound.
func TestManyURLs(t *testing.T) {
	const capacity = 5 << 20
	s := memoryStore(t, capacity)
	body := bytes.Repeat([]byte("x"), 5000)
	c := newCache(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write(body)
	}, func(o *respcache.Options) { o.Store = s })
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 1250 {
				if w := ask(t, c, "GET", fmt.Sprintf("http://h/%d/%d", worker, i)); w.Body.Len() != len(body) {
					t.Errorf("body of %d bytes", w.Body.Len())
				}
				if st := s.Stats(); st.Bytes > capacity {
					t.Errorf("%d bytes held", st.Bytes)
				}
			}
		})
	}
	wait.Wait()
	if got := c.Stats(); got.InFlight != 0 {
		t.Errorf("%d bytes still in flight", got.InFlight)
	}
}
