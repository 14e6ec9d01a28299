package datacache_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/datacache"
)

// 64 clients scan fifty times what the cache may hold. Whenever they pause, no
// more lives than the budget and what is being read ahead.
func TestScanStaysWithinBudget(t *testing.T) {
	const budget, block, clients = 4 * mib, 64 << 10, 64
	s := newStack("s", 50*budget/block, block)
	c := newCache(t, datacache.Options{Bytes: budget, Prefetch: true})
	a := arrayOf(t, c.Wrap(s, "s"))
	var pause sync.RWMutex
	live := func() int64 {
		pause.Lock()
		defer pause.Unlock()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	var stop atomic.Bool
	peak := make(chan int64)
	go func() {
		most := int64(0)
		for !stop.Load() {
			most = max(most, live())
			time.Sleep(100 * time.Millisecond)
		}
		peak <- most
	}()
	var wg sync.WaitGroup
	for client := range int64(clients) {
		wg.Go(func() {
			for i := range s.frames / 16 {
				pause.RLock()
				mustRead(t, a, (i+client*s.frames/clients)%s.frames)
				pause.RUnlock()
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	const slack = 3 * mib // of the policy, the fake and the test itself
	if most := <-peak - before; most > budget+slack {
		t.Errorf("%d KiB live, want at most the budget of %d and %d", most>>10, budget>>10, slack>>10)
	}
	if st := c.Stats(); st.Evicted+st.Refused[datacache.Worthless] < s.frames {
		t.Errorf("the cache was not under pressure: %+v", st)
	}
}
