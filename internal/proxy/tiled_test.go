package proxy

import (
	"bufio"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// origin is a small Tiled: a finished run, a live one and a growable array, and users who
// may see data, metadata or nothing.
type origin struct {
	mu       sync.Mutex // guards following
	calls    map[string]int
	rights   map[string]string // credential: data, metadata, none
	value    string
	stopped  map[string]bool
	down     bool
	cookie   string
	lastHost string
}

func newOrigin() *origin {
	return &origin{
		calls: map[string]int{}, value: "v1", stopped: map[string]bool{"run": true}, cookie: "tiled_csrf=x",
		rights: map[string]string{"Apikey alice": "data", "Apikey bob": "data", "Apikey mona": "metadata"},
	}
}

// taken is how often a route was asked for since the last look.
func (o *origin) taken(route string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.calls[route]
	o.calls[route] = 0
	return n
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := classify(r)
	o.calls[t.route]++
	o.lastHost = r.Header.Get("X-Forwarded-Host")
	w.Header().Set("Set-Cookie", o.cookie)
	w.Header().Set("X-Tiled-Request-Id", "abc")
	right := o.rights[r.Header.Get("Authorization")]
	if key := r.URL.Query().Get("api_key"); key != "" {
		right = o.rights["Apikey "+key]
	}
	switch {
	case t.class == passed:
		_, _ = fmt.Fprint(w, "passed")
	case t.class == other:
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = fmt.Fprint(w, "page")
	case r.Method == http.MethodPut:
		o.value = "written"
	case right == "" || right == "none":
		http.Error(w, `{"detail":"none"}`, http.StatusNotFound)
	case t.class == about:
		o.answer(w, r, o.metadata(t.node, r))
	case right != "data":
		http.Error(w, `{"detail":"no data"}`, http.StatusForbidden)
	default:
		o.answer(w, r, o.value+" "+t.node+" "+r.URL.Query().Get("block")+" as "+r.Header.Get("Accept"))
	}
}

func (o *origin) answer(w http.ResponseWriter, r *http.Request, body string) {
	if strings.HasPrefix(r.URL.Path, "/zarr/") {
		_, _ = io.WriteString(w, body) // Tiled gives these no tag
		return
	}
	tag := fmt.Sprintf("%x", md5.Sum([]byte(o.value)))
	w.Header().Set("Etag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = io.WriteString(w, body)
}

func (o *origin) metadata(node string, r *http.Request) string {
	stop, resizable := "null", "false"
	if o.stopped[node] {
		stop = `{"exit_status":"success"}`
	}
	specs := "[]"
	if node == "run" || node == "live" {
		specs = `[{"name":"BlueskyRun"}]`
	}
	if strings.HasSuffix(node, "grows") {
		resizable = "true"
	}
	return fmt.Sprintf(`{"data":{"id":"x","attributes":{"specs":%s,"metadata":{"selected":{"stop":%s}},`+
		`"structure":{"chunks":[[2,2,1]],"resizable":%s},"data_sources":[]}},"asked":%q}`, specs, stop, resizable, r.Header.Get("Accept"))
}

// RoundTrip is the network between proxy and origin.
func (o *origin) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	down := o.down
	o.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

func behind(t *testing.T, o *origin, change func(*Options)) *Proxy {
	t.Helper()
	options := Options{Origin: "http://origin:8000", transport: o}
	if change != nil {
		change(&options)
	}
	p, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func get(t *testing.T, p http.Handler, url, who string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, p, http.MethodGet, url, who, fields...)
}

func send(t *testing.T, p http.Handler, method, url, who string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://proxy"+url, http.NoBody)
	if who != "" {
		r.Header.Set("Authorization", "Apikey "+who)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

const block = "/api/v1/array/block/run/primary/img?block=0"

// reads reads a block and tells how many data requests reached the origin for it.
func reads(t *testing.T, p *Proxy, o *origin, url, who string, code int, body string) int {
	t.Helper()
	o.taken("array/block")
	w := get(t, p, url, who)
	if w.Code != code || !strings.HasPrefix(w.Body.String(), body) {
		t.Errorf("%s as %q: %d %q, want %d %q (%s)", url, who, w.Code, w.Body, code, body, w.Header().Get("Cache-Status"))
	}
	return o.taken("array/block")
}

// TestFinishedRun: the data of a finished run come from the cache, for those to whom the
// origin has shown data of that node, and for nobody else.
func TestFinishedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin()
		p := behind(t, o, nil)
		for i, want := range []int{1, 0, 0} {
			if got := reads(t, p, o, block, "alice", 200, "v1 run/primary/img"); got != want {
				t.Errorf("read %d by alice: %d requests, want %d", i, got, want)
			}
		}
		// Bob's first read is confirmed by the origin for him, then he is known.
		for i, want := range []int{1, 0} {
			if got := reads(t, p, o, block, "bob", 200, "v1"); got != want {
				t.Errorf("read %d by bob: %d requests, want %d", i, got, want)
			}
		}
		for range 2 {
			reads(t, p, o, block, "mona", 403, `{"detail":"no data"}`)
			reads(t, p, o, block, "eve", 404, `{"detail":"none"}`)
			reads(t, p, o, block, "", 404, `{"detail":"none"}`)
		}
		if got := reads(t, p, o, block+"&api_key=bob", "", 200, "v1"); got != 1 {
			t.Errorf("the key in the URL: %d requests, want 1", got)
		}
		// A right that was taken away lives on for auth-ttl, and no longer.
		o.mu.Lock()
		o.rights["Apikey alice"] = "none"
		o.mu.Unlock()
		time.Sleep(defaultAuthTTL - time.Second)
		time.Sleep(2 * time.Second)
		reads(t, p, o, block, "alice", 404, `{"detail":"none"}`)
		reads(t, p, o, block, "bob", 200, "v1")
	})
}

// TestEachRequestProven: a negative auth-ttl remembers no right.
func TestEachRequestProven(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, func(o *Options) { o.AuthTTL = -1 })
	for i := range 3 {
		if got := reads(t, p, o, block, "alice", 200, "v1"); got != 1 {
			t.Errorf("read %d: %d requests, want 1", i, got)
		}
	}
	o.rights["Apikey alice"] = "metadata"
	reads(t, p, o, block, "alice", 403, "")
}

