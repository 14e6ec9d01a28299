package datacache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// volume is an array of three axes in blocks of one kilobyte, of which each
// read takes a second.
type volume struct {
	n     int64
	mu    sync.Mutex
	reads map[[3]int64]int
}

func (v *volume) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	shape := []int64{v.n, v.n, v.n << 10}
	return &adapter.Description{
		Family: structure.FamilyArray,
		Array:  &structure.Array{DataType: structure.DType{Kind: 'u', ItemSize: 1, Endianness: structure.NotApplicable}, Shape: shape},
		Grid:   ndslice.Grid{Shape: shape, Block: []int64{1, 1, 1 << 10}},
	}, v.version(), nil
}

func (v *volume) version() adapter.Version {
	return adapter.Version{ID: adapter.ID{1}, Trusted: true}
}

func (v *volume) Version(context.Context, *adapter.Description, ndslice.Selection) (adapter.Version, error) {
	return v.version(), nil
}

func (v *volume) BlockID(_ adapter.Version, block []int64) adapter.BlockID {
	id := adapter.BlockID{Trusted: true}
	copy(id.ID[:], fmt.Sprintf("%5d%5d%5d", block[0], block[1], block[2]))
	return id
}

func (v *volume) ReadBlock(_ context.Context, _ adapter.Version, block []int64) (adapter.Block, error) {
	v.mu.Lock()
	v.reads[[3]int64(block)]++
	v.mu.Unlock()
	time.Sleep(time.Second)
	return adapter.Block{Data: make([]byte, 1<<10), Shape: []int64{1, 1, 1 << 10}, Cost: adapter.Cost{Wait: time.Second}}, nil
}

// request is the blocks of one request: a box from a corner on. They are read
// in any order.
type request struct{ from, size [3]int64 }

// walked plays requests with pauses between them, and says how many blocks they
// had to wait for, what was read more than once, and what the cache did.
func walked(t *testing.T, n int64, requests []request) (loads, twice int64, stats datacache.Stats) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := &volume{n: n, reads: map[[3]int64]int{}}
		c, err := datacache.New(datacache.Options{Bytes: 64 * mib, Prefetch: true})
		if err != nil {
			t.Fatal(err)
		}
		a := arrayOf(t, c.Wrap(v, "v"))
		rng := rand.New(rand.NewPCG(1, 2))
		for _, r := range requests {
			ctx := datacache.WithTally(t.Context(), new(datacache.Tally))
			blocks := slices.Collect(box(r))
			rng.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
			for _, p := range blocks {
				if _, err := a.ReadBlock(ctx, v.version(), p); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		stats = c.Stats()
		for _, n := range v.reads {
			twice += int64(n - 1)
		}
		loads = stats.Misses
	})
	return loads, twice, stats
}

func box(r request) func(yield func([]int64) bool) {
	return func(yield func([]int64) bool) {
		for i := range r.size[0] {
			for j := range r.size[1] {
				for k := range r.size[2] {
					if !yield([]int64{r.from[0] + i, r.from[1] + j, r.from[2] + k}) {
						return
					}
				}
			}
		}
	}
}

// steps are n requests, each by further than the last.
func steps(from, by, size [3]int64, n int) (out []request) {
	for i := range int64(n) {
		out = append(out, request{[3]int64{from[0] + i*by[0], from[1] + i*by[1], from[2] + i*by[2]}, size})
	}
	return out
}

func one() [3]int64 { return [3]int64{1, 1, 1} }

// Whoever walks is found out after a few steps, along whichever axis, in
// whichever direction, by whatever stride, with windows of many blocks: then
// nothing is waited for, and nothing is read twice or for nothing.
func TestWalksAlongAnyAxis(t *testing.T) {
	slabs := []request{}
	for _, s := range steps([3]int64{4, 0, 0}, [3]int64{0, 1, 0}, one(), 12) {
		slabs = append(slabs, s, s, s) // thin ones: three requests go through each block
	}
	for name, test := range map[string]struct {
		requests []request
		loads    int64 // at most: of the steps that teach
		wasted   int64 // at most: what was begun beyond the end
	}{
		"first axis":        {steps([3]int64{2, 5, 5}, [3]int64{1, 0, 0}, one(), 12), 3, 2},
		"second axis":       {steps([3]int64{5, 2, 5}, [3]int64{0, 1, 0}, one(), 12), 3, 2},
		"last axis":         {steps([3]int64{5, 5, 2}, [3]int64{0, 0, 1}, one(), 12), 3, 2},
		"backwards, last":   {steps([3]int64{5, 5, 15}, [3]int64{0, 0, -1}, one(), 12), 3, 2},
		"backwards, first":  {steps([3]int64{15, 5, 5}, [3]int64{-1, 0, 0}, one(), 12), 3, 2},
		"every third frame": {steps([3]int64{0, 2, 2}, [3]int64{3, 0, 0}, one(), 12), 4, 2},
		"back by fours":     {steps([3]int64{0, 39, 0}, [3]int64{0, -4, 0}, one(), 9), 4, 2},
		"windows":           {steps([3]int64{2, 5, 5}, [3]int64{1, 0, 0}, [3]int64{1, 3, 3}, 12), 27, 18},
		"planes, last axis": {steps([3]int64{0, 0, 2}, [3]int64{0, 0, 1}, [3]int64{4, 4, 1}, 8), 48, 40},
		"two at a time":     {steps([3]int64{2, 0, 0}, [3]int64{2, 0, 0}, [3]int64{2, 1, 1}, 8), 8, 4},
		"slabs":             {slabs, 3, 2},
		"to the very end":   {steps([3]int64{30, 0, 0}, [3]int64{1, 0, 0}, one(), 10), 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			loads, twice, st := walked(t, 40, test.requests)
			unused := st.PrefetchBegun - st.PrefetchUsed - st.Joined
			if loads > test.loads || twice > 0 || unused > test.wasted {
				t.Errorf("%d blocks were waited for, want at most %d; %d read twice; %d for nothing, want at most %d: %+v",
					loads, test.loads, twice, unused, test.wasted, st)
			}
		})
	}
}

// Viewers who walk at the same time, each for itself, are told apart.
func TestWalksAtTheSameTime(t *testing.T) {
	var requests []request
	for i := range int64(10) {
		requests = append(requests,
			request{[3]int64{i, 0, 0}, one()}, request{[3]int64{30 - i, 9, 9}, one()},
			request{[3]int64{20, i, 4}, one()}, request{[3]int64{33, 33, 20 + i}, one()})
	}
	loads, twice, st := walked(t, 40, requests)
	if loads > 12 || twice > 0 || st.PrefetchUsed+st.Joined < 28 {
		t.Errorf("%d blocks were waited for, %d read twice: %+v", loads, twice, st)
	}
}

// Who jumps about is hardly ever taken for a walker, not even in a small array.
func TestJumpsInASmallArray(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var requests []request
	for range 300 {
		requests = append(requests, request{[3]int64{rng.Int64N(100), rng.Int64N(100), rng.Int64N(100)}, one()})
	}
	for range 100 {
		requests = append(requests, request{[3]int64{rng.Int64N(100), 0, 0}, one()})
	}
	_, _, st := walked(t, 100, requests)
	if st.PrefetchBegun > 20 {
		t.Errorf("%d guesses for 400 jumps: %+v", st.PrefetchBegun, st)
	}
}
