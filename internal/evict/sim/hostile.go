package sim

import "math"

// HostileNames are workloads made to mislead policies that learn: what they
// took for a rule stops, or cost and size say nothing, or too much. [Generate]
// knows them as well.
func HostileNames() []string {
	return []string{
		"wonders", "sizes", "half free", "equal", "noise", "shift", "turnover", "big scans", "three loops",
		"bursts", "twice only", "dear die", "random walk", "there and back", "small set",
	}
}

// hostile returns what gives the requests of the workload called name, nil for
// an unknown one. n is how many there will be.
func (g *generator) hostile(name string, n int) func(i int) Request {
	switch name {
	case "wonders": // nine in ten are asked for once
		return g.wonders()
	case "sizes": // sizes and costs over six decades, each for itself
		return g.decades()
	case "half free": // what costs nothing is as popular as the rest
		for i := range g.objects {
			if i%2 == 0 {
				g.objects[i].Cost = 0
			}
		}
		return g.popular(0.9)
	case "equal": // size and cost say nothing
		g.alike()
		return g.popular(0.9)
	case "noise": // a cost measured anew, with a tail, each time
		z := g.popular(0.9)
		return func(i int) Request {
			r := z(i)
			r.Cost *= math.Exp(2.5 * g.rng.NormFloat64())
			return r
		}
	case "shift": // in the middle nothing that was popular is so any more
		return g.shiftingEvery(n/2 + 1)
	case "turnover": // and here it lasts for three requests in a hundred
		return g.shiftingEvery(n/33 + 1)
	case "big scans": // now and then somebody reads everything
		return g.bigScans()
	case "three loops": // round and round, of three lengths
		return g.threeLoops()
	case "small set": // sixty objects, of which a cache holds a few
		g.alike()
		g.objects = g.objects[:60]
		return g.popular(0.7)
	}
	return g.misleading(name, n)
}

func (g *generator) misleading(name string, n int) func(i int) Request {
	switch name {
	case "bursts": // asked for a few times at once, then never again
		return g.bursts()
	case "twice only": // and never a third time
		return g.twiceOnly()
	case "dear die": // the dear ones are what is asked for, then they are once-only
		return g.dearDie(n)
	case "random walk": // to a neighbour each time, with jumps
		return g.randomWalk()
	case "there and back": // through 5000 and back again
		g.alike()
		at, step := 0, 1
		return func(int) Request {
			if at+step < 0 || at+step >= 5000 {
				step = -step
			}
			at += step
			return g.objects[at]
		}
	}
	return nil
}

// alike makes all objects cost and size the same.
func (g *generator) alike() {
	for i := range g.objects {
		g.objects[i].Size, g.objects[i].Cost = evenSize, evenCost
	}
}

func (g *generator) popular(a float64) func(int) Request {
	z := g.zipf(a, g.objects)
	return func(int) Request { return z() }
}

func (g *generator) wonders() func(int) Request {
	z := g.zipf(0.9, g.objects[:2000])
	return func(int) Request {
		if g.rng.Float64() < 0.9 {
			return g.fresh()
		}
		return z()
	}
}

func (g *generator) decades() func(int) Request {
	for i := range g.objects {
		g.objects[i].Size = int64(100 * math.Pow(1e6, g.rng.Float64()))
		g.objects[i].Cost = 1e-5 * math.Pow(1e6, g.rng.Float64())
	}
	return g.popular(0.9)
}

func (g *generator) shiftingEvery(length int) func(int) Request {
	var z func() Request
	return func(i int) Request {
		if i%length == 0 {
			z = g.zipf(0.9, g.objects)
		}
		return z()
	}
}

func (g *generator) bigScans() func(int) Request {
	z := g.popular(0.9)
	const every = 3 * objects
	return func(i int) Request {
		if i%every < objects {
			return g.objects[i%every]
		}
		return z(i)
	}
}

func (g *generator) threeLoops() func(int) Request {
	lengths, at := []int{500, 3000, 9000}, []int{0, 0, 0}
	return func(int) Request {
		l := g.rng.IntN(len(lengths))
		at[l]++
		return g.objects[1000*l+500*l*l+at[l]%lengths[l]]
	}
}

func (g *generator) bursts() func(int) Request {
	z := g.popular(0.9)
	type burst struct {
		r    Request
		left int
	}
	var open []burst
	return func(i int) Request {
		if g.rng.Float64() < 0.3 {
			return z(i)
		}
		if len(open) < 30 {
			open = append(open, burst{g.fresh(), 3 + g.rng.IntN(6)})
		}
		at := g.rng.IntN(len(open))
		r := open[at].r
		if open[at].left--; open[at].left == 0 {
			open[at] = open[len(open)-1]
			open = open[:len(open)-1]
		}
		return r
	}
}

func (g *generator) twiceOnly() func(int) Request {
	due := map[int]Request{}
	return func(i int) Request {
		if r, ok := due[i]; ok {
			delete(due, i)
			return r
		}
		r := g.fresh()
		for at := i + 1; ; at++ {
			at += int(math.Exp(9 * g.rng.Float64()))
			if _, taken := due[at]; !taken {
				due[at] = r
				return r
			}
		}
	}
}

func (g *generator) dearDie(n int) func(int) Request {
	sorted := g.byDensity()
	dear, rest := g.zipf(0.9, sorted[objects-dearFifth:]), g.zipf(0.9, sorted[:objects-dearFifth])
	return func(i int) Request {
		switch {
		case g.rng.Float64() < 0.5:
			return rest()
		case i < n/2:
			return dear()
		}
		r := sorted[objects-1-g.rng.IntN(dearFifth)]
		r.Key = g.rng.Uint64()
		return r
	}
}

func (g *generator) randomWalk() func(int) Request {
	at := 0
	return func(int) Request {
		at += g.rng.IntN(21) - 10
		if g.rng.Float64() < 0.0005 {
			at = g.rng.IntN(objects)
		}
		at = (at + objects) % objects
		return g.objects[at]
	}
}