// TestLiveRun: what grows behind the proxy is never served stale.
func TestLiveRun(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, nil)
	url := strings.Replace(block, "run", "live", 1)
	for i := range 20 {
		value := fmt.Sprint("v", i/2)
		o.mu.Lock()
		o.value = value
		o.mu.Unlock()
		if got := reads(t, p, o, url, "alice", 200, value+" live"); got != 1 {
			t.Errorf("read %d: %d requests, want 1", i, got)
		}
		if got := get(t, p, "/api/v1/search/live", "alice"); got.Code != 200 {
			t.Errorf("search: %d", got.Code)
		}
	}
	if got := p.Cache().Stats(); got.Confirmed == 0 || got.Hits != 0 {
		t.Errorf("stats %+v", got)
	}
	// The run ends, and from then on its data are kept.
	o.stopped["live"] = true
	p2 := behind(t, o, nil)
	reads(t, p2, o, url, "alice", 200, "v9 live")
	if got := reads(t, p2, o, url, "alice", 200, "v9 live"); got != 0 {
		t.Errorf("after the stop document: %d requests, want 0", got)
	}
}

// TestFreshRule: what an operator says holds, until the structure changes.
func TestFreshRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin()
		p := behind(t, o, func(o *Options) { o.Fresh = []string{"array/**/live/**=60s", "metadata/**=5s"}; o.AuthTTL = time.Hour })
		url := strings.Replace(block, "run", "live", 1)
		for i, want := range []int{1, 0} {
			if got := reads(t, p, o, url, "alice", 200, "v1"); got != want {
				t.Errorf("read %d: %d requests, want %d", i, got, want)
			}
		}
		time.Sleep(61 * time.Second)
		o.value = "v2"
		if got := reads(t, p, o, url, "alice", 200, "v2"); got != 1 {
			t.Errorf("after its time: %d requests, want 1", got)
		}
	})
}

// TestWriteThrough: a write through the proxy takes with it what it made untrue.
func TestWriteThrough(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, func(o *Options) { o.Fresh = []string{"metadata/**=1h", "search/**=1h"} })
	listings := []string{"/api/v1/search/run/primary", "/api/v1/metadata/run", "/api/v1/search/"}
	elsewhere := "/api/v1/metadata/live"
	for range 2 {
		for _, url := range append(listings, elsewhere) {
			get(t, p, url, "alice")
		}
	}
	reads(t, p, o, block, "alice", 200, "v1")
	o.taken("search")
	o.taken("metadata")
	send(t, p, http.MethodPut, "/api/v1/array/full//run/primary/img", "alice")
	reads(t, p, o, block, "alice", 200, "written")
	o.taken("metadata")
	for _, url := range listings {
		get(t, p, url, "alice")
	}
	get(t, p, elsewhere, "alice")
	if s, m := o.taken("search"), o.taken("metadata"); s != 2 || m != 1 {
		t.Errorf("%d searches and %d metadata asked again, want 2 and 1", s, m)
	}
}

