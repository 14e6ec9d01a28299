package client_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/httpcache"
)

// far is a server seen through a network with a round trip, which counts what crosses it.
type far struct {
	url             string
	requests, bytes atomic.Int64
}

func farAway(tb testing.TB, target string, roundTrip time.Duration) *far {
	tb.Helper()
	u, err := url.Parse(target)
	if err != nil {
		tb.Fatal(err)
	}
	f := &far{}
	forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(u) }}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		time.Sleep(roundTrip) // the network, not a synchronisation
		forward.ServeHTTP(w, r)
	}))
	s.Listener = &countingListener{s.Listener, &f.bytes}
	s.Start()
	tb.Cleanup(s.Close)
	f.url = s.URL
	return f
}

type countingListener struct {
	net.Listener
	n *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{c, l.n}, nil
}

type countingConn struct {
	net.Conn
	n *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// ReadFrom keeps sendfile from passing the count by.
func (c *countingConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// session reads 60 frames, so many times.
func session(tb testing.TB, c *client.Client, rounds int) {
	tb.Helper()
	for range rounds {
		a := arrayAt(tb, c, "scan/detector")
		for i := range 60 {
			if _, _, err := client.Read[uint16](tb.Context(), a, fmt.Sprint(i)); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// caches are what a session is run with; nil is no cache.
func caches(tb testing.TB) map[string]*httpcache.Place {
	tb.Helper()
	return map[string]*httpcache.Place{
		"none": nil, "memory": {Memory: 256 << 20}, "disk": {Memory: 1 << 10, Dir: filepath.Join(tb.TempDir(), "cache"), Capacity: 1 << 30},
	}
}

func through(tb testing.TB, f *far, place *httpcache.Place) *client.Client {
	tb.Helper()
	if place == nil {
		return connect(tb, f.url)
	}
	t, err := httpcache.Open(*place, httpcache.Options{Next: &http.Transport{DisableCompression: true}, Selecting: []string{"Accept", "Accept-Encoding"}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = t.Close() })
	return connect(tb, f.url, client.WithTransport(t))
}

// TestSession: sixty frames read twenty-five times cross the network once; each later
// read is one round trip of a 304.
func TestSession(t *testing.T) {
	t.Parallel()
	const rounds = 25
	server := demo(t)
	without := farAway(t, server, 0)
	session(t, through(t, without, nil), rounds)
	for name, place := range caches(t) {
		if place == nil {
			continue
		}
		f := farAway(t, server, 0)
		session(t, through(t, f, place), rounds)
		if f.requests.Load() > without.requests.Load() || f.bytes.Load() > without.bytes.Load()/20 {
			t.Errorf("%s: %d requests and %d bytes; without a cache %d and %d", name, f.requests.Load(), f.bytes.Load(), without.requests.Load(), without.bytes.Load())
		}
		t.Logf("%s: %d requests, %d bytes; without a cache %d, %d", name, f.requests.Load(), f.bytes.Load(), without.requests.Load(), without.bytes.Load())
	}
}

// BenchmarkSession is one reload of sixty frames that were read before.
func BenchmarkSession(b *testing.B) {
	server := demo(b)
	for _, roundTrip := range []time.Duration{0, 20 * time.Millisecond} {
		for _, name := range []string{"none", "memory", "disk"} {
			b.Run(fmt.Sprintf("%s/%v", name, roundTrip), func(b *testing.B) {
				f := farAway(b, server, roundTrip)
				c := through(b, f, caches(b)[name])
				session(b, c, 1)
				requests, bytes := f.requests.Load(), f.bytes.Load()
				for b.Loop() {
					session(b, c, 1)
				}
				b.ReportMetric(float64(f.requests.Load()-requests)/float64(b.N), "requests/op")
				b.ReportMetric(float64(f.bytes.Load()-bytes)/float64(b.N), "wire-bytes/op")
			})
		}
	}
}
