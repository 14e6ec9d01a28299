package evict

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The directory is bounded whatever is asked for, and its links hold.
func TestHazardDirectoryIsBounded(t *testing.T) {
	const capacity = 1 << 20
	p := NewHazard(capacity)
	rng := rand.New(rand.NewPCG(5, 6))
	held := 0
	for range 200_000 {
		p.Insert(rng.Uint64(), 4096, 0.01)
		held++
		for held > capacity/4096 {
			p.Evict()
			held--
		}
	}
	bound := capacity/HistoryGrain + (HistoryFactor+1)*(held+1) + 1
	if len(p.byKey) > bound || len(p.slots) > bound {
		t.Errorf("directory has %d keys in %d slots for %d held, want at most %d", len(p.byKey), len(p.slots), held, bound)
	}
	checkHazard(t, p)
	p.Resize(capacity / 4)
	for p.ghosts+len(p.residents) > 0 && len(p.residents) > 10 {
		p.Evict()
	}
	if p.ghosts > 4*len(p.residents) {
		t.Errorf("after shrinking, %d ghosts for %d residents", p.ghosts, len(p.residents))
	}
	checkHazard(t, p)
}

func checkHazard(t *testing.T, p *Hazard) {
	t.Helper()
	for place, r := range p.residents {
		if got := p.slots[r.slot].place; int(got) != place {
			t.Fatalf("resident %d: its slot says %d", place, got)
		}
	}
	ghosts := 0
	for i := p.slots[0].newer; i != 0; i = p.slots[i].newer {
		if s := p.slots[i]; s.place != absent || p.byKey[s.key] != i {
			t.Fatalf("ghost %d: place %d, directory says %d", i, s.place, p.byKey[s.key])
		}
		ghosts++
	}
	if ghosts != p.ghosts || ghosts+len(p.residents) != len(p.byKey) {
		t.Fatalf("%d ghosts in the ring, %d counted, %d residents, %d keys", ghosts, p.ghosts, len(p.residents), len(p.byKey))
	}
}

// Costs that no clock gives, and sizes that nothing has, are no reason to stop,
// or to hold what costs nothing.
func TestHazardBearsNonsense(t *testing.T) {
	p := NewHazard(1 << 20)
	inf := math.Inf(1)
	nonsense := []float64{math.NaN(), inf, -inf, -1, 0, math.MaxFloat64, math.SmallestNonzeroFloat64, 1e300}
	for i := range uint64(1000) {
		p.Insert(i, []int64{0, -5, 1, math.MaxInt64}[i%4], nonsense[i%uint64(len(nonsense))])
		p.Touch(i / 2)
	}
	p.Insert(5000, 4096, 0.01)
	for n := range 1001 {
		if _, ok := p.Evict(); !ok {
			t.Fatalf("only %d of 1001 are given up", n)
		}
	}
	for i, s := range p.slots {
		if d := float64(s.density); s.asked > 0 && (!(d > 0) || math.IsInf(d, 0)) {
			t.Errorf("slot %d has the density %g", i, d)
		}
	}
	checkHazard(t, p)
}

func TestAgeBuckets(t *testing.T) {
	last := 0
	for age := uint64(0); age < 1<<25; age += 1 + age/64 {
		b := ageBucket(age)
		if b != last && b != last+1 && (last != 0 || b != 2) {
			t.Fatalf("age %d: bucket %d after %d", age, b, last)
		}
		if lo, hi := edge(b), edge(b+1); b < ages-1 && (float64(age+1) < lo || float64(age+1) >= hi) && b > 1 {
			t.Fatalf("age %d: bucket %d is said to be [%g, %g)", age, b, lo, hi)
		}
		last = b
	}
}

// In a loop an entry's turn comes at a known age: its index must look ahead
// while it waits, and be low once its turn has passed.
func TestGittinsLooksAhead(t *testing.T) {
	var rate [ages]float64
	for a := range ages {
		rate[a] = 1e-6
	}
	const turn = 20
	rate[turn] = 1e-2
	index := gittins(rate)
	if index[10] < 100*1e-6 {
		t.Errorf("before its turn the index is %g: it does not look ahead", index[10])
	}
	if index[turn] <= index[10] || index[turn+1] > index[10]/10 {
		t.Errorf("index before, at and after the turn: %g %g %g", index[10], index[turn], index[turn+1])
	}
}

func TestHazardAllocates(t *testing.T) {
	p := NewHazard(1 << 30)
	for i := range uint64(1000) {
		p.Insert(i, 1<<20, 0.01)
	}
	i := uint64(0)
	if n := testing.AllocsPerRun(1000, func() { p.Touch(i % 1000); i++ }); n != 0 {
		t.Errorf("Touch allocates %v times", n)
	}
}
