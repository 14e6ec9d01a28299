package offline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/offline"
	"github.com/terrazzo-data/terrazzo/internal/server"
)

// changing serves a folder with an array of rows x 1 MiB that are all one number, and
// puts the next number into it before the requests for data that change names.
type changing struct {
	url    string
	file   string
	asked  atomic.Int64
	mu     sync.Mutex // guards value
	value  byte
	change func(request int64) bool
}

const row = 1 << 20

func (c *changing) write(tb testing.TB, rows int, value byte) {
	tb.Helper()
	header := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d), }", rows, row)
	header += strings.Repeat(" ", 128-10-1-len(header)) + "\n"
	data := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	data = append(append(data, header...), bytes.Repeat([]byte{value}, rows*row)...)
	if err := errors.Join(os.WriteFile(c.file+".new", data, 0o600), os.Rename(c.file+".new", c.file)); err != nil {
		tb.Error(err)
	}
	c.value = value
}

func startChanging(t *testing.T, rows int) *changing {
	t.Helper()
	dir := t.TempDir()
	c := &changing{file: filepath.Join(dir, "a.npy"), change: func(int64) bool { return false }}
	c.write(t, rows, 1)
	settings := config.Default()
	settings.Listen.Host, settings.Listen.Port = "127.0.0.1", 0
	settings.Authentication = config.Authentication{SingleUserAPIKey: "secret", AllowAnonymousAccess: true}
	settings.Own.State = "none"
	settings.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: dir}}}
	s, err := server.New(settings, server.Program{Version: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	})
	origin := &url.URL{Scheme: "http", Host: l.Addr().String()}
	forward := httputil.NewSingleHostReverseProxy(origin)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/array/full") {
			c.mu.Lock()
			if n := c.asked.Add(1); c.change(n) {
				c.write(t, rows, c.value+1)
			}
			c.mu.Unlock()
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	c.url = front.URL
	return c
}

// held reads what is held, and says which one number it consists of.
func held(t *testing.T, dir, api string) (byte, error) {
	t.Helper()
	s, err := offline.Open(dir).Server(api, "anonymous")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler("", "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n, err := connect(t, api, client.WithTransport(offline.Transport{Handler: h})).Open(t.Context(), "a")
	if err != nil {
		return 0, err
	}
	a, err := n.Array()
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.ReadBytes(t.Context(), "")
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(b.Data, bytes.Repeat(b.Data[:1], len(b.Data))) {
		t.Error("two states of the array are mixed")
	}
	return b.Data[0], nil
}

// TestChangesMeanwhile: an array that the server changes during its download is held in
// one state, whichever request the change falls before.
func TestChangesMeanwhile(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{1, 2, 3, 5} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			o := startChanging(t, 17) // blocks of up to 8 MiB: 3 of them
			o.change = func(n int64) bool { return n == at }
			c := connect(t, o.url)
			dir := t.TempDir()
			s, err := offline.Open(dir).Create(c.URL(), "anonymous")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Download(t.Context(), c, nil, offline.Wanted{Depth: -1, Parallel: 1}); err != nil {
				t.Fatal(err)
			}
			got, err := held(t, dir, c.URL())
			if want := o.value; err != nil || got != want {
				t.Errorf("state %d after %d requests, want %d, error %v", got, o.asked.Load(), want, err)
			}
		})
	}
}

// TestNeverStill: of an array that changes all the time nothing is held, or what was held
// before, and the download says so; what lies beside it is fetched.
func TestNeverStill(t *testing.T) {
	t.Parallel()
	o := startChanging(t, 17)
	c := connect(t, o.url)
	dir := t.TempDir()
	s, err := offline.Open(dir).Create(c.URL(), "anonymous")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(o.file), "b.csv"), []byte("x\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var told []string
	wanted := offline.Wanted{Depth: -1, Parallel: 1, Report: func(p offline.Progress) {
		if p.Skipped != "" {
			told = append(told, p.Skipped)
		}
	}}
	always := func(n int64) bool { return n%3 == 0 }
	o.change = always
	if _, err := s.Download(t.Context(), c, nil, wanted); !errors.Is(err, errdef.ErrChanged) || len(told) != 1 {
		t.Errorf("first: %v, told %q", err, told)
	}
	if _, err := held(t, dir, c.URL()); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("held of an array that never was in one state: %v", err)
	}
	o.change = func(int64) bool { return false }
	if _, err := s.Download(t.Context(), c, nil, wanted); err != nil {
		t.Fatal(err)
	}
	before := o.value
	o.change = always
	if _, err := s.Refresh(t.Context(), c, wanted); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("refresh: %v", err)
	}
	if got, err := held(t, dir, c.URL()); err != nil || got != before {
		t.Errorf("state %d after a refresh in vain, want %d, error %v", got, before, err)
	}
	if n, err := connect(t, c.URL()).Open(t.Context(), "b"); err != nil || n.TableStructure == nil {
		t.Errorf("what lies beside it: %v", err)
	}
}

