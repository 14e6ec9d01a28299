package datacache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// Random operations against what must be true at each step: a value that is
// found is the one that was put last and not discarded since, and what is held
// sums up to no more than the budget.
func TestModel(t *testing.T) {
	steps := 100_000
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		steps = 10_000_000
	}
	const budget = 4 * mib
	for _, policy := range []string{"hazard", "gdsf", "lru"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			c := newCache(t, datacache.Options{Bytes: budget, Policy: policy})
			rng := rand.New(rand.NewPCG(7, 8))
			put := map[string]int{}
			for step := range steps {
				name := string(rune('a'+rng.IntN(26))) + string(rune('a'+rng.IntN(26)))
				switch op := rng.IntN(100); {
				case op < 50:
					v, ok := c.Get(t.Context(), name)
					if want, was := put[name]; ok && (!was || v != want) {
						t.Fatalf("step %d: %s is %v, put was %v, %v", step, name, v, want, was)
					}
				case op < 85:
					c.Put(name, step, rng.Int64N(budget/16), time.Duration(rng.ExpFloat64()*1e7))
					if v, ok := c.Get(t.Context(), name); !ok || v == step {
						put[name] = step
					} else {
						put[name] = v.(int) // refused: the old one stays
					}
				case op < 98:
					c.Discard(name)
					delete(put, name)
				case op == 98:
					c.Resize(budget/2 + rng.Int64N(budget/2))
				case rng.IntN(100) == 0:
					c.DiscardNode("")
					clear(put)
				}
				if step%512 == 0 {
					checkBudget(t, c, budget)
				}
			}
			if st := c.Stats(); st.Hits == 0 || st.Evicted == 0 || st.Stored == 0 {
				t.Errorf("nothing happened: %+v", st)
			}
		})
	}
}

// The same with many at once and a watcher: under the race detector this is the
// test of the locks.
func TestModelConcurrently(t *testing.T) {
	const budget = 4 * mib
	c := newCache(t, datacache.Options{Bytes: budget, Prefetch: true})
	s := newStack("s", 64, budget/64)
	s.cost = time.Millisecond
	a := arrayOf(t, c.Wrap(s, "s"))
	var wg sync.WaitGroup
	var stop atomic.Bool
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for !stop.Load() {
			if st := c.Stats(); st.Bytes > st.Room || st.Bytes+st.ReadAheadBytes > budget {
				t.Errorf("held %d of %d and %d ahead, budget %d", st.Bytes, st.Room, st.ReadAheadBytes, budget)
			}
			c.Entries()
		}
	}()
	for worker := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 9))
			for range 800 {
				switch rng.IntN(20) {
				case 0:
					c.Put("v", worker, rng.Int64N(budget/16), time.Second)
				case 1:
					c.Discard("v")
				case 2:
					c.Get(t.Context(), "v")
				case 3:
					c.DiscardNode("s")
				case 4:
					s.state.Add(1)
				default:
					if _, err := read(t.Context(), a, rng.Int64N(64)); err != nil && !errors.Is(err, errdef.ErrChanged) {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	<-watched
}

// hunted is a stack whose stamps are coarse: four states in a row have the same,
// and only the last of them is trusted, as a file is once it was left alone.
type hunted struct{ *stack }

func (h hunted) stamp() adapter.Version {
	state := h.state.Load()
	v := adapter.Version{Trusted: state%4 == 3, Pin: state / 4}
	v.ID[0] = 1
	return v
}

func (h hunted) Version(context.Context, *adapter.Description, ndslice.Selection) (adapter.Version, error) {
	return h.stamp(), nil
}

func (h hunted) ReadBlock(_ context.Context, v adapter.Version, _ []int64) (adapter.Block, error) {
	changed := func() bool { return h.stamp().Pin != v.Pin }
	if changed() {
		return adapter.Block{}, errdef.ErrChanged
	}
	state := h.state.Load()
	data := []byte{byte(state), byte(state >> 8), byte(state >> 16), byte(state >> 24)}
	if changed() {
		return adapter.Block{}, errdef.ErrChanged
	}
	return adapter.Block{Data: data, Shape: []int64{1, 4}, Cost: adapter.Cost{CPU: time.Millisecond}}, nil
}

// No reader is ever given what was gone before it asked, however the stamps of
// the source lie, and all blocks of one trusted version are of one state.
func TestNoStaleReads(t *testing.T) {
	h := hunted{newStack("h", 4, 4)}
	c := newCache(t, datacache.Options{Bytes: 4 * mib})
	a := arrayOf(t, c.Wrap(h, "h"))
	var wg sync.WaitGroup
	var stop atomic.Bool
	var trusted, racy atomic.Int64
	for reader := range 32 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				before := h.state.Load()
				v, _ := a.Version(t.Context(), nil, nil)
				var states [2]uint64
				for i := range states {
					b, err := a.ReadBlock(t.Context(), v, []int64{int64((reader + n + i) % 4), 0})
					if errors.Is(err, errdef.ErrChanged) {
						states = [2]uint64{}
						break
					}
					if err != nil {
						t.Error(err)
						return
					}
					d := b.Data
					states[i] = uint64(d[0]) | uint64(d[1])<<8 | uint64(d[2])<<16 | uint64(d[3])<<24
					if states[i] < before {
						t.Errorf("state %d was given, %d was there when the reader asked", states[i], before)
						return
					}
				}
				switch {
				case !v.Trusted:
					racy.Add(1)
				case states[0] != 0 && states[0] != states[1]:
					t.Errorf("a trusted version has states %d and %d", states[0], states[1])
				default:
					trusted.Add(1)
				}
			}
		})
	}
	for h.state.Load() < 800 && !t.Failed() {
		h.state.Add(1)
		for seen := trusted.Load() + racy.Load(); trusted.Load()+racy.Load() < seen+4; { // readers meet each state
			runtime.Gosched()
		}
	}
	stop.Store(true)
	wg.Wait()
	if trusted.Load() == 0 || racy.Load() == 0 || c.Stats().Hits == 0 {
		t.Errorf("%d reads of trusted states, %d of others, stats %+v: nothing was hunted", trusted.Load(), racy.Load(), c.Stats())
	}
}
