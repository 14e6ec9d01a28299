package httpcache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/store"
)

// origin counts what it is asked and answers as its function says.
type origin struct {
	*httptest.Server
	asked, bodies atomic.Int64
}

func newOrigin(tb testing.TB, answer http.HandlerFunc) *origin {
	tb.Helper()
	o := &origin{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		if r.Header.Get("If-None-Match") == "" {
			o.bodies.Add(1)
		}
		answer(w, r)
	}))
	tb.Cleanup(o.Close)
	return o
}

// tagged answers a body with a validator and no lifetime, as Tiled does.
func tagged(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", "unquoted")
	if r.Header.Get("If-None-Match") == "unquoted" {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = fmt.Fprintf(w, "body of %s for %s", r.URL.Path, r.Header.Get("Authorization"))
}

func fresh(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = fmt.Fprintf(w, "body of %s for %s", r.URL.Path, r.Header.Get("Authorization"))
}

func newTransport(tb testing.TB, p httpcache.Place, o httpcache.Options) *httpcache.Transport {
	tb.Helper()
	o.Next = &http.Transport{DisableCompression: true}
	t, err := httpcache.Open(p, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	return t
}

// places are where each test is run.
func places(tb testing.TB) map[string]httpcache.Place {
	tb.Helper()
	return map[string]httpcache.Place{
		"memory": {Memory: 32 << 20},
		"disk":   {Memory: 1 << 20, Dir: filepath.Join(tb.TempDir(), "cache"), Capacity: 64 << 20},
	}
}

// get asks with the credentials and returns status, body and Cache-Status.
func get(tb testing.TB, t http.RoundTripper, url, credentials string, headers ...string) (int, string, string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if credentials != "" {
		r.Header.Set("Authorization", credentials)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := t.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer.StatusCode, string(body), answer.Header.Get("Cache-Status")
}

func TestFreshIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	for name, place := range places(t) {
		o := newOrigin(t, fresh)
		c := newTransport(t, place, httpcache.Options{})
		for i := range 5 {
			status, body, what := get(t, c, o.URL+"/a", "")
			if status != 200 || body != "body of /a for " {
				t.Fatalf("%s: %d %q", name, status, body)
			}
			if i > 0 && !strings.HasPrefix(what, "terrazzo-client; hit; ttl=3") {
				t.Errorf("%s: Cache-Status %q", name, what)
			}
		}
		if n := o.asked.Load(); n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestRevalidation(t *testing.T) {
	t.Parallel()
	for name, place := range places(t) {
		o := newOrigin(t, tagged)
		c := newTransport(t, place, httpcache.Options{})
		for range 5 {
			if status, body, _ := get(t, c, o.URL+"/a", ""); status != 200 || body != "body of /a for " {
				t.Fatalf("%s: %d %q", name, status, body)
			}
		}
		if s := c.Stats(); o.asked.Load() != 5 || o.bodies.Load() != 1 || s.Confirmed != 4 || s.Stored != 1 {
			t.Errorf("%s: %d requests, %d bodies, %+v", name, o.asked.Load(), o.bodies.Load(), s)
		}
		if status, body, _ := get(t, c, o.URL+"/a", "", "If-None-Match", "unquoted"); status != 304 || body != "" {
			t.Errorf("%s: own condition: %d %q", name, status, body)
		}
	}
}

// TestUsersAreKeptApart: a cache that many share gives nobody what is another's, fresh or
// offline; and a principal stays the same when tokens are renewed.
func TestUsersAreKeptApart(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, fresh)
	place := httpcache.Place{Dir: filepath.Join(t.TempDir(), "shared"), Capacity: 64 << 20}
	var offline atomic.Bool
	shared := newTransport(t, place, httpcache.Options{Offline: offline.Load})
	for _, who := range []string{"Apikey alice", "Apikey bob", "", "Bearer alice"} {
		if _, body, _ := get(t, shared, o.URL+"/a", who); body != "body of /a for "+who {
			t.Errorf("%q got %q", who, body)
		}
	}
	if _, body, _ := get(t, shared, o.URL+"/a?api_key=carol", ""); body != "body of /a for " || o.asked.Load() != 5 {
		t.Errorf("a key in the query is no identity: %q after %d requests", body, o.asked.Load())
	}
	offline.Store(true)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/a?api_key=topsecret", nil)
	answer, err := shared.RoundTrip(r) //nolint:bodyclose // there is none
	if !errors.Is(err, httpcache.ErrNotAvailableOffline) || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("a stranger offline: %v, %v", answer, err)
	}
	named := newTransport(t, place, httpcache.Options{Principal: "dave"})
	for i := range 3 {
		if _, body, _ := get(t, named, o.URL+"/a", "Bearer "+strconv.Itoa(i)); body != "body of /a for Bearer 0" {
			t.Errorf("renewed token %d: %q", i, body)
		}
	}
	files := 0
	err = filepath.WalkDir(place.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("carol")) {
			t.Errorf("%s has a credential in it", path)
		}
		about, _ := d.Info()
		if about.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, about.Mode())
		}
		return err
	})
	if err != nil || files < 6 {
		t.Errorf("%d files, error %v", files, err)
	}
}

