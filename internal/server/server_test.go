package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const frame = "/api/v1/array/full/scan/detector?slice=0"

// oneStack serves a folder with a stack of frames of 2 MiB, which costs nothing
// to make.
func oneStack(t *testing.T, frames int) config.Config {
	t.Helper()
	c := settings()
	c.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: folderOf(t, frames)}}}
	return c
}

// settings serve the demo tree at a free port, privately with the key "secret".
func settings() config.Config {
	c := config.Default()
	c.Trees = []config.Tree{{Tree: "demo", Path: "/"}}
	c.Authentication.SingleUserAPIKey = "secret"
	c.Listen.Port = 0
	c.Own.State = "none"
	c.Own.DataCache = testenv.DataCache()
	return c
}

// lines is a log that may be written from many goroutines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// started runs a server until the test ends and returns its address.
func started(t *testing.T, c config.Config) (address string, log *lines, stop func() error) {
	t.Helper()
	log = &lines{}
	s, err := New(c, Program{Version: "test"}, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, s.Close())
	})
	t.Cleanup(func() { _ = stop() })
	return l.Addr().String(), log, stop
}

func get(t *testing.T, address, path string, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// TestShield: Tiled's own client never sees a 304, everybody else does.
func TestShield(t *testing.T) {
	c := settings()
	c.Authentication.AllowAnonymousAccess = true
	c.AllowOrigins = []string{"https://page.example"}
	address, _, _ := started(t, c)
	_, h, body := get(t, address, frame)
	condition := "If-None-Match: " + h.Get("ETag")
	if h.Get("Terrazzo-Cache-Control") != "" || h.Get("X-Tiled-Request-Id") == "" {
		t.Errorf("headers %v", h)
	}
	if got := strings.Join(h.Values("Vary"), ", "); got != "Accept, Accept-Encoding, Origin" {
		t.Errorf("Vary: %s", got)
	}
	if status, _, _ := get(t, address, frame, condition); status != http.StatusNotModified {
		t.Errorf("revalidation: %d", status)
	}
	status, _, again := get(t, address, frame, condition, "User-Agent: python-tiled/0.2.20")
	if status != http.StatusOK || again != body {
		t.Errorf("revalidation by Tiled's client: %d", status)
	}
	if status, _, _ := get(t, address, frame, condition, "User-Agent: python-tiled/0.2.20", "Via: 1.1 terrazzo"); status != http.StatusNotModified {
		t.Errorf("revalidation by the proxy that Tiled's client uses: %d", status)
	}
	_, h, _ = get(t, address, frame, "Origin: https://page.example")
	if h.Get("Access-Control-Allow-Origin") != "https://page.example" {
		t.Errorf("CORS: %v", h)
	}
	_, h, _ = get(t, address, frame, "Origin: https://other.example")
	if h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS for another page: %v", h)
	}
}

func TestKeysAreNotLogged(t *testing.T) {
	address, log, stop := started(t, settings())
	paths := []string{
		frame + "&api_key=secret", frame + "&api_key=wrongsecret", frame + "&%61pi_key=secret", frame + "&API_KEY=secret", frame + "&api_key=secret;x=1", frame + "&api_key=secret&%zz",
		"/ui%3Fapi_key=secret", "/ui%3fapi_key%3dsecret", "/api/v1/metadata/x%3Fa=1&Api_Key=secret", "/ui/?api_key=secret",
	}
	for _, path := range paths {
		get(t, address, path, "Referer: http://x/?api_key=secret")
	}
	get(t, address, frame, "Authorization: Apikey secret")
	if err := stop(); err != nil {
		t.Error(err)
	}
	text := log.String()
	// The last is redirected, to the address without the key.
	if strings.Contains(text, "secret") || strings.Count(text, "msg=request") != len(paths)+2 || !strings.Contains(text, "status=401") {
		t.Errorf("log:\n%s", text)
	}
}

func TestMetrics(t *testing.T) {
	c := settings()
	c.Own.DataCache = "64MiB"
	address, _, _ := started(t, c)
	get(t, address, frame+"&api_key=secret")
	wanted := []string{
		`terrazzo_http_requests_total{endpoint="array/full",method="GET",status="200"} 1`,
		`terrazzo_http_request_duration_seconds_count{endpoint="array/full",family="array"} 1`,
		`terrazzo_http_response_bytes_total{endpoint="array/full"} 524288`,
		"terrazzo_data_blocks_total 1", "terrazzo_http_in_flight 1", "terrazzo_flight_bytes 0", "terrazzo_data_cache_misses_total 1",
	}
	text := ""
	// A request is counted when its handler returns, which the client need
	// not wait for.
	for range 100 {
		_, _, text = get(t, address, "/api/v1/metrics?api_key=secret")
		if !slices.ContainsFunc(wanted, func(want string) bool { return !strings.Contains(text, want) }) {
			return
		}
	}
	t.Errorf("not all of %q in\n%s", wanted, text)
}

