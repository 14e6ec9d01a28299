package datacache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/evict/trace"
)

func TestThousandAskersOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 4, mib)
		s.before = slow
		c := newCache(t, datacache.Options{Bytes: 64 * mib})
		a := arrayOf(t, c.Wrap(s))
		var wg sync.WaitGroup
		var opens sync.Map
		for i := range 1000 {
			wg.Go(func() {
				b, err := read(t.Context(), a, 3)
				if err != nil || len(b.Data) != mib {
					t.Errorf("got %d bytes, %v", len(b.Data), err)
				}
				if b.Cost.Opens > 0 {
					opens.Store(i, b.Cost.Opens)
				}
			})
		}
		wg.Wait()
		costly := 0
		opens.Range(func(any, any) bool { costly++; return true })
		st := c.Stats()
		if s.reads.Load() != 1 || costly != 1 || st.Misses != 1 || st.Joined != 999 || st.Stored != 1 {
			t.Errorf("reads %d, answers with a cost %d, stats %+v", s.reads.Load(), costly, st)
		}
	})
}

func TestOff(t *testing.T) {
	s := newStack("s", 4, mib)
	c := newCache(t, datacache.Options{})
	if a := c.Wrap(s); a != adapter.Adapter(s) {
		t.Error("a cache that is off wraps")
	}
	c.Put("x", 1, 1, time.Second)
	c.Resize(100 * mib)
	if _, ok := c.Get(t.Context(), "x"); ok || !c.Off() {
		t.Error("a cache that is off keeps")
	}
	if v, err := c.Load(t.Context(), "x", func(context.Context) (any, int64, error) { return 3, 1, nil }); v != 3 || err != nil {
		t.Errorf("Load = %v, %v", v, err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []datacache.Options{{Bytes: -1}, {Bytes: 1, Policy: "mru"}} {
		if _, err := datacache.New(o); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	c := newCache(t, datacache.Options{Bytes: 16 * mib})
	racy, large, cheap := newStack("r", 1, mib), newStack("l", 1, 3*mib), newStack("c", 1, mib)
	racy.untrusted.Store(true)
	cheap.cost = time.Microsecond
	for _, s := range []*stack{racy, large, cheap} {
		for range 2 {
			mustRead(t, arrayOf(t, c.Wrap(s)), 0)
		}
		if s.reads.Load() != 2 {
			t.Errorf("%s was read %d times, want 2: it may not be kept", s.name, s.reads.Load())
		}
	}
	st := c.Stats()
	for _, r := range []datacache.Reason{datacache.Racy, datacache.Large, datacache.Cheap} {
		if st.Refused[r] != 2 {
			t.Errorf("refused as %s: %d, want 2", r, st.Refused[r])
		}
	}
}

// A racy block is read anew for whoever asks after a load began, and shared
// among those who asked before.
func TestRacyBlocksAreReadAfterTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 1, 16)
		s.untrusted.Store(true)
		s.before = slow
		a := arrayOf(t, newCache(t, datacache.Options{Bytes: 64 * mib}).Wrap(s))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { mustRead(t, a, 0) })
			synctest.Wait()
		}
		wg.Wait()
		if n := s.reads.Load(); n != 2 {
			t.Errorf("reads = %d, want 2: one for the first, one for all who came later", n)
		}
	})
}

// What was read while it could change is not given to who asks when it no longer can.
func TestTrustedAskerDoesNotJoinARacyLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 1, 16)
		s.before = slow
		s.untrusted.Store(true)
		a := arrayOf(t, newCache(t, datacache.Options{Bytes: 64 * mib}).Wrap(s))
		done := make(chan struct{})
		go func() { mustRead(t, a, 0); close(done) }()
		synctest.Wait()
		s.untrusted.Store(false)
		mustRead(t, a, 0)
		<-done
		if n := s.reads.Load(); n != 2 {
			t.Errorf("reads = %d, want 2", n)
		}
	})
}

