package memory_test

import (
	"errors"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
	"github.com/terrazzo-data/terrazzo/store"
	"github.com/terrazzo-data/terrazzo/store/storetest"
)

func open(tb testing.TB, capacity int64) *memory.Store {
	tb.Helper()
	s, err := memory.New(memory.Options{Capacity: capacity})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, capacity int64) store.Store {
		t.Helper()
		return open(t, capacity)
	})
}

func TestCapacityMustBePositive(t *testing.T) {
	if _, err := memory.New(memory.Options{}); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestPinned: bytes on loan stay counted after they were given up (law 6).
func TestPinned(t *testing.T) {
	s := open(t, 1<<20)
	storetest.Put(t, s, "k", store.Meta{Size: 1000}, make([]byte, 1000))
	v, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Pinned < 1000 || st.Bytes != 0 {
		t.Errorf("on loan: %+v", st)
	}
	v.Release()
	if st := s.Stats(); st.Pinned != 0 {
		t.Errorf("released: %+v", st)
	}
}

// TestCostDecides: what is dear to get again outlives what is cheap.
func TestCostDecides(t *testing.T) {
	s := open(t, 1<<20)
	storetest.Put(t, s, "dear", store.Meta{Size: 10_000, Cost: 1e9}, make([]byte, 10_000))
	for i := range 500 {
		storetest.Put(t, s, store.Key(rune('a'+i)), store.Meta{Size: 10_000, Cost: 1000}, make([]byte, 10_000))
	}
	if _, body := storetest.Get(t, s, "dear"); body == nil {
		t.Error("a second of work was given up for microseconds")
	}
}

// TestHitAllocatesNothing: a hit is a loan, not a copy.
func TestHitAllocatesNothing(t *testing.T) {
	s := open(t, 1<<20)
	storetest.Put(t, s, "k", store.Meta{Size: 1000}, make([]byte, 1000))
	ctx := t.Context()
	allocated := testing.AllocsPerRun(100, func() {
		v, err := s.Get(ctx, "k")
		if err != nil {
			t.Fatal(err)
		}
		v.Release()
	})
	if allocated != 0 {
		t.Errorf("%v allocations per hit, want 0", allocated)
	}
}

func BenchmarkHit(b *testing.B) {
	s := open(b, 1<<20)
	storetest.Put(b, s, "k", store.Meta{Size: 1000}, make([]byte, 1000))
	for b.Loop() {
		v, err := s.Get(b.Context(), "k")
		if err != nil {
			b.Fatal(err)
		}
		v.Release()
	}
}
