package offline_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/offline"
	"github.com/terrazzo-data/terrazzo/internal/server"
)

// online is a server that can be stopped, and counts.
type online struct {
	url  string
	stop func()
}

func startDemo(tb testing.TB) *online {
	tb.Helper()
	c := config.Default()
	c.Listen.Host, c.Listen.Port = "127.0.0.1", 0
	c.Authentication = config.Authentication{SingleUserAPIKey: "secret", AllowAnonymousAccess: true}
	c.Own.State = "none"
	c.Trees = []config.Tree{{Tree: "demo", Path: "/"}}
	s, err := server.New(c, server.Program{Version: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, err := s.Listen(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	o := &online{url: "http://" + l.Addr().String()}
	var once atomic.Bool
	o.stop = func() {
		if once.CompareAndSwap(false, true) {
			cancel()
			if err := errors.Join(<-done, s.Close()); err != nil {
				tb.Error(err)
			}
		}
	}
	tb.Cleanup(o.stop)
	return o
}

func connect(tb testing.TB, url string, options ...client.Option) *client.Client {
	tb.Helper()
	c, err := client.Connect(tb.Context(), url, append(options, client.WithRetry(client.Retry{Attempts: 1}))...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func arrayAt(tb testing.TB, c *client.Client, path string) *client.Array {
	tb.Helper()
	n, err := c.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	a, err := n.Array()
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// kept downloads and returns a client that reads what is held, in this process.
func kept(tb testing.TB, dir string, c *client.Client, path []string, want offline.Wanted) (*client.Client, offline.Progress) {
	tb.Helper()
	s, err := offline.Open(dir).Create(c.URL(), "anonymous")
	if err != nil {
		tb.Fatal(err)
	}
	p, err := s.Download(tb.Context(), c, path, want)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := s.Handler("", "test", slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return connect(tb, c.URL(), client.WithTransport(offline.Transport{Handler: h})), p
}

// TestAirplane: all that was downloaded is there when the server is not, and slices that
// were not asked for before are cut from the blocks.
func TestAirplane(t *testing.T) {
	t.Parallel()
	o := startDemo(t)
	c := connect(t, o.url)
	want, err := arrayAt(t, c, "scan/detector").ReadBytes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	image, err := arrayAt(t, c, "image").ReadBytes(t.Context(), "::2, 1, ::-1")
	if err != nil {
		t.Fatal(err)
	}
	plane, p := kept(t, t.TempDir(), c, nil, offline.Wanted{Depth: -1})
	if p.Nodes != 8 || p.Parts == 0 || p.Same != 0 {
		t.Errorf("%+v", p)
	}
	o.stop()
	got, err := arrayAt(t, plane, "scan/detector").ReadBytes(t.Context(), "")
	if err != nil || !slices.Equal(got.Data, want.Data) {
		t.Errorf("the whole array differs, error %v", err)
	}
	cut, err := arrayAt(t, plane, "image").ReadBytes(t.Context(), "::2, 1, ::-1")
	if err != nil || !slices.Equal(cut.Data, image.Data) {
		t.Errorf("the slice differs, error %v", err)
	}
	root, err := plane.Open(t.Context(), "")
	if err != nil || root.Metadata["title"] != "Terrazzo demo" {
		t.Fatalf("root %v, error %v", root, err)
	}
	container, err := root.Container()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for n, err := range container.Search(client.FullText("nickel")).All(t.Context()) {
		if err != nil || n.Key() != "scan" {
			t.Errorf("%v, error %v", n, err)
		}
		found++
	}
	if found != 1 {
		t.Errorf("%d found", found)
	}
	n, err := plane.Open(t.Context(), "scan/spectra")
	if err != nil {
		t.Fatal(err)
	}
	table, err := n.Table()
	if err != nil {
		t.Fatal(err)
	}
	all, err := table.Read(t.Context(), table.Schema().Field(2).Name, table.Schema().Field(0).Name)
	if err != nil || all.NumRows() == 0 || all.NumCols() != 2 {
		t.Errorf("table %v, error %v", all, err)
	}
}

// TestPartly: of an array that was downloaded in part the rest is a clear error, before
// any byte of it is sent; so is a node that was not downloaded.
func TestPartly(t *testing.T) {
	t.Parallel()
	o := startDemo(t)
	c := connect(t, o.url)
	plane, _ := kept(t, t.TempDir(), c, []string{"scan", "detector"}, offline.Wanted{Slice: "4:8"})
	o.stop()
	a := arrayAt(t, plane, "scan/detector")
	if _, err := a.ReadBytes(t.Context(), "5:8:2, 3"); err != nil {
		t.Error(err)
	}
	for _, slice := range []string{"3:5", "", "59", "4:60"} {
		if _, err := a.ReadBytes(t.Context(), slice); !errors.Is(err, errdef.ErrNotFound) || !strings.Contains(err.Error(), "was not downloaded") {
			t.Errorf("%q: %v", slice, err)
		}
	}
	for _, path := range []string{"image", "scan/spectra"} {
		if _, err := plane.Open(t.Context(), path); !errors.Is(err, errdef.ErrNotFound) || !strings.Contains(err.Error(), "was not downloaded") {
			t.Errorf("%s: %v", path, err)
		}
	}
	scan, err := plane.Open(t.Context(), "scan")
	if err != nil || scan.Count != 1 || scan.Metadata["sample"] != "nickel" {
		t.Errorf("the way to the node: %+v, error %v", scan, err)
	}
}

// TestAgain: what did not change is not sent a second time; what broke off goes on.
func TestAgain(t *testing.T) {
	t.Parallel()
	o := startDemo(t)
	c := connect(t, o.url)
	dir := t.TempDir()
	_, first := kept(t, dir, c, nil, offline.Wanted{Depth: -1})
	_, second := kept(t, dir, c, nil, offline.Wanted{Depth: -1})
	if second.Same != first.Parts || second.Bytes != 0 {
		t.Errorf("first %+v, second %+v", first, second)
	}
	s, err := offline.Open(dir).Server(c.URL(), "anonymous")
	if err != nil {
		t.Fatal(err)
	}
	refreshed, err := s.Refresh(t.Context(), c, offline.Wanted{})
	if err != nil || refreshed.Bytes != 0 || refreshed.Same != first.Parts {
		t.Errorf("refresh %+v, error %v", refreshed, err)
	}
	nodes, parts := 0, int64(0)
	err = s.Walk(t.Context(), func(h offline.Held) error {
		nodes++
		parts += h.Parts
		if h.Parts != h.Total {
			t.Errorf("%v: %d parts of %d", h.Path, h.Parts, h.Total)
		}
		return nil
	})
	if err != nil || int64(nodes) != first.Nodes || parts != first.Parts {
		t.Errorf("%d nodes, %d parts, error %v", nodes, parts, err)
	}
}

// TestOtherPrincipal: what one downloaded is not another's.
func TestOtherPrincipal(t *testing.T) {
	t.Parallel()
	o := startDemo(t)
	c := connect(t, o.url)
	dir := t.TempDir()
	kept(t, dir, c, []string{"image"}, offline.Wanted{})
	if _, err := offline.Open(dir).Server(c.URL(), "key:1234"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("another principal: %v", err)
	}
	if s, err := offline.Open(dir).Servers(); err != nil || len(s) != 1 || s[0].Principal != "anonymous" {
		t.Errorf("servers %v, error %v", s, err)
	}
}

// TestDamaged: a part that was changed on disk is an error that names the file.
func TestDamaged(t *testing.T) {
	t.Parallel()
	o := startDemo(t)
	dir := t.TempDir()
	plane, _ := kept(t, dir, connect(t, o.url), []string{"image"}, offline.Wanted{})
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "0.0.0" {
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
	a := arrayAt(t, plane, "image")
	if _, err := a.ReadBytes(t.Context(), ""); err == nil {
		t.Error("a damaged block was served")
	}
	_, p := kept(t, dir, connect(t, o.url), []string{"image"}, offline.Wanted{})
	if p.Bytes == 0 || p.Same != 0 {
		t.Errorf("a damaged block was taken for good: %+v", p)
	}
}

// TestServed: the tree behind a real listener; links lead to where it was asked.
func TestServed(t *testing.T) {
	t.Parallel()
	o := startDemo(t)
	dir := t.TempDir()
	c := connect(t, o.url)
	kept(t, dir, c, []string{"scan"}, offline.Wanted{Depth: -1})
	o.stop()
	s, err := offline.Open(dir).Server(c.URL(), "anonymous")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler("", "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	local := httptest.NewServer(h)
	defer local.Close()
	answer, err := http.Get(local.URL + "/api/v1/metadata/scan/detector")
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 1<<16)
	n, _ := answer.Body.Read(body)
	_ = answer.Body.Close()
	if text := string(body[:n]); !strings.Contains(text, local.URL) || strings.Contains(text, o.url) {
		t.Errorf("links: %s", text)
	}
}