// What was kept is not given to who found the source changing.
func TestRacyAskerIsNotAnsweredFromMemory(t *testing.T) {
	s := newStack("s", 1, 16)
	a := arrayOf(t, newCache(t, datacache.Options{Bytes: 64 * mib}).Wrap(s))
	mustRead(t, a, 0)
	s.untrusted.Store(true)
	mustRead(t, a, 0)
	if n := s.reads.Load(); n != 2 {
		t.Errorf("reads = %d, want 2", n)
	}
}

// The caller's index is its own again when its call returns, even if the load goes on.
func TestIndexIsNotBorrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 4, 16)
		var seen int64
		s.before = func(ctx context.Context, block []int64) error {
			err := slow(ctx, block)
			seen = block[0]
			return err
		}
		a := arrayOf(t, newCache(t, datacache.Options{Bytes: 64 * mib}).Wrap(s))
		ctx, leave := context.WithCancel(t.Context())
		block, gone := []int64{2, 0}, make(chan struct{})
		go func() {
			_, _ = a.ReadBlock(ctx, s.version(), block)
			close(gone)
		}()
		synctest.Wait()
		done := make(chan struct{})
		go func() { mustRead(t, a, 2); close(done) }()
		synctest.Wait()
		leave()
		<-gone
		block[0] = 3
		<-done
		if seen != 2 {
			t.Errorf("frame %d was read, want 2", seen)
		}
	})
}

func TestChangedIsPassedOn(t *testing.T) {
	s := newStack("s", 1, 16)
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	a := arrayOf(t, c.Wrap(s))
	v := s.version()
	s.state.Add(1)
	if _, err := a.ReadBlock(t.Context(), v, []int64{0, 0}); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
	if c.Stats().Entries != 0 {
		t.Error("kept")
	}
}

// A discard during a load wins: the load's value is given to those who asked
// before, kept by nobody, and not joined by those who ask after.
func TestDiscardDuringLoadWins(t *testing.T) {
	for name, discard := range map[string]func(*datacache.Cache){
		"node":  func(c *datacache.Cache) { c.DiscardNode("tree/s") },
		"all":   func(c *datacache.Cache) { c.DiscardNode("") },
		"where": func(c *datacache.Cache) { c.DiscardWhere(func(datacache.Entry) bool { return false }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStack("s", 1, 16)
				s.before = slow
				c := newCache(t, datacache.Options{Bytes: 64 * mib})
				a := arrayOf(t, c.Wrap(s, "tree", "s"))
				done := make(chan struct{})
				go func() { mustRead(t, a, 0); close(done) }()
				synctest.Wait()
				discard(c)
				later := make(chan struct{})
				go func() { mustRead(t, a, 0); close(later) }()
				<-done
				synctest.Wait()
				if st := c.Stats(); st.Refused[datacache.Discarded] != 1 && s.reads.Load() != 2 {
					t.Errorf("reads %d, stats %+v", s.reads.Load(), st)
				}
				<-later
				if st := c.Stats(); st.Entries != 1 || s.reads.Load() != 2 || st.Refused[datacache.Discarded] != 1 {
					t.Errorf("reads %d, stats %+v", s.reads.Load(), st)
				}
			})
		})
	}
}

func TestDiscardAndList(t *testing.T) {
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	for _, path := range []string{"a/x", "a/y", "ab"} {
		a := arrayOf(t, c.Wrap(newStack(path, 2, mib), path))
		mustRead(t, a, 0)
		mustRead(t, a, 1)
		mustRead(t, a, 1)
	}
	entries := c.Entries()
	if len(entries) != 6 || entries[0].Path != "a/x" || entries[5].Path != "ab" || entries[0].Hits+entries[1].Hits != 1 {
		t.Fatalf("entries %+v", entries)
	}
	if n := c.DiscardNode("/a/"); n != 4 {
		t.Errorf("discarded %d below a, want 4", n)
	}
	if n := c.DiscardNode(""); n != 2 || c.Stats().Bytes != 0 || c.Stats().Dropped != 6 {
		t.Errorf("discarded %d of the rest, stats %+v", n, c.Stats())
	}
}