func TestOffline(t *testing.T) {
	t.Parallel()
	for name, place := range places(t) {
		o := newOrigin(t, tagged)
		var offline atomic.Bool
		c := newTransport(t, place, httpcache.Options{Offline: offline.Load})
		get(t, c, o.URL+"/a", "")
		offline.Store(true)
		before := o.asked.Load()
		if status, body, what := get(t, c, o.URL+"/a", ""); status != 200 || body != "body of /a for " || !strings.Contains(what, "detail=offline") {
			t.Errorf("%s: %d %q %q", name, status, body, what)
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			r, _ := http.NewRequestWithContext(t.Context(), method, o.URL+"/b", nil)
			if _, err := c.RoundTrip(r); !errors.Is(err, httpcache.ErrNotAvailableOffline) || !strings.Contains(err.Error(), "/b") { //nolint:bodyclose // there is none
				t.Errorf("%s: %s: %v", name, method, err)
			}
		}
		if o.asked.Load() != before {
			t.Errorf("%s: the server was asked while offline", name)
		}
	}
}

// TestCollapsed: who asks while the same is asked for waits and reads along; one request.
func TestCollapsed(t *testing.T) {
	t.Parallel()
	const many = 16
	var asked atomic.Int64
	go1, go2 := make(chan struct{}), make(chan struct{})
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	o := newOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-go1
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		_, _ = w.Write(big[:len(big)/2])
		_ = http.NewResponseController(w).Flush()
		<-go2
		_, _ = w.Write(big[len(big)/2:])
	})
	c := newTransport(t, httpcache.Place{}, httpcache.Options{})
	var wg sync.WaitGroup
	var half atomic.Int64
	for range many {
		wg.Go(func() {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL, nil)
			answer, err := c.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			first := make([]byte, len(big)/2)
			if _, err := io.ReadFull(answer.Body, first); err != nil {
				t.Error(err)
			}
			// All have the first half while the server holds the second back: it is streamed.
			if half.Add(1) == many {
				close(go2)
			}
			rest, err := io.ReadAll(answer.Body)
			if err != nil || !bytes.Equal(append(first, rest...), big) {
				t.Errorf("%d bytes, error %v", len(first)+len(rest), err)
			}
		})
	}
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(go1)
	wg.Wait()
	if s := c.Stats(); asked.Load() != 1 && s.Collapsed+asked.Load() < many {
		t.Errorf("%d requests, %+v", asked.Load(), s)
	}
}