// TestStopFinishesWhatRuns: a download that runs when the server is told to
// stop is finished, and new connections are refused.
func TestStopFinishesWhatRuns(t *testing.T) {
	address, _, stop := started(t, oneStack(t, 16))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/array/full/stack HTTP/1.1\r\nHost: x\r\nAuthorization: Apikey secret\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != 16<<21 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("a stopped server takes connections")
	}
}

// TestSlowReadersStopNobody: many clients that read nothing of large answers
// leave room for others.
func TestSlowReadersStopNobody(t *testing.T) {
	c := oneStack(t, 32)
	c.Own.Memory, c.Own.DataCache, c.Own.ResponseCache = "1GiB", "0", "0"
	address, _, _ := started(t, c)
	for range 200 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /api/v1/array/full/stack HTTP/1.1\r\nHost: x\r\nAuthorization: Apikey secret\r\n\r\n")
	}
	if status, _, body := get(t, address, "/api/v1/array/full/stack?slice=0", "Authorization: Apikey secret"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}

func TestFloods(t *testing.T) {
	address, _, _ := started(t, settings())
	for name, request := range map[string]string{
		"header": "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 2*headerBytes) + "\r\n\r\n",
		"fields": "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: a\r\n", headerBytes/3) + "\r\n",
		"line":   "GET /" + strings.Repeat("a", 2*headerBytes) + " HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, request) }()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		conn.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

// pipes is a listener in memory, so that an hour of waiting takes no time.
type pipes struct {
	next chan net.Conn
	done chan struct{}
	once sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.next <- server
	return client
}

// TestPatienceEnds: headers that do not come, idle connections and readers
// that have stopped are given up after their time.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(settings(), Program{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		l := &pipes{next: make(chan net.Conn), done: make(chan struct{})}
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, l) }()
		ended := func(name string, conn net.Conn, within time.Duration) {
			start := time.Now()
			_, err := io.Copy(io.Discard, conn)
			if took := time.Since(start); took > within {
				t.Errorf("%s: given up after %s (%v), want %s", name, took, err, within)
			}
			conn.Close()
		}
		half := l.dial()
		if _, err := io.WriteString(half, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
			t.Fatal(err)
		}
		ended("half a header", half, headerTime+time.Second)
		idle := l.dial()
		if _, err := io.WriteString(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		ended("idle", idle, idleTime+time.Second)
		stalled := l.dial()
		if _, err := io.WriteString(stalled, "GET /api/v1/array/full/scan/detector HTTP/1.1\r\nHost: x\r\nAuthorization: Apikey secret\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		silent := l.dial()
		if _, err := io.WriteString(silent, "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		ended("a body that does not come", silent, stepTime+time.Second)
		time.Sleep(time.Hour) // of the bubble's clock
		if n, err := io.Copy(io.Discard, stalled); err == nil && n > 1<<20 {
			t.Errorf("a reader that slept an hour got %d bytes more", n)
		}
		stalled.Close()
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestBodyTimeIsTheBodysAlone: once a body has arrived, making the answer may
// take longer than the body might have.
func TestBodyTimeIsTheBodysAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{next: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: paced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("%s: %v", r.Method, err)
			}
			time.Sleep(3 * stepTime)
			fmt.Fprintf(w, "%s %v", body, r.Context().Err())
		}))}
		go func() { _ = server.Serve(l) }()
		for method, want := range map[string]string{http.MethodPost: "[] <nil>", http.MethodGet: " <nil>"} {
			conn := l.dial()
			if _, err := fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]", method); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", method, got, err)
			}
			resp.Body.Close()
			conn.Close()
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPanicIsAnAnswer(t *testing.T) {
	s, err := New(settings(), Program{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := s.Telemetry.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = []int{}[len(r.Method)]
	}))
	out := &response{header: http.Header{}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(out, r)
	if out.status != 500 || out.header.Get("Content-Type") != "application/json" || !strings.Contains(out.body.String(), out.header.Get("X-Tiled-Request-ID")) {
		t.Errorf("%d %v %s", out.status, out.header, out.body.String())
	}
}

type response struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(status int)      { r.status = status }
func (r *response) Write(p []byte) (int, error) { return r.body.Write(p) }

func TestBadSettings(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"key":     func(c *config.Config) { c.Authentication.SingleUserAPIKey = "has space" },
		"memory":  func(c *config.Config) { c.Own.Memory = "much" },
		"proxies": func(c *config.Config) { c.Listen.ForwardedAllowIPs = "here" },
		"ui":      func(c *config.Config) { c.Own.UI = t.TempDir() },
		"coding":  func(c *config.Config) { c.Own.Codings.Fast.Binary = []string{"brotli"} },
		"mounts":  func(c *config.Config) { c.Trees = append(c.Trees, config.Tree{Tree: "demo", Path: "/"}) },
	} {
		c := settings()
		change(&c)
		if s, err := New(c, Program{}, slog.New(slog.DiscardHandler)); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
			_ = s.Close()
		}
	}
}
