package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
)

// raw sends text over a connection of its own and returns the answer.
func raw(t *testing.T, s *httptest.Server, text string) (status int, header http.Header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, text)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, r.Header, string(b)
}

// TestHopByHop: a field that Connection names does not reach the origin, so it may not say
// under which form an answer is kept.
func TestHopByHop(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{proxy.KindTiled, proxy.KindHTTP} {
		origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=600")
			w.Header().Set("Vary", "Accept")
			_, _ = fmt.Fprintf(w, "as %q", r.Header.Get("Accept"))
		}))
		defer origin.Close()
		s, _ := front(t, origin.URL, func(o *proxy.Options) { o.Kind = kind })
		for _, named := range []string{"Accept", "close, aCCept ", "Accept, Host"} {
			_, _, body := raw(t, s, "GET /api/v1/metadata/a HTTP/1.1\r\nHost: h\r\nAccept: application/x-msgpack\r\nConnection: "+named+"\r\n\r\n")
			if body != `as ""` {
				t.Errorf("%s, Connection: %s: the origin saw %s", kind, named, body)
			}
		}
		if _, _, body := raw(t, s, "GET /api/v1/metadata/a HTTP/1.1\r\nHost: h\r\nAccept: application/x-msgpack\r\nConnection: close\r\n\r\n"); body != `as "application/x-msgpack"` {
			t.Errorf("%s: who asks for MessagePack gets what was answered %s", kind, body)
		}
	}
}

// TestOddMethods: a tunnel and an echo are refused; others pass, are never kept, and have
// nothing kept given up unless they succeeded.
func TestOddMethods(t *testing.T) {
	t.Parallel()
	var gets atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		switch r.Method {
		case http.MethodGet:
			gets.Add(1)
		case "FAIL":
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = fmt.Fprint(w, r.Method)
	}))
	defer origin.Close()
	s, _ := front(t, origin.URL, nil)
	for _, method := range []string{"CONNECT", "TRACE"} {
		target := "/a"
		if method == "CONNECT" {
			target = "evil:80"
		}
		if status, _, body := raw(t, s, method+" "+target+" HTTP/1.1\r\nHost: evil:80\r\n\r\n"); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
	for i, method := range []string{"GET", "get", "OPTIONS", "FAIL", "PROPFIND", "GET"} {
		status, _, body := raw(t, s, method+" /a HTTP/1.1\r\nHost: h\r\n\r\n")
		if body != method {
			t.Errorf("%d: %s was answered %d %q", i, method, status, body)
		}
	}
	// "get" is no safe method that is known, and it succeeded.
	if gets.Load() != 2 {
		t.Errorf("%d GETs, want 2", gets.Load())
	}
}

// TestLongAgo: a Date of a thousand years ago, or ahead, does not make an answer fresh for
// ever, nor does an Age beyond all numbers.
func TestLongAgo(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{
		"first year": "Date: Mon, 01 Jan 0001 00:00:00 GMT", "year 1000": "Date: Wed, 01 Jan 1000 00:00:00 GMT",
		"age": "Age: 99999999999999999999999", "age of 2^31": "Age: 2147483648", "expires": "Date: Mon, 01 Jan 0001 00:00:00 GMT\r\nExpires: Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		origin, asked := rawOrigin(t, func(int64) string {
			return "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n" + field + "\r\nContent-Length: 2\r\n\r\nhi"
		})
		s, _ := front(t, origin, nil)
		for range 3 {
			if status, body, err := fetch(t, s.URL+"/a"); status != http.StatusOK || string(body) != "hi" {
				t.Errorf("%s: %d %q %v", name, status, body, err)
			}
		}
		if asked.Load() != 3 {
			t.Errorf("%s: %d of 3 requests reached the origin", name, asked.Load())
		}
	}
}

// TestStandingStill: a body that stops in its middle is broken off for all who wait for
// it, after as long as the origin may take to begin; the next asker begins anew.
func TestStandingStill(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var asked atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Content-Length", "100000")
		if asked.Add(1) == 1 {
			_, _ = w.Write(make([]byte, 50_000))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = w.Write(make([]byte, 100_000))
	}))
	defer origin.Close()
	defer close(release)
	s, _ := front(t, origin.URL, func(o *proxy.Options) { o.OriginTimeout = 500 * time.Millisecond })
	var wait sync.WaitGroup
	var broken atomic.Int64
	for range 10 {
		wait.Go(func() {
			if _, body, err := fetch(t, s.URL+"/a"); err != nil || len(body) != 100_000 {
				broken.Add(1)
			}
		})
	}
	wait.Wait()
	if broken.Load() == 0 {
		t.Error("half a body looked whole")
	}
	if _, body, err := fetch(t, s.URL+"/a"); err != nil || len(body) != 100_000 {
		t.Errorf("afterwards: %d bytes, %v", len(body), err)
	}
}

