package sim

import "math"

// FurtherNames are workloads that no policy here was tuned on, that [Generate]
// knows as well: what is asked for at a site, and what breaks policies.
func FurtherNames() []string {
	return []string{"few", "stack", "scroll", "live", "loop", "twice", "noisy", "diurnal", "even density", "big ones", "churn"}
}

// further returns what gives the n requests of the workload called name, nil
// for an unknown one.
func (g *generator) further(name string, n int) func(i int) Request {
	switch name {
	case "few": // two hundred equal objects
		return g.few()
	case "stack": // recency: log-normal stack distances, one in seven is new
		return g.stack()
	case "scroll": // 64 viewers go through stacks of 100 frames, back and forth
		return g.scroll()
	case "live": // 20 viewers follow the newest frame, one in ten looks back
		return g.live()
	case "loop": // round and round
		return func(i int) Request { return g.objects[i%8000] }
	case "twice": // scans that touch everything twice
		return g.twice()
	case "noisy": // the cost is another each time
		z := g.zipf(0.9, g.objects)
		return func(int) Request {
			r := z()
			r.Cost *= math.Exp(g.rng.NormFloat64())
			return r
		}
	case "diurnal": // two crowds take turns
		day, night := g.zipf(0.9, g.objects[:objects/2]), g.zipf(0.9, g.objects[objects/2:])
		return func(i int) Request {
			if i/objects%2 == 0 {
				return day()
			}
			return night()
		}
	case "even density": // cost says no more than size
		for i, o := range g.objects {
			g.objects[i].Cost = float64(o.Size) / 100e6
		}
		z := g.zipf(0.9, g.objects)
		return func(int) Request { return z() }
	case "big ones": // the larger, the more popular
		return g.bigOnes()
	case "churn": // the newer, the more popular
		return g.churn()
	}
	return g.hostile(name, n)
}

func (g *generator) few() func(int) Request {
	g.objects = g.objects[:200]
	for i := range g.objects {
		g.objects[i].Size, g.objects[i].Cost = evenSize, evenCost
	}
	z := g.zipf(0.9, g.objects)
	return func(int) Request { return z() }
}

// fresh makes an object that nobody has asked for.
func (g *generator) fresh() Request {
	r := g.objects[g.rng.IntN(objects)]
	r.Key = g.rng.Uint64()
	return r
}

func (g *generator) stack() func(int) Request {
	var asked []Request
	return func(int) Request {
		depth := int(math.Exp(4 + 2*g.rng.NormFloat64()))
		if depth >= len(asked) || g.rng.Float64() < 0.15 {
			asked = append(asked, g.fresh())
			return asked[len(asked)-1]
		}
		at := len(asked) - 1 - depth
		r := asked[at]
		asked = append(append(asked[:at], asked[at+1:]...), r)
		return r
	}
}

func (g *generator) scroll() func(int) Request {
	const frames, viewers = 100, 64
	stacks := make([]Request, objects/frames)
	for i := range stacks {
		stacks[i].Key = uint64(i)
	}
	z := g.zipf(0.9, stacks)
	var at, end [viewers]int
	return func(int) Request {
		v := g.rng.IntN(viewers)
		if at[v] >= end[v] {
			at[v] = int(z().Key) * frames
			end[v] = at[v] + frames
		}
		r := g.objects[at[v]]
		if at[v]++; g.rng.Float64() < 0.2 && at[v]%frames > 1 {
			at[v] -= 2
		}
		return r
	}
}

func (g *generator) live() func(int) Request {
	const viewers, size, cost = 20, 2_000_000, 0.02
	frames := []Request{}
	return func(i int) Request {
		if i%(viewers*11/10) == 0 {
			frames = append(frames, Request{Key: g.rng.Uint64(), Size: size, Cost: cost})
		}
		if i%11 == 10 {
			return frames[g.rng.IntN(len(frames))]
		}
		return frames[len(frames)-1]
	}
}

func (g *generator) twice() func(int) Request {
	z := g.zipf(0.9, g.objects)
	at, left := 0, 0
	return func(int) Request {
		if left == 0 && g.rng.Float64() < scanChance {
			left, at = 100+g.rng.IntN(400), g.rng.IntN(objects)
		}
		if left == 0 {
			return z()
		}
		left--
		return g.objects[(at+left/2)%objects]
	}
}

func (g *generator) bigOnes() func(int) Request {
	z := g.zipf(0.9, g.objects)
	return func(int) Request {
		for {
			r := z()
			if g.rng.Float64() < float64(r.Size)/float64(r.Size+2*medianSize) {
				return r
			}
		}
	}
}

func (g *generator) churn() func(int) Request {
	var born []Request
	return func(i int) Request {
		if i%20 == 0 {
			born = append(born, g.fresh())
		}
		age := int(math.Exp(1.8 * g.rng.ExpFloat64()))
		return born[max(0, len(born)-age)]
	}
}