func TestRangesOfWhatIsHeld(t *testing.T) {
	t.Parallel()
	for name, place := range places(t) {
		o := newOrigin(t, fresh)
		c := newTransport(t, place, httpcache.Options{})
		get(t, c, o.URL+"/a", "")
		status, body, _ := get(t, c, o.URL+"/a", "", "Range", "bytes=5-6")
		if status != 206 || body != "of" || o.asked.Load() != 1 {
			t.Errorf("%s: %d %q after %d requests", name, status, body, o.asked.Load())
		}
		if status, body, _ := get(t, c, o.URL+"/a", "", "Range", "bytes=999-"); status != 416 || body != "" {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
}

// TestDamage: a file that was changed on disk is a miss, never a wrong body.
func TestDamage(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, fresh)
	place := httpcache.Place{Memory: 1, Dir: filepath.Join(t.TempDir(), "cache"), Capacity: 64 << 20}
	c := newTransport(t, place, httpcache.Options{})
	_, want, _ := get(t, c, o.URL+"/a", "")
	err := filepath.WalkDir(place.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || len(d.Name()) < 20 {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[len(data)-1] ^= 1
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, body, _ := get(t, c, o.URL+"/a", ""); body != want || o.asked.Load() != 2 {
		t.Errorf("%q after %d requests", body, o.asked.Load())
	}
}

// TestWrites: what was written through the cache is asked for anew, by everybody.
func TestWrites(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, fresh)
	c := newTransport(t, httpcache.Place{}, httpcache.Options{
		Groups:      func(r *http.Request) []string { return []string{"tree" + r.URL.Path} },
		Invalidates: func(*http.Request) []string { return []string{"tree/b"} },
	})
	for _, path := range []string{"/a", "/b", "/c"} {
		get(t, c, o.URL+path, "Apikey alice")
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, o.URL+"/a", strings.NewReader("x"))
	answer, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	before := o.asked.Load()
	for _, path := range []string{"/a", "/b", "/c"} {
		get(t, c, o.URL+path, "Apikey alice")
	}
	if n := o.asked.Load() - before; n != 2 {
		t.Errorf("%d of three were asked for anew, want /a and /b", n)
	}
}

// TestBrokenStore: a store that fails is slower, and nothing else.
func TestBrokenStore(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, fresh)
	c, err := httpcache.New(httpcache.Options{Store: broken{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if _, body, _ := get(t, c, o.URL+"/a", ""); body != "body of /a for " {
			t.Errorf("%q", body)
		}
	}
	if s := c.Stats(); s.StoreErrors == 0 || s.Stored != 0 {
		t.Errorf("%+v", s)
	}
}

type broken struct{}

func (broken) Get(context.Context, store.Key) (store.Value, error) {
	return store.Value{}, errdef.ErrUnavailable
}

func (broken) Put(context.Context, store.Key, store.Meta) (store.Writer, error) {
	return halfway{}, nil
}
func (broken) Delete(context.Context, store.Key) error   { return errdef.ErrUnavailable }
func (broken) DeleteGroup(context.Context, string) error { return errdef.ErrUnavailable }
func (broken) Stats() store.Stats                        { return store.Stats{} }

type halfway struct{}

func (halfway) Write([]byte) (int, error) { return 0, errdef.ErrUnavailable }
func (halfway) Commit() error             { return errdef.ErrUnavailable }
func (halfway) Abort()                    {}

// TestFolderThatCannotBe: a folder that is a file is a warning and a cache in memory.
func TestFolderThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := newOrigin(t, fresh)
	var log strings.Builder
	c := newTransport(t, httpcache.Place{Dir: file}, httpcache.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 5 {
		get(t, c, o.URL+"/a", "")
	}
	if n := strings.Count(log.String(), "\n"); o.asked.Load() != 1 || n != 1 || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("%d requests, %d lines:\n%s", o.asked.Load(), n, log.String())
	}
}

// TestGivenUp: a body that nobody reads to its end is not kept; one that broke off is not
// either, and its reader is told.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, strings.Repeat("x", 50))
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/broken" {
			panic(http.ErrAbortHandler)
		}
		select {
		case <-hold:
		case <-r.Context().Done():
			close(hold)
		}
	})
	c := newTransport(t, httpcache.Place{}, httpcache.Options{})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/slow", nil)
	answer, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	<-hold // the server saw its client go
	r, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/broken", nil)
	answer, err = c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); err == nil || len(body) > 50 {
		t.Errorf("%d bytes, error %v", len(body), err)
	}
	_ = answer.Body.Close()
	if s := c.Stats(); s.Stored != 0 {
		t.Errorf("%+v", s)
	}
}

func TestInspectAndClear(t *testing.T) {
	t.Parallel()
	for name, place := range places(t) {
		o := newOrigin(t, fresh)
		c := newTransport(t, place, httpcache.Options{})
		get(t, c, o.URL+"/a", "")
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/a", nil)
		held := c.Inspect(r)
		if len(held) != 1 || held[0].Size != 15 || held[0].URL != o.URL+"/a" || time.Until(held[0].Fresh) < 50*time.Minute {
			t.Errorf("%s: %+v", name, held)
		}
		if err := c.Clear(t.Context(), "http://another"); err != nil || len(c.Inspect(r)) != 1 {
			t.Errorf("%s: another origin was cleared, error %v", name, err)
		}
		if err := c.Clear(t.Context(), o.URL); err != nil || len(c.Inspect(r)) != 0 {
			t.Errorf("%s: the origin was not cleared, error %v", name, err)
		}
	}
}

// TestTooLarge: bodies beyond the bound pass through whole, announced or not.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("x"), 300<<10)
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		if r.URL.Path == "/announced" {
			w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		}
		for at := 0; at < len(big); at += 50 << 10 {
			_, _ = w.Write(big[at : at+(50<<10)])
			_ = http.NewResponseController(w).Flush()
		}
	})
	c := newTransport(t, httpcache.Place{}, httpcache.Options{MaxBody: 100 << 10})
	for _, path := range []string{"/announced", "/not", "/announced", "/not"} {
		if _, body, _ := get(t, c, o.URL+path, ""); body != string(big) {
			t.Errorf("%s: %d bytes", path, len(body))
		}
	}
	if o.asked.Load() != 4 || c.Stats().Stored != 0 {
		t.Errorf("%d requests, %+v", o.asked.Load(), c.Stats())
	}
}

// TestWriteDuringRead: what was asked for before a write is not kept after it.
func TestWriteDuringRead(t *testing.T) {
	t.Parallel()
	begun, hold := make(chan struct{}), make(chan struct{})
	var reads atomic.Int64
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && reads.Add(1) == 1 {
			close(begun)
			<-hold
		}
		fresh(w, r)
	})
	c := newTransport(t, httpcache.Place{}, httpcache.Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		get(t, c, o.URL+"/a", "")
	}()
	<-begun
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, o.URL+"/a", strings.NewReader("x"))
	answer, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	close(hold)
	<-done
	get(t, c, o.URL+"/a", "")
	if reads.Load() != 2 {
		t.Errorf("%d reads reached the server, want 2: the first was from before the write", reads.Load())
	}
}
