package httpcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/stores/disk"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
	"github.com/terrazzo-data/terrazzo/store"
)

func TestQuota(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		q    diskQuota
		want int64
	}{
		{diskQuota{}, math.MaxInt64},
		{diskQuota{hardBlocks: 1000, usedBytes: 24 << 10}, 1000<<10 - 24<<10},
		{diskQuota{hardBlocks: 1000, softBlocks: 500, usedBytes: 0}, 500 << 10},
		{diskQuota{softBlocks: 10, usedBytes: 1 << 20}, 0},
		{diskQuota{hardBlocks: math.MaxUint64}, math.MaxInt64},
	} {
		if got := c.q.left(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.q, got, c.want)
		}
	}
	if left := quota(t.TempDir()); left < 0 {
		t.Errorf("%d bytes are left", left)
	}
}

// TestNetworkFolder: what lies on a network file system is not used; a folder of this
// user's own among the temporary files is, unless another has its name.
func TestNetworkFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	place := Place{Dir: filepath.Join(t.TempDir(), "nfs"), Capacity: 1 << 20}
	network := func(o disk.Options) (*disk.Store, error) {
		if o.Dir == place.Dir {
			return nil, fmt.Errorf("network: %w", errdef.ErrUnsupported)
		}
		return disk.Open(o)
	}
	d, dir, err := openDisk(place, network)
	if d == nil || !errors.Is(err, errdef.ErrUnsupported) || filepath.Dir(dir) != os.TempDir() {
		t.Fatalf("store %v in %q, warning %v", d, dir, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	about, err := os.Stat(dir)
	if err != nil || about.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, error %v", about.Mode(), err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // as if another user had made it
		t.Fatal(err)
	}
	if d, dir, err := openDisk(place, network); d != nil || dir != "" || !errors.Is(err, errdef.ErrUnsupported) {
		t.Errorf("a folder that others can see into: store %v in %q, warning %v", d, dir, err)
	}
}

// TestCulledOnOpen: what is held beyond a smaller bound goes at the start.
func TestCulledOnOpen(t *testing.T) {
	t.Parallel()
	place := Place{Dir: filepath.Join(t.TempDir(), "cache"), Capacity: 32 << 20}
	fill := func(capacity int64, n int) store.Stats {
		place.Capacity = capacity
		c, err := Open(place, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range n {
			w, err := c.o.Store.Put(t.Context(), store.Key(fmt.Sprint(i)), store.Meta{Size: 100 << 10})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, 100<<10)); err != nil {
				t.Fatal(err)
			}
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		return c.StoreStats()
	}
	if s := fill(32<<20, 100); s.Bytes < 10<<20 {
		t.Fatalf("%+v", s)
	}
	if s := fill(4<<20, 0); s.Bytes > 4<<20 || s.Bytes < 1<<20 {
		t.Errorf("%d bytes are left of a bound of 4 MiB", s.Bytes)
	}
}

// failing is a store that can be read, and written while it is well.
type failing struct {
	store.Store
	ill bool
}

func (f *failing) Put(ctx context.Context, key store.Key, meta store.Meta) (store.Writer, error) {
	if f.ill {
		return nil, errdef.ErrUnavailable
	}
	return f.Store.Put(ctx, key, meta)
}

// TestShelter: while the disk cannot be written memory is used; afterwards the disk.
func TestShelter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		under, err := memory.New(memory.Options{Capacity: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		beside, err := memory.New(memory.Options{Capacity: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		f := &failing{Store: under}
		asked := 0
		warnings := 0
		c, err := New(Options{
			Store: &sheltered{disk: f, memory: beside, begun: time.Now(), failed: func(error) { warnings++ }}, Front: beside,
			Next: answers(func(r *http.Request) string { asked++; return "body of " + r.URL.Path }),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ask := func(path string, want int) {
			t.Helper()
			for range 2 {
				if got := body(t, c, path); got != "body of "+path {
					t.Errorf("%s: %q", path, got)
				}
			}
			if asked != want {
				t.Errorf("%s: %d requests, want %d", path, asked, want)
			}
		}
		ask("/a", 1)
		f.ill = true
		ask("/b", 2)
		ask("/a", 2)
		f.ill = false
		ask("/c", 3)
		if n := under.Stats().Entries; n != 2 { // a body and its record
			t.Errorf("%d entries on the disk that was left alone, want 2", n)
		}
		time.Sleep(2 * tryAgain)
		ask("/d", 4)
		ask("/b", 4)
		if n := under.Stats().Entries; n != 4 || warnings != 1 {
			t.Errorf("%d entries on the disk, want 4; %d warnings", n, warnings)
		}
	})
}

// answers is a network of one server.
type answers func(*http.Request) string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Cache-Control", "max-age=600")
	rec.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_, _ = io.WriteString(rec, a(r))
	return rec.Result(), nil
}

func body(t *testing.T, c *Transport, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestClockJumps: the clock is set back by decades and forward again, over one folder
// and within one process. Nothing is served as fresh that was fetched in the future, or
// long ago, no body is wrong, and nothing hangs.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	asked := map[string]int{}
	open := func(t *testing.T) *Transport {
		t.Helper()
		c, err := Open(Place{Dir: dir, Capacity: 1 << 20}, Options{Next: answers(func(r *http.Request) string {
			asked[r.URL.Path]++
			return fmt.Sprintf("%s %d %s", r.URL.Path, asked[r.URL.Path], strings.Repeat("x", 20<<10))
		})})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := func(t *testing.T, c *Transport, path string, times int) {
		t.Helper()
		if got := body(t, c, path); !strings.HasPrefix(got, fmt.Sprintf("%s %d ", path, times)) {
			t.Errorf("%s: %.20q, want answer %d", path, got, times)
		}
	}
	now := open(t)
	want(t, now, "/a", 1)
	want(t, now, "/a", 1)
	synctest.Test(t, func(t *testing.T) { // the year 2000
		then := open(t)
		want(t, then, "/a", 2) // what was fetched in the future is asked about
		want(t, then, "/a", 2)
		want(t, then, "/b", 1)
		time.Sleep(time.Hour)
		want(t, then, "/b", 2)
		for i := range 200 { // four times the bound, with files of all times
			want(t, then, fmt.Sprintf("/%d", i), 1)
		}
		if s := then.StoreStats(); s.Bytes > 1<<20 {
			t.Errorf("%d bytes are held", s.Bytes)
		}
		if err := then.Close(); err != nil {
			t.Error(err)
		}
	})
	before := asked["/b"]
	if got := body(t, now, "/b"); !strings.HasPrefix(got, fmt.Sprintf("/b %d ", before+1)) {
		t.Errorf("what was fetched decades ago is fresh: %.20q", got)
	}
	for i := range 200 {
		if got := body(t, now, fmt.Sprintf("/%d", i)); !strings.HasPrefix(got, fmt.Sprintf("/%d ", i)) {
			t.Errorf("%.20q", got)
		}
	}
	if err := now.Close(); err != nil {
		t.Error(err)
	}
}
