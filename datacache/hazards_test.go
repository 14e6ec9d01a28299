package datacache_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
)

var errDisk = errors.New("disk on fire")

// slow makes each read take a second of the bubble's time.
func slow(ctx context.Context, _ []int64) error {
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// H1: the first caller's cancelling fails nobody else.
func TestH1LeadersCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 4, mib)
		s.before = slow
		a := arrayOf(t, newCache(t, datacache.Options{Bytes: 64 * mib}).Wrap(s))
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { _, err := read(ctx, a, 0); errs <- err }()
		synctest.Wait()
		go func() { _, err := read(t.Context(), a, 0); errs <- err }()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("leader: %v", err)
		}
		if err := <-errs; err != nil {
			t.Errorf("follower: %v", err)
		}
		if n := s.reads.Load(); n != 1 {
			t.Errorf("reads = %d, want 1", n)
		}
	})
}

// H2: a waiter leaves on its own deadline.
func TestH2WaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 4, mib)
		s.before = slow
		a := arrayOf(t, newCache(t, datacache.Options{Bytes: 64 * mib}).Wrap(s))
		done := make(chan error, 1)
		go func() { _, err := read(t.Context(), a, 0); done <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := read(ctx, a, 0); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("waiter: %v after %v", err, time.Since(began))
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// H3: a failing load is tried once for all who wait.
func TestH3FailedLoadIsNoStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 4, mib)
		s.before = func(ctx context.Context, b []int64) error { return errors.Join(slow(ctx, b), errDisk) }
		c := newCache(t, datacache.Options{Bytes: 64 * mib})
		a := arrayOf(t, c.Wrap(s))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := read(t.Context(), a, 0); !errors.Is(err, errDisk) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n := s.reads.Load(); n != 1 {
			t.Errorf("reads = %d, want 1", n)
		}
		if st := c.Stats(); st.Failed != 1 || st.Entries != 0 {
			t.Errorf("stats %+v", st)
		}
		s.before = nil
		if b := mustRead(t, a, 0); len(b.Data) != mib {
			t.Error("an error was kept")
		}
	})
}

// H4: a load that panics or exits answers everybody, and the key lives on.
func TestH4EveryPathAnswers(t *testing.T) {
	for name, end := range map[string]func(){
		"panic": func() { panic(errDisk) },
		"exit":  func() { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStack("s", 4, mib)
				s.before = func(ctx context.Context, b []int64) error { _ = slow(ctx, b); end(); return nil }
				c := newCache(t, datacache.Options{Bytes: 64 * mib})
				a := arrayOf(t, c.Wrap(s))
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						if _, err := read(t.Context(), a, 0); err == nil {
							t.Error("no error")
						}
					})
				}
				wg.Wait()
				if n := c.Stats().Failed; name == "panic" && n != 1 {
					t.Errorf("%d loads are counted as failed, want 1", n)
				}
				s.before = nil
				mustRead(t, a, 0)
			})
		})
	}
}

// H5: what goes wrong in the cache is never the reader's error. The memory tier
// cannot fail, but it can be unable to keep anything: too little room, a trace
// that cannot be written, a recorder of somebody else's.
func TestH5CacheDownIsNoError(t *testing.T) {
	s := newStack("s", 4, mib)
	c, err := datacache.New(datacache.Options{Bytes: 1, Trace: fullDisk{}})
	if err != nil {
		t.Fatal(err)
	}
	a := arrayOf(t, c.Wrap(s))
	for range 3 {
		if b := mustRead(t, a, 0); len(b.Data) != mib {
			t.Fatal("not the block")
		}
	}
	if st := c.Stats(); st.Refused[datacache.Large] != 3 || st.Entries != 0 || s.reads.Load() != 3 {
		t.Errorf("reads %d, stats %+v", s.reads.Load(), st)
	}
	if err := c.Close(); !errors.Is(err, errDisk) {
		t.Errorf("Close = %v: it must say that the trace is not whole", err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errDisk }

// H6 is about response caches that forget what shaped the response. Here: all
// that shapes a block is in its key. The same block of another source, another
// state and another column are others.
func TestH6KeysKeepApart(t *testing.T) {
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	x, y := newStack("x", 4, mib), newStack("y", 4, mib)
	y.state.Store(9)
	ax, ay := arrayOf(t, c.Wrap(x, "x")), arrayOf(t, c.Wrap(y, "y"))
	for range 2 {
		if mustRead(t, ax, 1).Data[0] != 0 || mustRead(t, ay, 1).Data[0] != 9 || mustRead(t, ax, 2).Data[0] != 0 {
			t.Fatal("blocks of different sources are mixed up")
		}
	}
	x.state.Store(5)
	if mustRead(t, ax, 1).Data[0] != 5 {
		t.Error("a changed source is answered from its past")
	}
	if n := x.reads.Load() + y.reads.Load(); n != 4 {
		t.Errorf("reads = %d, want 4", n)
	}
}

// H7: bytes that were handed out are immutable: neither eviction nor another
// load writes to them, and all hits are the same bytes, not copies.
func TestH7BytesAreNeitherCopiedNorReused(t *testing.T) {
	c := newCache(t, datacache.Options{Bytes: 16 * mib})
	s := newStack("s", 40, mib)
	s.state.Store(7)
	a := arrayOf(t, c.Wrap(s))
	first := mustRead(t, a, 0)
	if again := mustRead(t, a, 0); &again.Data[0] != &first.Data[0] {
		t.Error("a hit is a copy")
	}
	s.state.Store(8)
	for i := range s.frames {
		mustRead(t, a, i)
	}
	c.DiscardNode("")
	for i, b := range first.Data {
		if b != 7 {
			t.Fatalf("byte %d of a block that is still used was changed to %d", i, b)
		}
	}
}

// H8: abilities that the cache does not know are found through it.
func TestH8AbilitiesAreFound(t *testing.T) {
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	s := newStack("s", 4, mib)
	root := c.Wrap(group{"a": group{"s": s}}, "mount")
	if c.Wrap(root, "elsewhere") != root {
		t.Error("what was wrapped is wrapped again")
	}
	outer, _ := adapter.As[adapter.Container](root)
	inner, err := outer.Child(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	innerContainer, ok := adapter.As[adapter.Container](inner)
	if !ok {
		t.Fatal("a container within a container is none")
	}
	leaf, err := innerContainer.Child(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	h, ok := adapter.As[adapter.AssetHolder](leaf)
	if !ok {
		t.Fatal("the ability to give assets is lost")
	}
	if assets, err := h.Assets(t.Context()); err != nil || len(assets) != 1 {
		t.Errorf("assets: %v, %v", assets, err)
	}
	if _, ok := adapter.As[adapter.Table](leaf); ok {
		t.Error("an array has become a table")
	}
	mustRead(t, arrayOf(t, leaf), 0)
	if e := c.Entries(); len(e) != 1 || e[0].Path != "mount/a/s" {
		t.Errorf("entries %+v, want one at mount/a/s", e)
	}
	if _, err := innerContainer.Child(t.Context(), "none"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("a child that is not there: %v", err)
	}
}

// H9: no goroutine is left behind, and there is no switch for tests.
func TestH9NothingIsLeftRunning(t *testing.T) {
	defer goleak.VerifyNone(t)
	c, err := datacache.New(datacache.Options{Bytes: 64 * mib, Prefetch: true})
	if err != nil {
		t.Fatal(err)
	}
	s := newStack("s", 100, mib)
	a := arrayOf(t, c.Wrap(s))
	for i := range s.frames {
		mustRead(t, a, i)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
