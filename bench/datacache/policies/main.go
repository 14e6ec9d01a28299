// Policies prints what eviction policies save, as the Markdown table of
// docs/caching.md: on generated workloads, or on traces that a server recorded
// with --cache-trace.
//
//	go run ./bench/datacache/policies [-further|-hostile] [-requests 600000] [-seeds 3] [trace …]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/terrazzo-data/terrazzo/internal/evict/sim"
)

func main() {
	requests := flag.Int("requests", 600_000, "requests of each generated workload")
	seeds := flag.Uint64("seeds", 3, "seeds of each generated workload; the table has the means")
	parallel := flag.Int("parallel", runtime.GOMAXPROCS(0), "replays at a time; 1 for steady times")
	further := flag.Bool("further", false, "the workloads that no policy was tuned on, instead of A to G")
	hostile := flag.Bool("hostile", false, "the workloads made to mislead policies, instead of A to G")
	flag.Parse()
	names := sim.Names()
	if *further {
		names = sim.FurtherNames()
	}
	if *hostile {
		names = sim.HostileNames()
	}
	if err := run(names, *requests, *seeds, *parallel, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(names []string, requests int, seeds uint64, parallel int, traces []string) error {
	var table sim.Table
	for _, name := range traces {
		w, err := open(name)
		if err != nil {
			return err
		}
		play(&table, w, parallel)
	}
	if len(traces) > 0 {
		return table.Print(os.Stdout)
	}
	for _, name := range names {
		for seed := uint64(1); seed <= seeds; seed++ {
			play(&table, sim.Generate(name, requests, seed), parallel)
		}
	}
	return table.Print(os.Stdout)
}

func open(name string) (sim.Workload, error) {
	f, err := os.Open(name)
	if err != nil {
		return sim.Workload{}, err
	}
	w, err := sim.FromTrace(filepath.Base(name), f)
	return w, errors.Join(err, f.Close())
}

// play replays w through all policies and adds what each saved, in their order.
func play(table *sim.Table, w sim.Workload, parallel int) {
	contenders := sim.Contenders()
	cells := make([]sim.Cell, len(contenders))
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i, c := range contenders {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			cells[i] = sim.Play(w, c)
		})
	}
	all.Wait()
	for i, c := range contenders {
		table.Add(c.Name, w.Name, cells[i])
	}
}
