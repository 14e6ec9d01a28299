package evict_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/evict"
)

const capacity = 1 << 20

func policies() map[string]evict.Policy {
	return map[string]evict.Policy{
		"LRU":       evict.NewLRU(),
		"Sieve":     evict.NewSieve(),
		"S3-FIFO":   evict.NewS3FIFO(capacity),
		"W-TinyLFU": evict.NewWTinyLFU(capacity),
		"CAMP":      evict.NewCAMP(),
		"GDSF":      evict.NewGDSF(),
		"Hazard":    evict.NewHazard(capacity),
	}
}

// Random calls, absent and present keys mixed, against a plain set: a policy
// gives up each present key once and nothing else, and is empty when the set is.
func TestModel(t *testing.T) {
	steps := 100_000
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		steps = 10_000_000
	}
	for name, p := range policies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			present := map[uint64]int64{}
			var used int64
			for step := range steps {
				key := rng.Uint64N(3000)
				switch op := rng.IntN(20); {
				case op < 10:
					p.Touch(key)
				case op < 18:
					size := 1 + rng.Int64N(capacity/50)
					p.Insert(key, size, rng.ExpFloat64())
					used += size - present[key]
					present[key] = size
				default:
					p.Remove(key)
					used -= present[key]
					delete(present, key)
				}
				for used > capacity {
					used -= giveUp(t, step, p, present)
				}
			}
			for len(present) > 0 {
				giveUp(t, steps, p, present)
			}
			if key, ok := p.Evict(); ok {
				t.Errorf("an empty policy gave up %d", key)
			}
		})
	}
}

func giveUp(t *testing.T, step int, p evict.Policy, present map[uint64]int64) int64 {
	t.Helper()
	key, ok := p.Evict()
	size, held := present[key]
	if !ok || !held {
		t.Fatalf("step %d: Evict = %d, %v; it must be one of the %d present", step, key, ok, len(present))
	}
	delete(present, key)
	return size
}

// drain returns the keys in the order in which p gives them up.
func drain(p evict.Policy) (keys []uint64) {
	for {
		key, ok := p.Evict()
		if !ok {
			return keys
		}
		keys = append(keys, key)
	}
}

// What is given up first, where the answer is plain.
func TestOrder(t *testing.T) {
	type call struct {
		key     uint64
		size    int64
		cost    float64
		touches int
	}
	for _, tc := range []struct {
		name   string
		policy evict.Policy
		calls  []call
		want   []uint64
	}{
		{"LRU: the longest untouched", evict.NewLRU(), []call{{1, 1, 1, 0}, {2, 1, 1, 0}, {3, 1, 1, 0}, {1, 0, 0, 1}}, []uint64{2, 3, 1}},
		{"Sieve: touched ones are passed over once", evict.NewSieve(), []call{{1, 1, 1, 1}, {2, 1, 1, 0}, {3, 1, 1, 1}, {4, 1, 1, 0}}, []uint64{2, 4, 1, 3}},
		{"S3-FIFO: touched twice stays", evict.NewS3FIFO(5), []call{{1, 1, 1, 2}, {2, 1, 1, 0}, {3, 1, 1, 1}}, []uint64{2, 3, 1}},
		{"GDSF: least cost per byte", evict.NewGDSF(), []call{{1, 10, 5, 0}, {2, 10, 1, 0}, {3, 1, 5, 0}, {4, 10, 1, 9}}, []uint64{2, 1, 4, 3}},
		{"CAMP: least cost per byte", evict.NewCAMP(), []call{{1, 10, 5, 0}, {2, 10, 1, 0}, {3, 1, 5, 0}}, []uint64{2, 1, 3}},
		{"Hazard: least cost per byte", evict.NewHazard(100), []call{{1, 10, 5, 0}, {2, 10, 1, 0}, {3, 1, 5, 0}}, []uint64{2, 1, 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, c := range tc.calls {
				if c.size > 0 {
					tc.policy.Insert(c.key, c.size, c.cost)
				}
				for range c.touches {
					tc.policy.Touch(c.key)
				}
			}
			if got := drain(tc.policy); !slices.Equal(got, tc.want) {
				t.Errorf("given up in the order %v, want %v", got, tc.want)
			}
		})
	}
}

// What was given up is overtaken by what is asked for now: a policy with a
// memory must not hold on to yesterday's favourites for ever.
func TestYesterdaysFavouritesGo(t *testing.T) {
	for name, p := range policies() {
		t.Run(name, func(t *testing.T) {
			held := map[uint64]bool{}
			ask := func(key uint64) {
				if held[key] {
					p.Touch(key)
					return
				}
				p.Insert(key, capacity/100, 0.01)
				held[key] = true
				if len(held) > 100 {
					victim, _ := p.Evict()
					delete(held, victim)
				}
			}
			rng := rand.New(rand.NewPCG(3, 4))
			for range 20_000 {
				ask(rng.Uint64N(100))
			}
			for range 20_000 {
				ask(1000 + rng.Uint64N(100))
			}
			old := 0
			for key := range held {
				if key < 1000 {
					old++
				}
			}
			if old > 10 {
				t.Errorf("%d of 100 places are still held by keys that nobody asks for", old)
			}
		})
	}
}

// Cost still decides after more touches of the dearest blocks than cachey's
// clock survived (1,024,354, by which it was infinite and its order gone).
func TestClockDoesNotOverflow(t *testing.T) {
	for _, p := range []evict.Policy{evict.NewGDSF(), evict.NewCAMP(), evict.NewHazard(capacity)} {
		for i := range uint64(110_000) {
			p.Insert(10+i, 10_000, 3600)
			for range 10 {
				p.Touch(10 + i)
			}
			p.Evict()
		}
		p.Insert(2, 1<<20, 4e-6)
		p.Insert(1, 1<<20, 1e-6)
		if key, _ := p.Evict(); key != 1 {
			t.Errorf("%T gave up the dearer", p)
		}
	}
}

func TestOddSizesAndCosts(t *testing.T) {
	for name, p := range policies() {
		t.Run(name, func(t *testing.T) {
			p.Insert(1, 1, 0)
			p.Insert(2, math.MaxInt64/4, 1e9)
			p.Insert(3, 1, 1e9)
			p.Insert(3, 2, 0)
			p.Touch(99)
			p.Remove(99)
			got := drain(p)
			slices.Sort(got)
			if !slices.Equal(got, []uint64{1, 2, 3}) {
				t.Errorf("drain = %v, want 1 2 3", got)
			}
		})
	}
}

func ExamplePolicy() {
	p := evict.NewGDSF()
	p.Insert(1, 2_000_000, 0.004) // a raw image
	p.Insert(2, 2_000_000, 0.150) // the same, but from an object store
	key, _ := p.Evict()
	fmt.Println("given up:", key)
	// Output: given up: 1
}
