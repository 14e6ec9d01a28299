package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// fake is a server without a network.
type fake func(*http.Request) (status int, mediaType string, body string)

func (f fake) RoundTrip(r *http.Request) (*http.Response, error) {
	status, mediaType, body := f(r)
	h := http.Header{"Content-Type": {mediaType}}
	raw := []byte(body)
	if r.Header.Get("Accept-Encoding") == "gzip" {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(raw)
		_ = w.Close()
		raw = b.Bytes()
		h.Set("Content-Encoding", "gzip")
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(bytes.NewReader(raw)), Request: r}, nil
}

// way leads to f by a name of its own.
func way(name string, f fake) Way {
	return Way{Name: name, Open: func(context.Context) (*Line, error) {
		c := &Counter{Next: f}
		return &Line{Base: "http://" + name, Transport: c, Origin: c.Traffic}, nil
	}}
}

func readLog(t *testing.T, lines ...string) *Log {
	t.Helper()
	l, err := ReadLog(strings.NewReader(strings.Join(lines, "\n")), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// get is a line of a log.
func get(target string, second int) string {
	return fmt.Sprintf(`- - - [25/Nov/2026:10:00:%02d +0000] "GET %s HTTP/1.1" 200 1`, second, target)
}

func octets(body string) fake {
	return func(*http.Request) (int, string, string) { return 200, "application/octet-stream", body }
}

func TestCosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		slow := func(name string, each time.Duration) Way {
			return way(name, func(r *http.Request) (int, string, string) {
				order = append(order, name+r.URL.Path)
				time.Sleep(each)
				return octets("0123456789")(r)
			})
		}
		r, err := Run(t.Context(), Options{
			Log: readLog(t, get("/a", 0), get("/b", 1), get("/a", 2)), Rounds: 2,
			Ways: []Way{slow("one", 3*time.Second), slow("two", time.Second)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests != 3 || r.Targets != 2 || r.Differing() {
			t.Errorf("result %+v", r)
		}
		for i, each := range []time.Duration{3 * time.Second, time.Second} {
			for _, c := range r.Ways[i].Rounds {
				if c.Waited != 3*each || c.Median != each || c.Wall != 3*each || c.Origin != (Traffic{3, 30}) || c.CPU >= 0 || c.Failed != 0 {
					t.Errorf("%s: %+v", r.Ways[i].Name, c)
				}
			}
		}
		want := []string{"one/a", "one/b", "one/a", "two/a", "two/b", "two/a", "two/a", "two/b", "two/a", "one/a", "one/b", "one/a"}
		if !slices.Equal(order, want) {
			t.Errorf("order %v, want %v: each round begins with another way", order, want)
		}
		var table strings.Builder
		if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "| seconds at the client | 9 | 3 3× |") ||
			!strings.Contains(table.String(), "| CPU seconds of the origin | – | – |") {
			t.Errorf("%v\n%s", err, table.String())
		}
	})
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	document := func(text string) fake {
		return func(r *http.Request) (int, string, string) {
			return 200, "application/json", strings.ReplaceAll(text, "HOST", "http://"+r.URL.Host)
		}
	}
	long := strings.Repeat("a", 100_000)
	for _, c := range []struct {
		name          string
		direct, other fake
		how           string // "" where they are the same
	}{
		{"hosts and order", document(`{"a": 1, "self": "HOST/x", "n": 1.0}`), document(`{"n":1, "self":"HOST/x","a":1e0}`), ""},
		{"a value", document(`{"a": {"b": [1, 2]}}`), document(`{"a": {"b": [1, 3]}}`), "/a/b/1 is 3, directly 2"},
		{"a large number", document(`{"a": 9007199254740993}`), document(`{"a": 9007199254740992}`), "/a is 9007199254740992, directly 9007199254740993"},
		{"a key", document(`{"a/b": 1}`), document(`{}`), "/a~1b is missing, directly 1"},
		{"another key", document(`{}`), document(`{"a": null}`), "/a is null, directly missing"},
		{"a list", document(`[1]`), document(`[1, 2]`), "the document has 2 items, directly 1"},
		{"a byte", octets(long + "b"), octets(long + "c"), "byte 100000 is 0x63, directly 0x62"},
		{"shorter", octets(long), octets(long[:70_000]), "shorter by 30000 bytes"},
		{"longer", octets(long[:10]), octets(long), "longer by 99990 bytes"},
		{"status", octets("x"), func(*http.Request) (int, string, string) { return 404, "application/octet-stream", "x" }, "status 404, directly 200"},
		{"type", octets("x"), func(*http.Request) (int, string, string) { return 200, "text/csv", "x" }, "media type text/csv, directly application/octet-stream"},
		{
			"page", func(r *http.Request) (int, string, string) {
				return 200, "text/html; charset=utf-8", "<a href=http://" + r.URL.Host + "/>"
			},
			func(r *http.Request) (int, string, string) {
				return 200, "text/html; charset=utf-8", "<a href=http://" + r.URL.Host + "/>"
			}, "",
		},
	} {
		for _, coding := range []string{"identity", "gzip"} {
			r, err := Run(t.Context(), Options{
				Log: readLog(t, get("/x", 0), get("/x", 0)), Rounds: 2, Header: http.Header{"Accept-Encoding": {coding}},
				Ways: []Way{way("direct", c.direct), way("other", c.other)},
			})
			if err != nil {
				t.Fatal(err)
			}
			got := r.Ways[1]
			switch {
			case c.how == "" && (got.Differing != 0 || len(got.Differences) != 0):
				t.Errorf("%s: %+v", c.name, got.Differences)
			case c.how != "" && (got.Differing != 4 || len(got.Differences) != 1 || got.Differences[0] != Difference{"/x", c.how}):
				t.Errorf("%s, %s: %d, %+v; want %q", c.name, coding, got.Differing, got.Differences, c.how)
			}
		}
	}
}

// TestUnstable: what changes by itself says nothing about a cache.
func TestUnstable(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	live := func(*http.Request) (int, string, string) {
		return 200, "application/octet-stream", fmt.Sprint(n.Add(1))
	}
	r, err := Run(t.Context(), Options{Log: readLog(t, get("/x", 0)), Rounds: 1, Ways: []Way{way("direct", live), way("other", octets("1"))}})
	if err != nil || r.Differing() || r.Ways[1].Unstable != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = Run(t.Context(), Options{Log: readLog(t, get("/x", 0)), Rounds: 1, Ways: []Way{way("direct", live), way("other", octets("1"))}})
	if err != nil || r.Differing() || r.Ways[1].Unstable != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestStorm: a server that fails is left alone, one that fails now and then is not.
func TestStorm(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	failing := func(r *http.Request) (int, string, string) {
		if n := asked.Add(1); strings.HasSuffix(r.URL.Path, "/well") && n%3 == 0 {
			return octets("x")(r)
		}
		return 500, "application/json", "{}"
	}
	lines := slices.Repeat([]string{get("/ill", 0)}, 100)
	_, err := Run(t.Context(), Options{Log: readLog(t, lines...), Ways: []Way{way("direct", failing)}})
	if !errors.Is(err, errdef.ErrUnavailable) || asked.Load() != stormAfter {
		t.Errorf("%d requests, %v", asked.Load(), err)
	}
	lines = slices.Repeat([]string{get("/well", 0)}, 100)
	r, err := Run(t.Context(), Options{Log: readLog(t, lines...), Rounds: 1, Ways: []Way{way("direct", failing)}})
	if err != nil || r.Ways[0].Rounds[0].Failed < 60 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTimingAndRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    Options
		wall time.Duration
	}{
		{"timing", Options{Timing: true}, 12 * time.Second},
		{"twice as fast", Options{Timing: true, Speed: 2}, 7 * time.Second},
		{"side by side", Options{Concurrency: 3}, 2 * time.Second},
		{"rate", Options{Concurrency: 3, Rate: 0.25}, 10 * time.Second},
		{"one after another", Options{}, 6 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			slow := func(r *http.Request) (int, string, string) { time.Sleep(2 * time.Second); return octets("x")(r) }
			c.o.Log, c.o.Rounds, c.o.Ways = readLog(t, get("/a", 0), get("/b", 1), get("/c", 10)), 1, []Way{way("direct", slow)}
			r, err := Run(t.Context(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Ways[0].Rounds[0].Wall; got != c.wall {
				t.Errorf("%s: %v, want %v", c.name, got, c.wall)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	l := readLog(t, `x - "GET /a HTTP/1.1" 200`)
	ways := []Way{way("direct", octets("x"))}
	for name, o := range map[string]Options{
		"no log": {Ways: ways}, "no way": {Log: l}, "no times": {Log: l, Ways: ways, Timing: true}, "negative": {Log: l, Ways: ways, Rounds: -1},
	} {
		if _, err := Run(t.Context(), o); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/api/v1/array/full/a?slice=0":        "application/octet-stream, application/vnd.apache.arrow.file",
		"/api/v1/table/partition/t":           "application/vnd.apache.arrow.file",
		"/api/v1/metadata/array/full":         "application/json",
		"/api/v1/array/full/a?format=csv":     "*/*",
		"/api/v1/asset/bytes/a?id=1":          "*/*",
		"/somewhere/else":                     "application/json",
		"/data/api/v1/search/a?page[limit]=3": "application/json",
	} {
		if got := accept(target, false); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	if got := accept("/api/v1/array/full/a", true); !strings.HasPrefix(got, "application/json") {
		t.Errorf("browser: %q", got)
	}
}

func TestProcessCPU(t *testing.T) {
	t.Parallel()
	if _, ok := ProcessCPU(nil); ok {
		t.Error("no process has a CPU time")
	}
	if _, ok := ProcessCPU([]int{1 << 30}); ok {
		t.Error("a process that is not there has a CPU time")
	}
}
