package evict

import (
	"math"
	"math/bits"
)

// kind is a class of directory entries expected to behave alike. What was asked
// for once is told apart by its cost per byte, the rest by how often it was
// asked for and at what mean gap. The cost matters for the first since a source
// of dear blocks that nobody asks for twice is common (stitched images that one
// person looks at once); afterwards the entry's own history says more.
type kind int16

const (
	firstKinds = 24 // each a factor of two in cost per byte
	gapKinds   = 24 // each a factor of 2^(1/gapSteps)
	gapSteps   = 1.3
	oftenKinds = 4 // asked for twice, 3–4, 5–11, more
	kinds      = firstKinds + oftenKinds*gapKinds

	leastDensity = 1.0 / (1 << 32) // seconds per byte: a quarter of a second per GiB
)

func firstKind(density float32) kind {
	_, exp := math.Frexp(float64(density) / leastDensity)
	return kind(min(max(exp-1, 0), firstKinds-1))
}

func laterKind(asked uint16, gap float32) kind {
	often := 0
	switch {
	case asked >= 12:
		often = 3
	case asked >= 5:
		often = 2
	case asked >= 3:
		often = 1
	}
	steps := int(math.Log2(float64(gap)+1) * gapSteps)
	return kind(firstKinds + often*gapKinds + min(steps, gapKinds-1))
}

// meanGap is the gap that entries of a kind have had, or may have for all that
// is known.
func (k kind) meanGap() float64 {
	if k < firstKinds {
		return unknownGap
	}
	return math.Exp2(float64((int(k)-firstKinds)%gapKinds) / gapSteps)
}

// ages is how many buckets there are for the ticks since an entry was last
// asked for: two for each factor of two, up to 2^24.
const ages = 48

func ageBucket(age uint64) int {
	age++
	top := bits.Len64(age) - 1
	if top == 0 {
		return 0
	}
	return min(2*top+int(age>>(top-1)&1), ages-1)
}

const (
	unknownGap  = 10_000 // ticks
	priorEvents = 3      // how many requests the assumed rate counts for
	priorFactor = 0.7    // of 1/(mean gap + age): not all come again
	fade        = 0.97   // of what was seen, at each lesson

	firstLesson = 128     // ticks between lessons at the start
	laterLesson = 4_096   // and once there is much to look back on
	fadeFrom    = 1 << 14 // ticks before which nothing fades
)

// hazards measures, for each kind and age, how often an entry is asked for per
// tick, and turns that into an index: hits per tick of keeping it for the best
// length of time.
type hazards struct {
	tick, lesson     uint64
	events, exposure [kinds][ages]float32
	index            [kinds][ages]float32
}

// asked notes that an entry was asked for.
func (h *hazards) asked(k kind, age uint64) { h.events[k][ageBucket(age)]++ }

// exposed notes that an entry was not asked for during ticks.
func (h *hazards) exposed(k kind, age uint64, ticks float32) { h.exposure[k][ageBucket(age)] += ticks }

// pass counts a tick; now and then it learns from what was noted.
func (h *hazards) pass() {
	h.tick++
	if h.tick >= h.lesson {
		h.learn()
	}
}

func (h *hazards) learn() {
	h.lesson = h.tick + min(max(firstLesson, h.tick/4), laterLesson)
	pool := h.pooled()
	for k := range kind(kinds) {
		h.index[k] = gittins(h.rates(k, &pool))
		if h.tick < fadeFrom {
			continue
		}
		for a := range ages {
			h.events[k][a] *= fade
			h.exposure[k][a] *= fade
		}
	}
}

// pooled returns the hazard of all that was asked for once, whatever its cost,
// smoothed towards priorFactor/(unknownGap + age): what to expect of a cost that
// was seldom seen.
func (h *hazards) pooled() (rate [ages]float64) {
	for a := range ages {
		e, x := 0.0, 0.0
		for k := range firstKinds {
			e += float64(h.events[k][a])
			x += float64(h.exposure[k][a])
		}
		rate[a] = (e + priorEvents) / (x + priorEvents*(unknownGap+middle(a))/priorFactor)
	}
	return rate
}

// rates returns the hazard of a kind at each age, per tick, smoothed towards
// priorFactor/(gap + age), or the pooled rates of what was asked for once.
func (h *hazards) rates(k kind, pool *[ages]float64) (rate [ages]float64) {
	gap := k.meanGap()
	seen := 1.0
	for a := range ages {
		assumed := priorFactor / (gap + middle(a))
		if k < firstKinds {
			assumed = pool[a]
		}
		rate[a] = (float64(h.events[k][a]) + priorEvents*seen) / (float64(h.exposure[k][a]) + priorEvents/assumed)
		if k < firstKinds {
			seen = h.expected(rate[a]/assumed, a)
		}
	}
	return rate
}

// expected returns by what factor of the assumed rate to hope for requests
// after bucket a, when ratio was seen there, of entries asked for once. What
// nobody comes back to shows at the ages that were reached so far; the index
// must not hope that they do at ages that no one has seen. But a loop whose
// first round is not over looks just the same: early on there is more hope, for
// ages that could not be seen yet.
func (h *hazards) expected(ratio float64, a int) float64 {
	if ratio >= 1 || middle(a) <= float64(h.tick)/2 {
		return ratio
	}
	hope := unknownGap / (unknownGap + float64(h.tick))
	return ratio + (1-ratio)*hope
}

// gittins returns for each age the greatest ratio, over all horizons from that
// age on, of the chance to be asked for before it to the expected wait.
func gittins(rate [ages]float64) (index [ages]float32) {
	var chance [ages]float64 // to be asked for within the bucket
	for a := range ages {
		chance[a] = -math.Expm1(-rate[a] * width(a))
	}
	for from := range ages {
		alive, hits, wait, best := 1.0, 0.0, 0.0, 0.0
		for a := from; a < ages && alive > negligible; a++ {
			hits += alive * chance[a]
			wait += alive * chance[a] / rate[a]
			alive *= 1 - chance[a]
			best = max(best, hits/wait)
		}
		index[from] = float32(best)
	}
	return index
}

const negligible = 0.01

func width(bucket int) float64 { return edge(bucket+1) - edge(bucket) }

func middle(bucket int) float64 { return (edge(bucket+1) + edge(bucket)) / 2 }

// edge is the least age (plus one) in a bucket, nearly: buckets divide each
// factor of two in the middle.
func edge(bucket int) float64 {
	whole := math.Exp2(float64(bucket / 2))
	return whole + whole/2*float64(bucket%2)
}
