package datacache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/datacache"
)

// walkOver reads frames one after the other, pausing as a viewer does.
func walkOver(t *testing.T, s *stack, o datacache.Options, frames ...int64) (*datacache.Cache, time.Duration) {
	t.Helper()
	c, err := datacache.New(o)
	if err != nil {
		t.Fatal(err)
	}
	a := arrayOf(t, c.Wrap(s, "s"))
	waited := time.Duration(0)
	for _, frame := range frames {
		began := time.Now()
		mustRead(t, a, frame)
		waited += time.Since(began)
		time.Sleep(3 * time.Second)
	}
	checkBudget(t, c, o.Bytes)
	return c, waited
}

func upTo(n int64) (frames []int64) {
	for i := range n {
		frames = append(frames, i)
	}
	return frames
}

// Whoever walks finds the next frames loaded; each is read once; with one
// setting it is off.
func TestWalkFindsNextFramesLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off, on := newStack("s", 40, mib), newStack("s", 40, mib)
		off.before, on.before = slow, slow
		c, waited := walkOver(t, off, datacache.Options{Bytes: 256 * mib}, upTo(20)...)
		if waited != 20*time.Second || off.reads.Load() != 20 || c.Stats().PrefetchBegun != 0 {
			t.Errorf("off: waited %v, %d reads, stats %+v", waited, off.reads.Load(), c.Stats())
		}
		c, waited = walkOver(t, on, datacache.Options{Bytes: 256 * mib, Prefetch: true}, upTo(20)...)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		st := c.Stats()
		if waited > 4*time.Second || st.PrefetchUsed < 16 || on.reads.Load() > 22 {
			t.Errorf("on: waited %v, %d reads, stats %+v", waited, on.reads.Load(), st)
		}
		for frame, n := range on.readsOf {
			if n > 1 {
				t.Errorf("frame %d was read %d times", frame, n)
			}
		}
		if st.Misses+st.PrefetchUsed+st.Joined != 20 || st.Entries != 20 {
			t.Errorf("what was read ahead and used is not in the cache: %+v", st)
		}
	})
}

func TestBackwardsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 40, mib)
		s.before = slow
		c, _ := walkOver(t, s, datacache.Options{Bytes: 256 * mib, Prefetch: true}, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if st := c.Stats(); st.PrefetchUsed < 6 {
			t.Errorf("stats %+v", st)
		}
	})
}

// Who comes while a frame is being read ahead joins that load, and the cache
// keeps it.
func TestGuessIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 5, mib)
		s.before = func(_ context.Context, block []int64) error {
			time.Sleep(time.Duration(1+block[0]/3) * time.Second)
			return nil
		}
		c := newCache(t, datacache.Options{Bytes: 256 * mib, Prefetch: true})
		a := arrayOf(t, c.Wrap(s, "s"))
		for i := range int64(4) {
			mustRead(t, a, i)
		}
		synctest.Wait()
		if st := c.Stats(); st.Joined != 1 || st.Misses != 3 || st.Entries != 4 || s.readsOf[3] != 1 {
			t.Errorf("reads %v, stats %+v", s.readsOf, st)
		}
	})
}

// A walk through what is held costs next to nothing: guesses become rare.
func TestHotWalkHardlyGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 400, 1000)
		c := newCache(t, datacache.Options{Bytes: 64 * mib, Prefetch: true})
		a := arrayOf(t, c.Wrap(s, "s"))
		for i := s.frames - 1; i >= 0; i-- {
			mustRead(t, a, i)
			synctest.Wait()
		}
		s.describes.Store(0)
		for i := range s.frames {
			mustRead(t, a, i)
			synctest.Wait()
		}
		if n := s.describes.Load() - s.frames; n > s.frames/3 { // each read describes once itself
			t.Errorf("%d guesses on a walk of %d frames that are all held", n, s.frames)
		}
	})
}

// Reads that lead nowhere are not walks.
func TestJumpsAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 40, mib)
		c, _ := walkOver(t, s, datacache.Options{Bytes: 256 * mib, Prefetch: true}, 3, 30, 17, 5, 22, 9, 35, 1)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if st := c.Stats(); st.PrefetchBegun != 0 || s.reads.Load() != 8 {
			t.Errorf("%d reads, stats %+v", s.reads.Load(), st)
		}
	})
}

// When a walk turns, what is being read for it is given up.
func TestTurningGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 100, mib)
		var givenUp, ahead int
		s.before = func(ctx context.Context, block []int64) error {
			if block[0] < 13 {
				return nil
			}
			ahead++
			select {
			case <-time.After(time.Hour):
				return nil
			case <-ctx.Done():
				givenUp++
				return ctx.Err()
			}
		}
		c, _ := walkOver(t, s, datacache.Options{Bytes: 256 * mib, Prefetch: true}, 9, 10, 11, 12, 11)
		synctest.Wait()
		if ahead == 0 || givenUp != ahead {
			t.Errorf("%d guesses began, %d were given up", ahead, givenUp)
		}
		if st := c.Stats(); st.ReadAheadBytes != 0 {
			t.Errorf("guesses that were given up still have %d bytes", st.ReadAheadBytes)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Wrong guesses push nothing out of the cache, keep to their room and are
// counted; right ones are joined while they load.
func TestGuessesKeepToTheirRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 1000, mib)
		const budget = 64 * mib
		c, err := datacache.New(datacache.Options{Bytes: budget, Prefetch: true})
		if err != nil {
			t.Fatal(err)
		}
		a := arrayOf(t, c.Wrap(s, "s"))
		for start := int64(0); start < 900; start += 30 { // three steps here, then somewhere else
			for i := range int64(4) {
				mustRead(t, a, start+i)
				synctest.Wait()
				checkBudget(t, c, budget)
			}
		}
		st := c.Stats()
		if st.PrefetchWasted == 0 || st.ReadAheadBytes > st.ReadAheadAtMost || st.ReadAheadAtMost != budget/16 {
			t.Errorf("stats %+v", st)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What was read ahead is not given after a discard.
func TestDiscardReachesGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack("s", 40, mib)
		c, _ := walkOver(t, s, datacache.Options{Bytes: 256 * mib, Prefetch: true}, upTo(5)...)
		reads := s.reads.Load()
		c.DiscardNode("s")
		a := arrayOf(t, c.Wrap(s, "s"))
		mustRead(t, a, 5)
		if s.reads.Load() <= reads {
			t.Error("frame 5 was given from before the discard")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
