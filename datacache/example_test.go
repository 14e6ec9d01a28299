package datacache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
)

// A wrapped adapter is read like the bare one; what was read once is not read again.
func ExampleCache_Wrap() {
	cache, err := datacache.New(datacache.Options{Bytes: 256 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	frames := newStack("frames", 100, 1<<20)
	node := cache.Wrap(frames, "detector/frames")
	array, _ := adapter.As[adapter.Array](node)
	for range 3 {
		if _, err := read(context.Background(), array, 7); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("read from the source:", frames.reads.Load(), "hits:", cache.Stats().Hits)
	// Output: read from the source: 1 hits: 2
}

// An adapter that computes keeps what it computed under a name that says what
// it was computed from. However many ask, it is computed once.
func ExampleCache_Load() {
	cache, err := datacache.New(datacache.Options{Bytes: 256 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	flatField := func(ctx context.Context, version string) ([]float64, error) {
		v, err := cache.Load(ctx, "flat field of "+version, func(context.Context) (any, int64, error) {
			fmt.Println("computing")
			time.Sleep(time.Millisecond) // stands for work: what costs nothing is not kept
			return []float64{1, 2, 3}, 3 * 8, nil
		})
		field, _ := v.([]float64)
		return field, err
	}
	for range 2 {
		fmt.Println(flatField(context.Background(), "scan 42, version 1"))
	}
	// Output:
	// computing
	// [1 2 3] <nil>
	// [1 2 3] <nil>
}

// Put and Get are for values that come about on the side.
func ExampleCache_Put() {
	cache, err := datacache.New(datacache.Options{Bytes: 256 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	ctx := context.Background()
	cache.Put("histogram of scan 42", []int{3, 1, 4}, 3*8, 20*time.Millisecond)
	v, ok := cache.Get(ctx, "histogram of scan 42")
	fmt.Println(v, ok)
	cache.Discard("histogram of scan 42")
	_, ok = cache.Get(ctx, "histogram of scan 42")
	fmt.Println(ok)
	// Output:
	// [3 1 4] true
	// false
}

func ExampleCache_DiscardNode() {
	cache, err := datacache.New(datacache.Options{Bytes: 256 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	array, _ := adapter.As[adapter.Array](cache.Wrap(newStack("dark", 4, 1<<20), "scans", "42", "dark"))
	if _, err := read(context.Background(), array, 0); err != nil {
		fmt.Println(err)
	}
	for _, e := range cache.Entries() {
		fmt.Println(e.Path, e.Bytes>>20, "MiB")
	}
	fmt.Println("discarded:", cache.DiscardNode("scans/42"))
	// Output:
	// scans/42/dark 1 MiB
	// discarded: 1
}