// TestGrowingEdge: the last block of what may grow is not kept, nor is the whole of it.
func TestGrowingEdge(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, func(o *Options) { o.Fresh = []string{"array/**=immutable"} })
	for url, want := range map[string]int{
		"/api/v1/array/block/grows?block=0": 0, "/api/v1/array/block/grows?block=1": 0,
		"/api/v1/array/block/grows?block=2": 1, "/api/v1/array/block/fixed?block=2": 0,
	} {
		reads(t, p, o, url, "alice", 200, "v1")
		if got := reads(t, p, o, url, "alice", 200, "v1"); got != want {
			t.Errorf("%s: %d requests, want %d", url, got, want)
		}
	}
}

// TestVariantsOfTiled: JSON and msgpack share a URL and an entity tag there.
func TestVariantsOfTiled(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, nil)
	for range 2 {
		for _, accept := range []string{"application/json", "application/x-msgpack", "application/json, application/x-msgpack", "application/json,application/x-msgpack"} {
			if got := get(t, p, block, "alice", "Accept", accept).Body.String(); !strings.HasSuffix(got, " as "+accept) {
				t.Errorf("asked for %q, got %q", accept, got)
			}
		}
	}
	old := get(t, p, "/api/v1/metadata/run", "alice", "User-Agent", "python-tiled/0.2.16").Header().Get("Cache-Status")
	if again := get(t, p, "/api/v1/metadata/run", "alice", "User-Agent", "python-tiled/0.2.20").Header().Get("Cache-Status"); !strings.Contains(again, "miss") {
		t.Errorf("clients of both kinds share metadata: %s, then %s", old, again)
	}
	if vary := get(t, p, block, "alice").Header().Values("Vary"); !strings.Contains(strings.Join(vary, ","), "Accept, Accept-Encoding") {
		t.Errorf("Vary %q", vary)
	}
}

// TestRulesReachTheClient: a rule holds for the client's own cache too, but for what is
// not kept and what has no rule.
func TestRulesReachTheClient(t *testing.T) {
	p := behind(t, newOrigin(), func(o *Options) { o.Fresh = []string{"array/**=90s"} })
	for url, want := range map[string]string{
		"/api/v1/array/block/fixed?block=2": "private, max-age=90", "/api/v1/array/block/grows?block=2": "", "/api/v1/metadata/fixed": "",
	} {
		for range 2 {
			h := get(t, p, url, "alice").Header()
			if got := h.Get("Cache-Control"); got != want {
				t.Errorf("%s: Cache-Control %q, want %q", url, got, want)
			}
		}
	}
	age := get(t, p, "/api/v1/array/block/fixed?block=2", "alice").Header().Get("Age")
	tag := get(t, p, "/api/v1/array/block/fixed?block=2", "alice").Header().Get("Etag")
	confirmed := get(t, p, "/api/v1/array/block/fixed?block=2", "alice", "If-None-Match", tag)
	if age == "" || confirmed.Code != http.StatusNotModified || confirmed.Header().Get("Cache-Control") != "private, max-age=90" {
		t.Errorf("Age %q; confirmed: %d %v", age, confirmed.Code, confirmed.Header())
	}
}

// TestShieldOfTiled: the Python client never sees a 304, a proxy of ours before it does.
func TestShieldOfTiled(t *testing.T) {
	p := behind(t, newOrigin(), nil)
	tag := get(t, p, block, "alice").Header().Get("Etag")
	python := []string{"If-None-Match", tag, "User-Agent", "python-tiled/0.2.20"}
	if got := get(t, p, block, "alice", python...).Code; got != http.StatusOK {
		t.Errorf("Python client: status %d", got)
	}
	if got := get(t, p, block, "alice", append(python, "Via", "1.1 terrazzo")...).Code; got != http.StatusNotModified {
		t.Errorf("Python client behind its own proxy: status %d", got)
	}
}

// TestCookiesOfTiled: its own do not keep an answer out, and are not replayed; another's do.
func TestCookiesOfTiled(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, nil)
	first := get(t, p, block, "alice")
	second := get(t, p, block, "alice", "Cookie", "tiled_csrf=mine")
	if first.Header().Get("Set-Cookie") == "" || second.Header().Get("Set-Cookie") != "" || second.Header().Get("X-Tiled-Request-Id") != "" ||
		!strings.Contains(second.Header().Get("Cache-Status"), "hit") {
		t.Errorf("first %v, second %v", first.Header(), second.Header())
	}
	o.cookie = "session=alice"
	if w := get(t, p, block+"&x", "alice"); strings.Contains(w.Header().Get("Cache-Status"), "stored") {
		t.Error("an answer that sets a session was kept")
	}
	// A session cookie of a proxy in front of Tiled is a credential.
	if w := get(t, p, block, "alice", "Cookie", "session=bob"); strings.Contains(w.Header().Get("Cache-Status"), "hit") {
		t.Error("another session was served without asking")
	}
}