// TestBreaksOff: a download that breaks off leaves the state that was held, and goes on
// where it broke when it is begun again.
func TestBreaksOff(t *testing.T) {
	t.Parallel()
	o := startChanging(t, 17)
	c := connect(t, o.url)
	dir := t.TempDir()
	s, err := offline.Open(dir).Create(c.URL(), "anonymous")
	if err != nil {
		t.Fatal(err)
	}
	wanted := offline.Wanted{Depth: -1, Parallel: 1}
	if _, err := s.Download(t.Context(), c, nil, wanted); err != nil {
		t.Fatal(err)
	}
	o.write(t, 17, 9)
	ctx, cancel := context.WithCancel(t.Context())
	before := o.asked.Load()
	o.change = func(n int64) bool {
		if n == before+2 {
			cancel()
		}
		return false
	}
	if _, err := s.Download(ctx, c, nil, wanted); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if got, err := held(t, dir, c.URL()); err != nil || got != 1 {
		t.Errorf("state %d after a break, want the one before, error %v", got, err)
	}
	if _, err := s.Download(t.Context(), c, nil, wanted); err != nil {
		t.Fatal(err)
	}
	if got, err := held(t, dir, c.URL()); err != nil || got != 9 {
		t.Errorf("state %d at the end, error %v", got, err)
	}
}

// TestBigFileGoesOn: a file that broke off is gone on with by the next run, and is taken
// from its beginning if it changed meanwhile.
func TestBigFileGoesOn(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789"), 1<<18)
	tag, cut := `"one"`, int64(len(body)/2)
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/api/v1/":
			_, _ = io.WriteString(w, `{"api_version":0,"library_version":"0.2.20"}`)
		case strings.HasPrefix(r.URL.Path, "/api/v1/metadata"):
			id, family := "", "container"
			if strings.HasSuffix(r.URL.Path, "/f") {
				id, family = "f", "bytes"
			}
			_, _ = fmt.Fprintf(w, `{"data":{"id":%q,"attributes":{"ancestors":[],"structure_family":%q,"metadata":{},"specs":[],"structure":null,
				"data_sources":[{"mimetype":"x/y","assets":[{"id":7,"data_uri":"file:///f","is_directory":false,"size":%d}]}]}}}`, id, family, len(body))
		default:
			w.Header().Set("ETag", tag)
			rec := httptest.NewRecorder()
			rec.Header().Set("ETag", tag)
			http.ServeContent(rec, r, "f", time.Time{}, bytes.NewReader(body))
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			out := rec.Body.Bytes()
			if int64(len(out)) > cut {
				sent.Add(cut)
				_, _ = w.Write(out[:cut])
				panic(http.ErrAbortHandler)
			}
			sent.Add(int64(len(out)))
			_, _ = w.Write(out)
		}
	}))
	defer s.Close()
	c := connect(t, s.URL)
	dir := t.TempDir()
	lib, err := offline.Open(dir).Create(c.URL(), "anonymous")
	if err != nil {
		t.Fatal(err)
	}
	get := func() error {
		_, err := lib.Download(t.Context(), c, []string{"f"}, offline.Wanted{})
		return err
	}
	if err := get(); !errors.Is(err, errdef.ErrUnavailable) {
		t.Fatalf("broken off: %v", err)
	}
	half := sent.Load()
	if err := get(); err != nil || sent.Load()-half > int64(len(body))/2 {
		t.Errorf("the second run sent %d of %d bytes, error %v", sent.Load()-half, len(body), err)
	}
	if err := get(); err != nil || sent.Load() > int64(len(body)) {
		t.Errorf("what is held was sent again: %d bytes, error %v", sent.Load(), err)
	}
	// Another file, that breaks off, and yet another in its place.
	tag, body[0] = `"two"`, 'x'
	if err := get(); !errors.Is(err, errdef.ErrUnavailable) {
		t.Fatalf("broken off again: %v", err)
	}
	tag, body[0], cut = `"three"`, 'y', 1<<40
	if err := get(); err != nil {
		t.Fatal(err)
	}
	h, err := lib.Handler("", "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n, err := connect(t, c.URL(), client.WithTransport(offline.Transport{Handler: h})).Open(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := n.Fetch(t.Context(), &got, 1, "", 0); err != nil || !bytes.Equal(got.Bytes(), body) {
		t.Errorf("%d bytes, first %.1q, error %v", got.Len(), got.String(), err)
	}
}
