package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/server"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

const testKey = "secret"

// serve runs Terrazzo itself in this process until the test ends.
func serve(tb testing.TB, tree config.Tree) string {
	tb.Helper()
	c := config.Default()
	c.Listen.Host, c.Listen.Port = "127.0.0.1", 0
	c.Authentication.SingleUserAPIKey = testKey
	c.Own.State = "none"
	c.Trees = []config.Tree{tree}
	s, err := server.New(c, server.Program{Version: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l, err := s.Listen(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	tb.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, s.Close()); err != nil {
			tb.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func demo(tb testing.TB) string { tb.Helper(); return serve(tb, config.Tree{Tree: "demo", Path: "/"}) }

func connect(tb testing.TB, url string, options ...client.Option) *client.Client {
	tb.Helper()
	c, err := client.Connect(tb.Context(), url, append([]client.Option{client.WithAPIKey(testKey)}, options...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func open(tb testing.TB, c *client.Client, path string) *client.Node {
	tb.Helper()
	n, err := c.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func arrayAt(tb testing.TB, c *client.Client, path string) *client.Array {
	tb.Helper()
	a, err := open(tb, c, path).Array()
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func TestWalk(t *testing.T) {
	t.Parallel()
	c := connect(t, demo(t))
	root, err := open(t, c, "").Container()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key, err := range root.Members().Keys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if want := []string{"image", "nested", "scan"}; !slices.Equal(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
	scan := open(t, c, "scan")
	var metadata struct {
		Sample      string  `json:"sample"`
		Temperature float64 `json:"temperature"`
	}
	if err := scan.DecodeMetadata(&metadata); err != nil || metadata.Sample != "nickel" || metadata.Temperature != 295.5 {
		t.Errorf("metadata %+v, error %v", metadata, err)
	}
	if _, err := scan.Array(); !errors.Is(err, errdef.ErrNotAllowed) {
		t.Errorf("a container as an array: %v", err)
	}
	if _, err := c.Open(t.Context(), "scan/nothing"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("no such node: %v", err)
	}
	below := connect(t, c.URL()+"/metadata/scan")
	if n := open(t, below, "detector"); n.String() != "/scan/detector" {
		t.Errorf("path %s", n)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	c := connect(t, demo(t))
	root, err := open(t, c, "").Container()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		query client.Query
		want  []string
	}{
		"full text": {client.FullText("nickel"), []string{"scan"}},
		"lookup":    {client.Lookup("image"), []string{"image"}},
		"keys":      {client.KeysIn("image", "scan"), []string{"image", "scan"}},
		"eq":        {client.Eq("plan", "count"), []string{"scan"}},
		"not eq":    {client.NotEq("plan", "x"), []string{"scan"}},
		"gt":        {client.Gt("temperature", 295), []string{"scan"}},
		"lt":        {client.Lt("temperature", 295), nil},
		"ge":        {client.Ge("temperature", 295.5), []string{"scan"}},
		"le":        {client.Le("temperature", 295.5), []string{"scan"}},
		"in":        {client.In("plan", "count", 3), []string{"scan"}},
		"regexp":    {client.Regexp("sample", "^NICK", false), []string{"scan"}},
		"like":      {client.Like("sample", "nick%"), []string{"scan"}},
		"present":   {client.KeyPresent("colour", true), []string{"image"}},
		"family":    {client.OfFamily(structure.FamilyContainer), []string{"nested", "scan"}},
		"specs":     {client.HasSpecs([]string{"none"}, nil), nil},
	} {
		var got []string
		for n, err := range root.Search(test.query).All(t.Context()) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, n.Key())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	count, err := root.Search(client.OfFamily(structure.FamilyContainer)).Count(t.Context())
	if err != nil || count != 2 {
		t.Errorf("count %d, error %v", count, err)
	}
	page, err := root.Members().Sort("-id").Page(t.Context(), 1, 1)
	if err != nil || len(page) != 1 || page[0].Key() != "nested" {
		t.Errorf("second of the reverse order: %v, error %v", page, err)
	}
	if _, err := root.Search(client.Eq("x", make(chan int))).Count(t.Context()); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("a value that JSON cannot say: %v", err)
	}
	deep := 0
	for n, err := range root.Members().Deep(5).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n.String() == "/nested/deeper/line" {
			deep++
		}
	}
	if deep != 1 {
		t.Errorf("/nested/deeper/line occurs %d times in a deep listing", deep)
	}
	values, err := root.Members().Distinct(t.Context(), "sample")
	if err != nil || len(values["sample"]) != 1 || values["sample"][0] != (client.Value{Value: "nickel", Count: 1}) {
		t.Errorf("distinct: %v, error %v", values, err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	c := connect(t, demo(t))
	a := arrayAt(t, c, "scan/detector")
	whole, shape, err := client.Read[uint16](t.Context(), a, "")
	if err != nil || !slices.Equal(shape, []int64{60, 512, 512}) {
		t.Fatalf("shape %v, error %v", shape, err)
	}
	at := func(i, y, x int) uint16 { return whole[(i*512+y)*512+x] }
	if at(0, 256, 256) == 0 {
		t.Error("the middle of the first frame is dark")
	}
	part, shape, err := client.Read[uint16](t.Context(), a, "5:9:3, 100, ::-2")
	if err != nil || !slices.Equal(shape, []int64{2, 256}) {
		t.Fatalf("shape %v, error %v", shape, err)
	}
	for i := range 2 {
		for x := range 256 {
			if part[i*256+x] != at(5+3*i, 100, 511-2*x) {
				t.Fatalf("element %d,%d differs", i, x)
			}
		}
	}
	scalar, shape, err := client.Read[float64](t.Context(), a, "1,2,-3")
	if err != nil || len(shape) != 0 || len(scalar) != 1 || scalar[0] != float64(at(1, 2, 509)) {
		t.Errorf("scalar %v, shape %v, error %v", scalar, shape, err)
	}
	if empty, shape, err := client.Read[uint16](t.Context(), a, "0:0"); err != nil || len(empty) != 0 || !slices.Equal(shape, []int64{0, 512, 512}) {
		t.Errorf("empty: shape %v, error %v", shape, err)
	}
	if _, _, err := client.Read[int32](t.Context(), a, "0"); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("as int32: %v", err)
	}
	if _, _, err := client.Read[uint16](t.Context(), a, "60"); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("out of range: %v", err)
	}
	if _, err := a.ReadBlock(t.Context(), 99, 0, 0); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("no such block: %v", err)
	}
}

// TestBlocks puts the blocks together and compares them with one read.
func TestBlocks(t *testing.T) {
	t.Parallel()
	c := connect(t, demo(t), client.WithParallel(3))
	a := arrayAt(t, c, "scan/detector")
	want, err := a.ReadBytes(t.Context(), "3:11, 500:, :20")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 0, len(want.Data))
	var seen [][]int64
	for b, err := range a.Blocks(t.Context(), "3:11, 500:, :20") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, b.Index)
		got = append(got, b.Data...)
	}
	// The chunks are cut along the first axis only, so their bytes follow each other.
	if !slices.Equal(got, want.Data) {
		t.Error("the blocks are not the slice")
	}
	if fmt.Sprint(seen) != "[[0 0 0] [1 0 0] [2 0 0]]" {
		t.Errorf("blocks %v", seen)
	}
	for range a.Blocks(t.Context(), "") {
		break // leaving early ends what was begun
	}
	for _, err := range a.Blocks(t.Context(), "::2") {
		if !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("with steps: %v", err)
		}
	}
	if sel, err := a.Select("3"); err != nil || !slices.Equal(sel.Shape(), ndslice.All([]int64{512, 512}).Shape()) {
		t.Errorf("selection %v, error %v", sel, err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	c := connect(t, demo(t))
	table, err := open(t, c, "scan/spectra").Table()
	if err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	for b, err := range table.Batches(t.Context(), table.Schema().Field(1).Name, table.Schema().Field(0).Name) {
		if err != nil {
			t.Fatal(err)
		}
		if b.NumCols() != 2 || b.ColumnName(0) != table.Schema().Field(1).Name {
			t.Fatalf("columns %v", b.Schema())
		}
		rows += b.NumRows()
	}
	all, err := table.Read(t.Context())
	if err != nil || all.NumRows() != rows || rows == 0 || all.NumCols() != 3 {
		t.Errorf("%d rows, %d in batches, error %v", all.NumRows(), rows, err)
	}
	if _, err := table.Partition(t.Context(), 0, "nothing"); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("no such column: %v", err)
	}
	if _, err := table.Partition(t.Context(), 999); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("no such partition: %v", err)
	}
}

// TestStatuses: each status is the sentinel that the server's table has it from.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{
		400: errdef.ErrInvalid, 401: errdef.ErrUnauthenticated, 403: errdef.ErrForbidden, 404: errdef.ErrNotFound, 405: errdef.ErrNotAllowed,
		406: errdef.ErrNotAcceptable, 409: errdef.ErrConflict, 410: errdef.ErrGone, 413: errdef.ErrTooLarge, 415: errdef.ErrUnsupported,
		422: errdef.ErrUnprocessable, 429: errdef.ErrLimited, 503: errdef.ErrUnavailable,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"detail":"because"}`)
		}))
		_, err := client.Connect(t.Context(), s.URL, client.WithRetry(client.Retry{Attempts: 1}))
		s.Close()
		var e *client.Error
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Status != status || e.Detail != "because" {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// flaky answers like a server that fails so many times first.
func flaky(failures int64, fail http.HandlerFunc) (http.Handler, *atomic.Int64) {
	var asked atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= failures {
			fail(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"api_version": 0, "library_version": "0.2.20"})
	}), &asked
}

var quick = client.WithRetry(client.Retry{Attempts: 4, First: time.Millisecond, Longest: 2 * time.Millisecond})

func TestRetry(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]http.HandlerFunc{
		"503": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"429": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0.001")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"abort": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "{")
		},
	} {
		handler, asked := flaky(3, fail)
		s := httptest.NewServer(handler)
		_, err := client.Connect(t.Context(), s.URL, quick)
		if err != nil || asked.Load() != 4 {
			t.Errorf("%s: %d requests, error %v", name, asked.Load(), err)
		}
		asked.Store(-100)
		if _, err := client.Connect(t.Context(), s.URL, quick); err == nil || asked.Load() != -96 {
			t.Errorf("%s: %d requests of a server that never recovers, error %v", name, asked.Load()+100, err)
		}
		s.Close()
	}
	handler, asked := flaky(1, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	s := httptest.NewServer(handler)
	defer s.Close()
	if _, err := client.Connect(t.Context(), s.URL, quick); !errors.Is(err, errdef.ErrNotFound) || asked.Load() != 1 {
		t.Errorf("404: %d requests, error %v", asked.Load(), err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, err = client.Connect(t.Context(), "http://"+address+"?api_key=topsecret", quick)
	if !errors.Is(err, errdef.ErrUnavailable) || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("nobody listens: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Connect(ctx, "http://"+address, quick); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, bad := range []string{"ftp://x", "http://", "://"} {
		if _, err := client.Connect(t.Context(), bad); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestLies: a server whose bodies are not what their structure says is caught.
func TestLies(t *testing.T) {
	t.Parallel()
	good := demo(t)
	for name, change := range map[string]func([]byte) []byte{
		"short": func(b []byte) []byte { return b[:len(b)-1] },
		"long":  func(b []byte) []byte { return append(b, 0) },
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, good+r.URL.RequestURI(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			out.Header = r.Header.Clone()
			out.Header.Set("Accept-Encoding", "identity")
			answer, err := http.DefaultTransport.RoundTrip(out)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			if strings.Contains(r.URL.Path, "/array/") {
				body = change(body)
			}
			w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
			_, _ = w.Write(body)
		}))
		_, _, err := client.Read[uint8](t.Context(), arrayAt(t, connect(t, s.URL), "image"), "0")
		if !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrTooLarge) {
			t.Errorf("%s body: %v", name, err)
		}
		s.Close()
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	c := connect(t, demo(t))
	var b strings.Builder
	if err := open(t, c, "image").Export(t.Context(), &b, "csv", ":2, :3, 0"); err != nil || b.String() != "0,0,0\n1,1,1\n" {
		t.Errorf("%q, error %v", b.String(), err)
	}
	b.Reset()
	spectra, err := open(t, c, "scan/spectra").Table()
	if err != nil {
		t.Fatal(err)
	}
	name := spectra.Schema().Field(0).Name
	if err := spectra.Export(t.Context(), &b, "csv", "", name); err != nil || !strings.HasPrefix(b.String(), name+"\n") {
		t.Errorf("%.40q, error %v", b.String(), err)
	}
	if err := open(t, c, "image").Export(t.Context(), &b, "application/x-nothing", ""); !errors.Is(err, errdef.ErrNotAcceptable) {
		t.Errorf("an unknown format: %v", err)
	}
}