func TestResize(t *testing.T) {
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	a := arrayOf(t, c.Wrap(newStack("s", 60, mib)))
	for i := range int64(60) {
		mustRead(t, a, i)
	}
	before := c.Stats()
	c.Resize(16 * mib)
	st := c.Stats()
	if before.Entries < 50 || st.Bytes > 16*mib || st.Entries < 10 || st.Evicted < 40 {
		t.Errorf("before %+v, after %+v", before, st)
	}
	c.Resize(0)
	if st := c.Stats(); st.Bytes != 0 || st.Entries != 0 {
		t.Errorf("resized to nothing: %+v", st)
	}
	c.Resize(64 * mib)
	mustRead(t, a, 0)
	if c.Stats().Entries != 1 {
		t.Error("it does not come back")
	}
}

func TestTableReadsOnlyLackingColumns(t *testing.T) {
	s := &sheet{columns: 6, rows: 1000}
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	a, ok := adapter.As[adapter.Table](c.Wrap(s, "t"))
	if !ok {
		t.Fatal("no table")
	}
	check := func(partition int, columns ...int) adapter.Columns {
		t.Helper()
		v, _ := a.Version(t.Context(), nil, []int{partition})
		got, err := a.ReadColumns(t.Context(), v, partition, columns)
		if err != nil || len(got.Arrays) != len(columns) || got.Rows != 1000 {
			t.Fatalf("%d columns of %d rows, %v", len(got.Arrays), got.Rows, err)
		}
		for i, column := range columns {
			if v := got.Arrays[i].ValueStr(0); v != fmt.Sprint(100*partition+column) {
				t.Errorf("column %d of partition %d begins with %s", column, partition, v)
			}
		}
		return got
	}
	check(1, 0, 2)
	check(1, 2, 1, 2, 3)
	if got := check(1, 3, 2, 1, 0); got.Cost != (adapter.Cost{}) {
		t.Errorf("a hit has cost %+v", got.Cost)
	}
	check(2, 0)
	if want := "[[0 2] [1 3] [0]]"; fmt.Sprint(s.calls) != want {
		t.Errorf("calls %v, want %s", s.calls, want)
	}
	s.untrusted.Store(true)
	check(1, 0)
	check(1, 0)
	if len(s.calls) != 5 {
		t.Errorf("a racy table was answered from memory: calls %v", s.calls)
	}
	if st := c.Stats(); st.Misses != 5+2 || st.Hits != 5 || st.SecondsSpent < 0.049 || st.SecondsSpent > 0.051 {
		t.Errorf("stats %+v", st)
	}
}

func TestTableJoinsColumnsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sheet{columns: 6, rows: 10, before: func() { time.Sleep(time.Second) }}
		c := newCache(t, datacache.Options{Bytes: 64 * mib})
		a, _ := adapter.As[adapter.Table](c.Wrap(s, "t"))
		v, _ := a.Version(t.Context(), nil, nil)
		var wg sync.WaitGroup
		for _, columns := range [][]int{{0, 1}, {1, 2}, {2, 0}} {
			wg.Go(func() {
				if _, err := a.ReadColumns(t.Context(), v, 0, columns); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if want := "[[0 1] [2]]"; fmt.Sprint(s.calls) != want {
			t.Errorf("calls %v, want %s", s.calls, want)
		}
		if st := c.Stats(); st.Misses != 3 || st.Joined != 3 || st.Entries != 3 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestTallyLogAndTrace(t *testing.T) {
	var logged, traced bytes.Buffer
	c, err := datacache.New(datacache.Options{
		Bytes: 64 * mib, Trace: &traced,
		Log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := arrayOf(t, c.Wrap(newStack("s", 3, mib), "tree/s"))
	var tally datacache.Tally
	ctx := datacache.WithTally(t.Context(), &tally)
	for _, frame := range []int64{0, 1, 0, 0} {
		if _, err := read(ctx, a, frame); err != nil {
			t.Fatal(err)
		}
	}
	if tally.Count(datacache.Hit) != 2 || tally.Count(datacache.Miss) != 2 || tally.Count(datacache.Joined) != 0 {
		t.Errorf("tally: %d hits, %d misses", tally.Count(datacache.Hit), tally.Count(datacache.Miss))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	outcomes := ""
	for r, err := range trace.Read(&traced) {
		if err != nil {
			t.Fatal(err)
		}
		outcomes += string(r.Outcome) + " "
		if r.Cost != 10*time.Millisecond || r.Size < mib {
			t.Errorf("traced %+v", r)
		}
	}
	if outcomes != "load load hit hit " {
		t.Errorf("traced %q", outcomes)
	}
	if text := logged.String(); strings.Count(text, "what=hit") != 2 || strings.Count(text, "what=stored") != 2 || strings.Count(text, "key=") != 6 || !strings.Contains(text, "path=tree/s") {
		t.Errorf("logged:\n%s", text)
	}
}

func TestHitAllocatesNothing(t *testing.T) {
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	s := newStack("s", 3, mib)
	a := arrayOf(t, c.Wrap(s, "s"))
	mustRead(t, a, 0)
	v := s.version()
	block := []int64{0, 0}
	bare := testing.AllocsPerRun(200, func() { s.BlockID(v, block) })
	if n := testing.AllocsPerRun(200, func() {
		if _, err := a.ReadBlock(t.Context(), v, block); err != nil {
			t.Error(err)
		}
	}); n > bare {
		t.Errorf("a hit allocates %v times, of which the adapter's name of the block %v", n, bare)
	}
}

func BenchmarkHit(b *testing.B) {
	c := newCache(b, datacache.Options{Bytes: 64 * mib})
	c.Put("x", make([]byte, 2*mib), 2*mib, time.Second)
	s := newStack("s", 3, 2*mib)
	a := arrayOf(b, c.Wrap(s, "s"))
	mustRead(b, a, 0)
	v := s.version()
	block := []int64{0, 0}
	b.Run("name", func(b *testing.B) {
		for b.Loop() {
			s.BlockID(v, block)
		}
	})
	b.Run("block", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.ReadBlock(b.Context(), v, block); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := a.ReadBlock(b.Context(), v, block); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// By file: of whatever node it is behind, and of what lies in such a node; a
// folder is all files in it; a node that is gone is given up as well.
func TestDiscardAsset(t *testing.T) {
	root := group{"a": newStack("1/data/one", 2, mib), "b": newStack("2/data/two", 2, mib), "in": group{"c": newStack("3/more/one", 2, mib)}}
	fill := func() *datacache.Cache {
		c := newCache(t, datacache.Options{Bytes: 64 * mib})
		for path, a := range map[string]adapter.Adapter{"a": root["a"], "b": root["b"], "in/c": root["in"].(group)["c"], "gone": newStack("gone", 1, mib)} {
			mustRead(t, arrayOf(t, c.Wrap(a, path)), 0)
		}
		c.Put("own", 1, 10, time.Second)
		return c
	}
	for file, want := range map[string]string{
		"file:///1/data/one":          "[b in/c own]",
		"/1/data/one":                 "[b in/c own]",
		"file://localhost/1/data/one": "[b in/c own]",
		"/2/":                         "[a in/c own]",
		"/1/data/one/part":            "[b in/c own]",
		"/3/more/one":                 "[a b own]",
		"/1/data/on":                  "[a b in/c own]",
	} {
		c := fill()
		n := c.DiscardAsset(t.Context(), root, file)
		left := []string{}
		for _, e := range c.Entries() {
			left = append(left, e.Path)
		}
		if fmt.Sprint(left) != want || n != 5-len(left) {
			t.Errorf("%s: gave up %d, left %v, want %s", file, n, left, want)
		}
	}
}

// What following costs a hit, with as many walks as there may be.
func BenchmarkHitWalking(b *testing.B) {
	c := newCache(b, datacache.Options{Bytes: 64 * mib, Prefetch: true})
	s := newStack("s", 4000, 1000)
	a := arrayOf(b, c.Wrap(s, "s"))
	for i := range int64(64) {
		mustRead(b, a, 50*i)
	}
	v := s.version()
	i := int64(0)
	for b.Loop() {
		if _, err := a.ReadBlock(b.Context(), v, []int64{50 * (i % 64), 0}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
