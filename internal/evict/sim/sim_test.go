package sim_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/evict"
	"github.com/terrazzo-data/terrazzo/internal/evict/sim"
	"github.com/terrazzo-data/terrazzo/internal/evict/trace"
)

func contender(t *testing.T, name string) sim.Contender {
	t.Helper()
	for _, c := range sim.Contenders() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no policy %s", name)
	return sim.Contender{}
}

// play fills a table of LRU, GDSF and Hazard over all workloads.
func play(t *testing.T, requests int, seeds uint64) *sim.Table {
	t.Helper()
	var table sim.Table
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2)
	for _, name := range sim.Names() {
		for seed := uint64(1); seed <= seeds; seed++ {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				w := sim.Generate(name, requests, seed)
				for _, policy := range []string{"LRU", "GDSF", "Hazard"} {
					cell := sim.Play(w, contender(t, policy))
					mu.Lock()
					table.Add(policy, name, cell)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	return &table
}

// The floors: how many points more of the seconds Hazard saves, on the same
// requests. Asked for are 0.7/0.5/-0.2, 3/2/0.2 and 4/3/0.8 with 600,000
// requests and three seeds; what is asserted is above, near what is reached.
func TestFloors(t *testing.T) {
	requests, seeds := 150_000, uint64(1)
	floors := []struct {
		over      string
		workloads []string
		least     [3]float64
	}{
		{"GDSF", []string{"A", "B", "C", "D", "F"}, [3]float64{6, 4, 1}},
		{"LRU", []string{"G"}, [3]float64{3.5, 2, 0.3}},
		{"GDSF", []string{"E"}, [3]float64{5, 4, 1.5}},
	}
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		requests, seeds = 600_000, 3
		floors[0].least = [3]float64{7, 5, 1}
		floors[1].least = [3]float64{4, 3, 1}
		floors[2].least = [3]float64{6.5, 5.5, 2.5}
	}
	table := play(t, requests, seeds)
	for _, f := range floors {
		ours, theirs := table.Mean("Hazard", f.workloads...), table.Mean(f.over, f.workloads...)
		t.Logf("%v: Hazard %.1f, %s %.1f", f.workloads, ours, f.over, theirs)
		for i, least := range f.least {
			if got := ours[i] - theirs[i]; got < least {
				t.Errorf("%v at %g of the footprint: %.1f saved, %s %.1f: %+.1f points, want at least %+.1f",
					f.workloads, sim.Shares()[i], ours[i], f.over, theirs[i], got, least)
			}
		}
	}
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		checkGenerators(t, table)
	}
}

// checkGenerators compares with what was measured by others on generators of
// the same description: within two points, or the workloads are not those.
func checkGenerators(t *testing.T, table *sim.Table) {
	t.Helper()
	for _, c := range []struct {
		policy    string
		workloads []string
		want      [3]float64
	}{
		{"LRU", []string{"A", "B", "C", "D", "F"}, [3]float64{31.8, 44.6, 60.2}},
		{"GDSF", []string{"A", "B", "C", "D", "F"}, [3]float64{50.3, 69.3, 87.7}},
		{"LRU", []string{"G"}, [3]float64{7, 10.6, 13.7}},
		{"GDSF", []string{"G"}, [3]float64{6.6, 9.4, 12.2}},
		{"LRU", []string{"E"}, [3]float64{17, 34.5, 58}},
		{"GDSF", []string{"E"}, [3]float64{24.6, 42, 63.7}},
	} {
		for i, got := range table.Mean(c.policy, c.workloads...) {
			if math.Abs(got-c.want[i]) > 2 {
				t.Errorf("%s on %v at %g: %.1f, measured elsewhere %.1f", c.policy, c.workloads, sim.Shares()[i], got, c.want[i])
			}
		}
	}
}

