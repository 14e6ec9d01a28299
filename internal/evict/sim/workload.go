// Package sim replays requests against eviction policies and says what each saves.
package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// Request asks for one object.
type Request struct {
	// Key names the object; Size is in bytes and Cost in seconds of recomputing.
	Key  uint64
	Size int64
	Cost float64
}

// Workload is a list of requests and what the objects behind it sum up to.
type Workload struct {
	// Name is the letter of the workload, or the name of a trace.
	Name string
	// Requests in order; the first tenth warms up and is not counted.
	Requests []Request
	// Footprint is the sum of the sizes of all objects, in bytes.
	Footprint int64
}

// Names are the synthetic workloads that [Generate] knows.
func Names() []string { return []string{"A", "B", "C", "D", "E", "F", "G"} }

const (
	objects     = 20_000
	dataSets    = 400
	perDataSet  = objects / dataSets
	sessions    = 24
	phases      = 12
	minSize     = 10_000
	maxSize     = 50_000_000
	medianSize  = 1_000_000
	sizeSpread  = 1.5
	costSpread  = 0.2
	loopShare   = 0.25
	onceShare   = 0.25
	scanChance  = 0.002
	scanShort   = 50
	scanLong    = 299
	touchFew    = 2
	touchMany   = 12
	dearFifth   = objects / 5
	evenSize    = 1_000_000
	evenCost    = 0.01
	dearestOnce = 5
)

// Generate makes n requests of the synthetic workload called name: the same for
// the same seed. An unknown name gives no requests.
func Generate(name string, n int, seed uint64) Workload {
	g := &generator{rng: rand.New(rand.NewPCG(seed, uint64(len(name)-1)<<8|uint64(name[0])))}
	g.objects = g.makeObjects(name == "E")
	w := Workload{Name: name, Requests: make([]Request, 0, n)}
	next := g.source(name, n)
	for next != nil && len(w.Requests) < n {
		w.Requests = append(w.Requests, next(len(w.Requests)))
	}
	w.Footprint = g.footprint(name, w.Requests)
	return w
}

// footprint is the size of all objects, whether they were asked for or not; of
// further workloads, which make objects as they go, of those that were.
func (g *generator) footprint(name string, requests []Request) (sum int64) {
	all := g.objects
	if len(name) > 1 {
		all = requests
	}
	seen := make(map[uint64]bool, len(all))
	for _, o := range all {
		if !seen[o.Key] {
			sum += o.Size
			seen[o.Key] = true
		}
	}
	return sum
}

type generator struct {
	rng     *rand.Rand
	objects []Request
}

// source returns what gives the i-th request of the workload called name.
func (g *generator) source(name string, n int) func(i int) Request {
	switch name {
	case "A", "E":
		z := g.zipf(0.8, g.objects)
		return func(int) Request { return z() }
	case "B":
		return g.scans()
	case "C":
		return g.slabWalk()
	case "D":
		return g.shifting(n)
	case "F":
		return g.dearLoop()
	case "G":
		return g.dearOnce()
	}
	return g.further(name, n)
}

// makeObjects makes the objects of all workloads: log-normal sizes, and costs
// of five classes of source; even ones are all alike.
func (g *generator) makeObjects(even bool) []Request {
	all := make([]Request, objects)
	for i := range all {
		all[i] = Request{Key: g.rng.Uint64(), Size: evenSize, Cost: evenCost}
		if !even {
			all[i].Size = g.size()
			all[i].Cost = g.cost(float64(all[i].Size))
		}
	}
	return all
}

func (g *generator) size() int64 {
	s := math.Exp(math.Log(medianSize) + sizeSpread*g.rng.NormFloat64())
	return int64(min(max(s, minSize), maxSize))
}

func (g *generator) cost(size float64) float64 {
	var c float64
	switch u := g.rng.Float64(); {
	case u < 0.35: // raw TIFF or NPY on a network file system
		c = 0.004 + size/900e6
	case u < 0.65: // compressed HDF5 or Zarr
		c = 0.008 + size/150e6
	case u < 0.80: // object store
		c = 0.080 + size/60e6
	case u < 0.92: // CSV, Excel
		c = 0.020 + size/20e6
	default: // derived: stitched, many files, Dask
		c = 0.3*math.Exp(0.9*g.rng.NormFloat64()) + size/100e6
	}
	return c * math.Exp(costSpread*g.rng.NormFloat64())
}

// zipf draws from among, rank r with weight r to the power -a, the ranks in
// random order.
func (g *generator) zipf(a float64, among []Request) func() Request {
	order := g.rng.Perm(len(among))
	sums := make([]float64, len(among))
	sum := 0.0
	for r := range sums {
		sum += math.Pow(float64(r+1), -a)
		sums[r] = sum
	}
	return func() Request {
		r := sort.SearchFloat64s(sums, g.rng.Float64()*sum)
		return among[order[min(r, len(order)-1)]]
	}
}

func (g *generator) scans() func(int) Request {
	z := g.zipf(0.9, g.objects)
	at, left := 0, 0
	return func(int) Request {
		if left == 0 && g.rng.Float64() < scanChance {
			left = scanShort + g.rng.IntN(scanLong-scanShort+1)
			at = g.rng.IntN(objects)
		}
		if left == 0 {
			return z()
		}
		left--
		at++
		return g.objects[at%objects]
	}
}

func (g *generator) slabWalk() func(int) Request {
	sets := make([]Request, dataSets)
	for i := range sets {
		sets[i].Key = uint64(i)
	}
	z := g.zipf(0.9, sets)
	type session struct{ at, end, touches int }
	walking := make([]session, sessions)
	return func(int) Request {
		s := &walking[g.rng.IntN(sessions)]
		if s.touches == 0 {
			s.at++
			s.touches = touchFew + g.rng.IntN(touchMany-touchFew+1)
		}
		if s.at >= s.end {
			s.at = int(z().Key) * perDataSet
			s.end = s.at + perDataSet
		}
		s.touches--
		return g.objects[s.at]
	}
}

func (g *generator) shifting(n int) func(int) Request {
	length := max(n/phases, 1)
	var z func() Request
	return func(i int) Request {
		if i%length == 0 {
			z = g.zipf(0.95, g.objects)
		}
		return z()
	}
}

func density(r Request) float64 { return r.Cost / float64(r.Size) }

func (g *generator) byDensity() []Request {
	sorted := slices.Clone(g.objects)
	slices.SortFunc(sorted, func(a, b Request) int {
		switch {
		case density(a) < density(b):
			return -1
		case density(a) > density(b):
			return 1
		}
		return 0
	})
	return sorted
}

func (g *generator) dearLoop() func(int) Request {
	sorted := g.byDensity()
	dear := sorted[objects-dearFifth:]
	z := g.zipf(0.9, sorted[:objects-dearFifth])
	at := 0
	return func(int) Request {
		if g.rng.Float64() >= loopShare {
			return z()
		}
		at++
		return dear[at%len(dear)]
	}
}

func (g *generator) dearOnce() func(int) Request {
	limit := density(g.byDensity()[objects-dearFifth])
	for i, o := range g.objects {
		g.objects[i].Cost = min(o.Cost, limit*float64(o.Size))
	}
	z := g.zipf(0.9, g.objects)
	return func(int) Request {
		if g.rng.Float64() >= onceShare {
			return z()
		}
		size := g.size()
		dear := limit * (1 + g.rng.Float64()*(dearestOnce-1))
		once := Request{Key: g.rng.Uint64(), Size: size, Cost: dear * float64(size)}
		g.objects = append(g.objects, once)
		return once
	}
}