// TestLongFields: forms by the thousand with names of 30 kB each take no more room than
// others, and an answer with fields beyond reason passes and is not kept.
func TestLongFields(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Vary", "Accept")
		switch r.URL.Path {
		case "/large":
			w.Header().Set("X", strings.Repeat("x", 200<<10))
		case "/many":
			for range 1000 {
				w.Header().Add("X", "x")
			}
		}
		_, _ = fmt.Fprint(w, "as ", len(r.Header.Get("Accept")))
	}))
	defer origin.Close()
	s, p := front(t, origin.URL, func(o *proxy.Options) { o.Memory = 4 << 20 })
	ask := func(path, accept string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, s.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if want := fmt.Sprint("as ", len(accept)); err != nil || string(body) != want {
			t.Errorf("%s: %q %v, want %q", path, body, err, want)
		}
	}
	for i := range 100 {
		ask("/a", strings.Repeat("x", 30_000)+fmt.Sprint(i))
	}
	asked.Store(0)
	last := strings.Repeat("x", 30_000) + "99"
	ask("/a", last)
	if asked.Load() != 0 {
		t.Error("the newest form is not kept")
	}
	for _, path := range []string{"/large", "/many"} {
		asked.Store(0)
		ask(path, "y")
		ask(path, "y")
		if asked.Load() != 2 {
			t.Errorf("%s is kept", path)
		}
	}
	if st := p.StoreStats(); st.Bytes > 1<<20 {
		t.Errorf("%d bytes are held", st.Bytes)
	}
	if st := p.Cache().Stats(); st.StoreErrors != 0 {
		t.Errorf("%+v", st)
	}
}

// TestAbortingClients: a hundred clients that go away in the middle leave nothing in
// flight, and the next one gets it whole.
func TestAbortingClients(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(body)
	}))
	defer origin.Close()
	s, p := front(t, origin.URL, nil)
	var wait sync.WaitGroup
	for i := range 100 {
		wait.Go(func() {
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = fmt.Fprintf(conn, "GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", i%7)
			_, _ = io.CopyN(io.Discard, conn, int64(i)*100)
			_ = conn.Close()
		})
	}
	wait.Wait()
	for i := range 7 {
		if status, got, err := fetch(t, fmt.Sprint(s.URL, "/", i)); status != http.StatusOK || !bytes.Equal(got, body) {
			t.Errorf("/%d: %d, %d bytes, %v", i, status, len(got), err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); p.Cache().Stats().InFlight != 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are still in flight", p.Cache().Stats().InFlight)
		}
		_, _, _ = fetch(t, s.URL+"/0")
	}
}

// TestRangeStorm: ranges in shapes that no cache should join are the origin's to answer,
// and what is held is not changed by them.
func TestRangeStorm(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Etag", `"1"`)
		http.ServeContent(w, r, "a.bin", time.Time{}, strings.NewReader("0123456789"))
	}))
	defer origin.Close()
	s, _ := front(t, origin.URL, nil)
	ask := func(fields string) (int, http.Header, string) {
		return raw(t, s, "GET /a HTTP/1.1\r\nHost: h\r\n"+fields+"\r\n")
	}
	if _, _, body := ask(""); body != "0123456789" {
		t.Fatal(body)
	}
	for fields, want := range map[string]struct {
		status int
		body   string
	}{
		"Range: bytes=2-4\r\n":                                       {206, "234"},
		"Range: bytes=-3\r\n":                                        {206, "789"},
		"Range: bytes=7-\r\n":                                        {206, "789"},
		"Range: bytes=0-99999999999\r\n":                             {206, "0123456789"},
		"Range: bytes=2-4\r\nIf-Range: \"1\"\r\n":                    {206, "234"},
		"Range: bytes=2-4\r\nIf-Range: \"2\"\r\n":                    {200, "0123456789"},
		"Range: bytes=2-4\r\nIf-Range: W/\"1\"\r\n":                  {200, "0123456789"},
		"Range: bytes=50-\r\n":                                       {416, ""},
		"Range: bytes=4-2\r\n":                                       {416, ""},
		"Range: bytes=99999999999999999999-\r\n":                     {416, ""},
		"Range: items=1-2\r\n":                                       {416, ""},
		"Range: bytes=2-4\r\nRange: bytes=5-6\r\n":                   {206, "234"},
		"Range: bytes=" + strings.Repeat("0-,", 1000) + "0-\r\n":     {200, "0123456789"},
		"Range: bytes=2-4\r\nIf-None-Match: \"1\"\r\n":               {304, ""},
		"Range: bytes=2-4\r\nIf-Match: \"2\"\r\n":                    {412, ""},
		"Range: bytes=2-4\r\nIf-Unmodified-Since: not a date\r\n":    {206, "234"},
		"Range: bytes=2-4\r\nCache-Control: no-store, max-age=0\r\n": {206, "234"},
	} {
		status, header, body := ask(fields)
		loose := strings.HasPrefix(body, "bytes") || want.body == "" // an error's text is its own
		if status != want.status || !loose && body != want.body {
			t.Errorf("%.60q: %d %q %v, want %d %q", fields, status, body, header, want.status, want.body)
		}
	}
	seen.Store(0)
	if _, _, body := ask(""); body != "0123456789" || seen.Load() != 0 {
		t.Errorf("afterwards %q, asked %d times", body, seen.Load())
	}
}