// On workloads that it was not tuned on, and on those made to mislead it, Hazard is nowhere far behind the best
// of the others, whichever that is.
func TestFurtherWorkloads(t *testing.T) {
	requests := 40_000
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		requests = 600_000
	}
	for _, name := range append(sim.FurtherNames(), sim.HostileNames()...) {
		w := sim.Generate(name, requests, 1)
		if len(w.Requests) != requests {
			t.Fatalf("%s: %d requests", name, len(w.Requests))
		}
		allowed := 1.5
		if more := map[string]float64{"there and back": 12, "random walk": 3}[name]; more > 0 && requests < 600_000 {
			allowed = more // there are four rounds, of which the first three teach
		}
		var best [3]float64
		var ours sim.Cell
		for _, c := range sim.Contenders() {
			if requests < 600_000 && (c.Name == "CAMP" || c.Name == "SIEVE") {
				continue // GDSF and S3-FIFO are much the same, and enough for each day
			}
			ours = sim.Play(w, c)
			if c.Name == "Hazard" { // the last
				break
			}
			for i := range best {
				best[i] = max(best[i], ours[i].Saved())
			}
		}
		for i, r := range ours {
			t.Logf("%s at %g: Hazard %.1f, best of the others %.1f", name, sim.Shares()[i], r.Saved(), best[i])
			if r.Saved() < best[i]-allowed {
				t.Errorf("%s at %g: Hazard saves %.1f %%, the best of the others %.1f", name, sim.Shares()[i], r.Saved(), best[i])
			}
		}
	}
}

func TestGenerateIsTheSameForTheSameSeed(t *testing.T) {
	for _, name := range slices.Concat(sim.Names(), sim.FurtherNames(), sim.HostileNames()) {
		a, b, c := sim.Generate(name, 1000, 1), sim.Generate(name, 1000, 1), sim.Generate(name, 1000, 2)
		same := 0
		for i := range a.Requests {
			if a.Requests[i] != b.Requests[i] {
				t.Fatalf("%s: request %d differs", name, i)
			}
			if a.Requests[i] == c.Requests[i] {
				same++
			}
		}
		if other := len(name) == 1; len(a.Requests) != 1000 || other && same > 10 {
			t.Errorf("%s: %d requests, %d of them the same under another seed", name, len(a.Requests), same)
		}
	}
}

// cheat gives up nothing it was told, to see that Replay does not hang on it.
type cheat struct{ *evict.LRU }

func (cheat) Evict() (uint64, bool) { return 0, false }

func TestReplayCounts(t *testing.T) {
	// The first tenth warms up: a is loaded there, hits twice, b never fits.
	var reqs []sim.Request
	for i := range 10 {
		r := sim.Request{Key: 1, Size: 10, Cost: 2}
		if i >= 3 {
			r = sim.Request{Key: 2, Size: 1000, Cost: 1}
		}
		reqs = append(reqs, r)
	}
	for _, p := range []evict.Policy{evict.NewLRU(), cheat{evict.NewLRU()}} {
		r := sim.Replay(reqs, 100, p)
		if r.Hits != 2 || r.Requests != 9 || r.Seconds != 4 || r.AllSeconds != 11 || r.Bytes != 20 || r.AllBytes != 7020 {
			t.Errorf("got %+v", r)
		}
	}
}

// A recorded trace is a workload like another.
func TestTraceOfAWorkload(t *testing.T) {
	w := sim.Generate("A", 2000, 1)
	var buf bytes.Buffer
	tw := trace.NewWriter(&buf)
	for i, r := range w.Requests {
		tw.Write(trace.Record{
			Time: time.UnixMicro(int64(i)), Key: r.Key, Size: r.Size,
			Cost: time.Duration(r.Cost * 1e9), Waiters: 1, Outcome: trace.Load,
		})
	}
	if err := tw.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := sim.FromTrace("recorded", &buf)
	if err != nil || len(got.Requests) != len(w.Requests) {
		t.Fatalf("%d requests, %v", len(got.Requests), err)
	}
	capacity := got.Footprint / 10
	a, b := sim.Replay(w.Requests, capacity, evict.NewGDSF()), sim.Replay(got.Requests, capacity, evict.NewGDSF())
	if a.Hits == 0 || math.Abs(a.Saved()-b.Saved()) > 0.1 {
		t.Errorf("saved %.2f %%, through a trace %.2f %%", a.Saved(), b.Saved())
	}
	if _, err := sim.FromTrace("bad", strings.NewReader("x")); err == nil {
		t.Error("a damaged trace is no error")
	}
}

func TestTablePrints(t *testing.T) {
	var table sim.Table
	table.Add("LRU", "A", sim.Play(sim.Generate("A", 2000, 1), contender(t, "LRU")))
	var b strings.Builder
	if err := table.Print(&b); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(b.String()), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[2], "| LRU | ") {
		t.Errorf("got %q", b.String())
	}
}

func ExampleReplay() {
	var requests []sim.Request
	for i := range 100 {
		requests = append(requests, sim.Request{Key: uint64(i % 2), Size: 1000, Cost: 0.5})
	}
	r := sim.Replay(requests, 16_000, evict.NewHazard(16_000))
	fmt.Printf("%.0f %% saved\n", r.Saved())
	// Output: 100 % saved
}
