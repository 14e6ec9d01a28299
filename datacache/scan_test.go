package datacache_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/terrazzo-data/terrazzo/datacache"
)

// 64 clients scan fifty times what the cache may hold: what lives is the budget
// and, for each client, the block that it holds and the one that it loads.
func TestScanStaysWithinBudget(t *testing.T) {
	const budget, block, clients = 8 * mib, 256 << 10, 64
	s := newStack("s", 50*budget/block, block)
	c := newCache(t, datacache.Options{Bytes: budget, Prefetch: true})
	a := arrayOf(t, c.Wrap(s, "s"))
	live := func() int64 {
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
		}
		peak <- most
	}()
	var wg sync.WaitGroup
	for client := range int64(clients) {
		wg.Go(func() {
			for i := range s.frames {
				mustRead(t, a, (i+client*s.frames/clients)%s.frames)
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	const slack = 4 * mib // of the policy, the fake and the test itself
	if most := <-peak - before; most > budget+2*clients*block+slack {
		t.Errorf("%d MiB live, want at most the budget of %d, %d for the clients and %d", most>>20, budget>>20, 2*clients*block>>20, slack>>20)
	}
	if st := c.Stats(); st.Evicted+st.Refused[datacache.Worthless] < s.frames {
		t.Errorf("the cache was not under pressure: %+v", st)
	}
}