// TestNeverCached: sign-in, the About page, streams.
func TestNeverCached(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, nil)
	for _, url := range []string{"/api/v1//", "/api/v1/auth/whoami", "/api/v1/auth/provider/x/code?code=1", "/device_code", "/auth/code", "/api/v1/stream/single/a//b"} {
		for range 2 {
			if status := get(t, p, url, "").Header().Get("Cache-Status"); status != "terrazzo; fwd=bypass" {
				t.Errorf("%s: %s", url, status)
			}
		}
	}
	get(t, p, "/ui/index.html", "")
	if status := get(t, p, "/ui/index.html", "").Header().Get("Cache-Status"); !strings.Contains(status, "hit") {
		t.Errorf("the web page: %s", status)
	}
}

// TestOtherWaysToAuthorize: by revalidation, and apart.
func TestOtherWaysToAuthorize(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, func(o *Options) { o.Authorize = AuthorizeRevalidate })
	for i, who := range []string{"alice", "alice", "bob"} {
		if got := reads(t, p, o, block, who, 200, "v1"); got != 1 || o.taken("metadata") != 0 {
			t.Errorf("revalidate, read %d: %d requests, want 1 and no metadata", i, got)
		}
	}
	reads(t, p, o, block, "mona", 403, "")
	if got := p.Cache().Stats(); got.Confirmed != 2 {
		t.Errorf("stats %+v", got)
	}
	q := behind(t, o, func(o *Options) { o.Authorize = AuthorizeKey; o.Fresh = []string{"array/**=1h"} })
	for i, want := range []int{1, 0} {
		for _, who := range []string{"alice", "bob"} {
			if got := reads(t, q, o, block, who, 200, "v1"); got != want {
				t.Errorf("key, read %d by %s: %d requests, want %d", i, who, got, want)
			}
		}
	}
	reads(t, q, o, block, "mona", 403, "")
}

// TestOriginDown: stale-if-error stands in for those who were known, and airplane mode
// for all.
func TestOriginDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin()
		p := behind(t, o, func(o *Options) { o.StaleIfError = time.Hour })
		reads(t, p, o, block, "alice", 200, "v1")
		o.mu.Lock()
		o.down = true
		o.mu.Unlock()
		time.Sleep(time.Minute)
		w := get(t, p, block, "alice")
		if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Status"), "stale-if-error") {
			t.Errorf("alice: %d %s", w.Code, w.Header().Get("Cache-Status"))
		}
		if w := get(t, p, block, "eve"); w.Code != http.StatusBadGateway {
			t.Errorf("eve: %d", w.Code)
		}
		if w := get(t, p, block+"&never", "alice"); w.Code != http.StatusBadGateway {
			t.Errorf("what is not held: %d", w.Code)
		}
		p.SetOffline(true)
		if w := get(t, p, block, "alice"); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Status"), "offline") {
			t.Errorf("offline: %d %s", w.Code, w.Header().Get("Cache-Status"))
		}
		if w := get(t, p, block+"&never", "alice"); w.Code != 504 || !strings.Contains(w.Body.String(), "detail") {
			t.Errorf("offline, not held: %d %q", w.Code, w.Body)
		}
	})
}

// TestLinks: the origin hears by which address the client came.
func TestLinks(t *testing.T) {
	o := newOrigin()
	p := behind(t, o, nil)
	get(t, p, "/api/v1/metadata/run", "alice", "X-Forwarded-Host", "evil")
	if o.lastHost != "proxy" {
		t.Errorf("the origin was told %q", o.lastHost)
	}
	q := behind(t, o, func(o *Options) { o.TrustForwarded = true })
	get(t, q, "/api/v1/metadata/run", "alice", "X-Forwarded-Host", "data.example.org")
	if o.lastHost != "data.example.org" {
		t.Errorf("the origin was told %q", o.lastHost)
	}
}

// TestWebSocket: an upgraded connection passes both ways.
func TestWebSocket(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			t.Error("the upgrade was lost")
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := buf.ReadString('\n')
		_, _ = io.WriteString(conn, "echo "+line)
	}))
	defer back.Close()
	p, err := New(Options{Origin: back.URL})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(p)
	defer front.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(front.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /api/v1/stream/single/a//b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil) //nolint:bodyclose // the connection is upgraded
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", answer, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := in.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("got %q %v", line, err)
	}
}
