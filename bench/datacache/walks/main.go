// Walks measures what the data cache saves below the API: the same reads of a
// stack of frames without a cache, under LRU and GDSF, and as it is by default,
// each in a process of its own.
//
//	go run ./bench/datacache/walks FOLDER NODE
//
// for instance bench/out/data/speed chunked (which bench/run.py makes).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/catalog/dirtree"
	"github.com/terrazzo-data/terrazzo/internal/formats/all"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

func main() {
	share := flag.Float64("share", 0.5, "budget, as a part of the stack's bytes")
	one := flag.String("one", "", "case/variant to run in this process")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: walks [-share 0.5] FOLDER NODE")
		os.Exit(2)
	}
	run := table
	if *one != "" {
		run = single
	}
	if err := run(flag.Arg(0), flag.Arg(1), *share, *one); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// result is what one process measured.
type result struct {
	Seconds, CPU      float64
	Requests, Decodes int64
	PeakMiB           int64
}

func table(folder, node string, share float64, _ string) error {
	fmt.Println("| walk | cache | seconds | blocks decoded | CPU ms a request | peak RSS MiB |\n|---|---|---|---|---|---|")
	for _, c := range []string{"windows", "slabs", "viewers"} {
		for _, v := range []string{"off", "lru", "gdsf", "hazard", "hazard+ahead"} {
			out, err := exec.CommandContext(context.Background(), os.Args[0], "-one", c+"/"+v, "-share", strconv.FormatFloat(share, 'g', -1, 64), folder, node).Output()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return fmt.Errorf("%s/%s: %s", c, v, exit.Stderr)
			}
			if err != nil {
				return err
			}
			var r result
			if err := json.Unmarshal(out, &r); err != nil {
				return err
			}
			fmt.Printf("| %s | %s | %.2f | %d | %.2f | %d |\n", c, v, r.Seconds, r.Decodes, 1e3*r.CPU/float64(r.Requests), r.PeakMiB)
		}
	}
	return nil
}

func single(folder, name string, share float64, one string) error {
	what, variant, _ := strings.Cut(one, "/")
	b, err := open(folder, name, share, variant)
	if err != nil {
		return err
	}
	cpu, began := cpuTime(), time.Now()
	switch what {
	case "windows":
		err = b.windows()
	case "slabs":
		err = b.slabs()
	case "viewers":
		err = b.viewers()
	}
	if err != nil {
		return err
	}
	r := result{Seconds: time.Since(began).Seconds(), CPU: cpuTime() - cpu, Requests: b.requests, Decodes: b.decoded}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	r.PeakMiB = usage.Maxrss >> 10
	return json.NewEncoder(os.Stdout).Encode(r)
}

// bench reads one array as requests do.
type bench struct {
	array    adapter.Array
	d        *adapter.Description
	rng      *rand.Rand
	mu       sync.Mutex
	requests int64
	decoded  int64
}

func open(folder, name string, share float64, variant string) (*bench, error) {
	quiet := slog.New(slog.DiscardHandler)
	tree, err := dirtree.Open(folder, dirtree.Options{Name: "/", Formats: all.List(), Memory: source.NewMemory(source.MemoryOptions{Log: quiet}), Log: quiet})
	if err != nil {
		return nil, err
	}
	node, err := catalog.Lookup(context.Background(), tree.Root(), strings.Split(name, "/"), nil)
	if err != nil {
		return nil, err
	}
	d, _, err := node.Describe(context.Background())
	if err != nil {
		return nil, err
	}
	if d.Array == nil || len(d.Array.Shape) != 3 {
		return nil, fmt.Errorf("%s is no stack of frames", name)
	}
	policy, ahead := strings.CutSuffix(variant, "+ahead")
	o := datacache.Options{Policy: policy, Prefetch: ahead}
	if policy == "off" {
		o.Policy = ""
	} else {
		o.Bytes = int64(share * float64(d.Array.Shape[0]*d.Array.Shape[1]*d.Array.Shape[2]*d.Array.DataType.ItemSize))
	}
	c, err := datacache.New(o)
	if err != nil {
		return nil, err
	}
	node = c.Wrap(node, name)
	array, _ := adapter.As[adapter.Array](node)
	return &bench{array: array, d: d, rng: rand.New(rand.NewPCG(1, 2))}, nil
}

// windows looks at 300 windows of 512 by 512 that overlap, each in three formats.
func (b *bench) windows() error {
	s := b.d.Array.Shape
	for range 300 {
		frame := b.rng.Int64N(min(s[0], 8))
		y, x := b.rng.Int64N(max(1, s[1]-512)), b.rng.Int64N(max(1, s[2]-512))
		for range 3 {
			if err := b.read(frame, 1, y, 512, x, 512); err != nil {
				return err
			}
		}
	}
	return nil
}

// slabs goes through frames in slabs of 6 rows.
func (b *bench) slabs() error {
	s := b.d.Array.Shape
	for frame := range min(s[0], 4) {
		for y := int64(0); y < s[1]; y += 6 {
			if err := b.read(frame, 1, y, 6, 0, s[2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// viewers are 64 that scroll through 10 frames each from where it is popular.
func (b *bench) viewers() error {
	var all sync.WaitGroup
	errs := make(chan error, 64)
	s := b.d.Array.Shape
	for viewer := range uint64(64) {
		zipf := rand.NewZipf(rand.New(rand.NewPCG(viewer, 3)), 1.2, 3, uint64(s[0]-1))
		all.Go(func() {
			for range 4 {
				start := int64(zipf.Uint64())
				for i := range int64(10) {
					if err := b.read((start+i)%s[0], 1, 0, s[1], 0, s[2]); err != nil {
						errs <- err
						return
					}
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// read is one request: a version, its blocks, gathered.
func (b *bench) read(z, nz, y, ny, x, nx int64) error {
	ctx := datacache.WithTally(context.Background(), new(datacache.Tally))
	s := b.d.Array.Shape
	sel := ndslice.Selection{
		{Start: z, Step: 1, Count: min(nz, s[0]-z)}, {Start: y, Step: 1, Count: min(ny, s[1]-y)}, {Start: x, Step: 1, Count: min(nx, s[2]-x)},
	}
	v, err := b.array.Version(ctx, b.d, sel)
	if err != nil {
		return err
	}
	item := b.d.Array.DataType.ItemSize
	out := make([]byte, sel.Len()*item)
	decoded := int64(0)
	for p := range sel.Plan(b.d.Grid) {
		block, err := b.array.ReadBlock(ctx, v, p.Block)
		if err != nil {
			return err
		}
		if block.Cost != (adapter.Cost{}) {
			decoded++
		}
		if err := ndslice.Gather(out, sel, p, block.Data, block.Shape, int(item)); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	b.decoded += decoded
	return nil
}

func cpuTime() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
