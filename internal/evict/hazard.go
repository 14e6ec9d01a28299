package evict

import "math"

// Hazard gives up what will save the least per byte and per unit of time until
// it is asked for again, by what it has learnt about this very traffic.
//
// GDSF asks how often something was touched since it came in. That forgets what
// was given up, cannot tell a loop from a passer-by, and takes cost per byte at
// its word even where the dear ones are never asked for twice. Hazard keeps a
// bounded directory of entries, held and given up, with how often and at what
// mean gap each was asked for, and measures how likely entries of each [kind]
// are to be asked for as time passes since they last were: the hazard rate of
// survival analysis. The score of an entry is
//
//	cost / size · best over all horizons of (chance to be asked for) / (expected wait)
//
// which is the Gittins index of keeping it: with a falling hazard it is the
// present one, in a loop it looks ahead to the entry's turn. Rates are smoothed
// towards 0.7/(mean gap + age) where little was seen, so that it starts as an
// ordinary frequency policy. Time is counted in requests.
//
// Scores change with every request, so they are not kept in order: the victim
// is the least of 64 drawn at random and the newcomer. 32 or 128 differ by 0.2
// points. Everything is bounded: what is kept of the past is the directory, at
// most 4 given-up entries for each present one or one for each 32 KiB of
// capacity, at about [HistoryBytes] each, and tables of fixed size.
//
// See [NewHazard].
type Hazard struct {
	capacity int64
	tick     uint64
	random   uint64

	// slots is the directory; slots[0] is the sentinel of the ring of ghosts,
	// in the order in which they were given up. free are its unused places.
	slots  []slot
	free   []int32
	byKey  map[uint64]int32
	ghosts int
	swept  int

	// INVARIANT: residents[slots[i].place].slot == i for each present slot i.
	residents []resident
	newcomer  int32 // the slot inserted last, while it is present, else 0

	rates hazards
}

var (
	_ Policy  = (*Hazard)(nil)
	_ Resizer = (*Hazard)(nil)
)

// slot is what is known of one key.
type slot struct {
	key          uint64
	last         uint64  // when it was asked for, in ticks
	density      float32 // seconds per byte
	gap          float32 // mean ticks between the last requests
	asked        uint16  // how often, saturating; 0 in an unused slot
	kind         kind    // as of when it was last asked for
	place        int32   // in residents, or absent
	older, newer int32   // in the ring of ghosts
}

const absent = -1

// resident repeats of a present slot what its score needs, so that drawing 64
// of them touches little memory.
type resident struct {
	last    uint64
	density float32
	kind    kind
	slot    int32
}

const (
	// HistoryBytes is about what one entry of a [Hazard]'s directory takes, its
	// share of the map included.
	HistoryBytes = 88
	// HistoryGrain is the bytes of capacity for each of which a [Hazard] may
	// remember one entry that it gave up.
	HistoryGrain = 32 << 10
	// HistoryFactor is how many such entries it may remember for each present
	// one, if that is more.
	HistoryFactor = 4

	drawn       = 64 // residents looked at to find a victim
	sweptATick  = 4  // directory entries that count as exposed at each tick
	gapMemory   = 8  // requests over which the mean gap is taken
	maxAsked    = 1 << 10
	leastCost   = 1e-9 // seconds; what costs nothing still differs in size
	randomStart = 0x9e3779b97f4a7c15
)

// NewHazard returns an empty Hazard for a cache of capacity bytes. Its choices
// are the same for the same calls.
func NewHazard(capacity int64) *Hazard {
	p := &Hazard{capacity: capacity, random: randomStart, slots: make([]slot, 1), byKey: make(map[uint64]int32)}
	p.rates.learn()
	return p
}

// Resize implements [Resizer].
func (p *Hazard) Resize(capacity int64) {
	p.capacity = capacity
	p.forgetGhosts()
}

// Insert implements [Policy].
func (p *Hazard) Insert(key uint64, size int64, cost float64) {
	p.pass()
	density := densityOf(size, cost)
	i, known := p.byKey[key]
	if known {
		if p.slots[i].place == absent {
			p.leaveGhosts(i)
		}
		density = (p.slots[i].density + density) / 2 // one load may have been unlucky
		p.slots[i].density = density
		p.ask(i)
	} else {
		i = p.newSlot()
		p.byKey[key] = i
		p.slots[i] = slot{key: key, last: p.tick, density: density, asked: 1, kind: firstKind(density), place: absent}
	}
	s := &p.slots[i]
	if s.place == absent {
		s.place = int32(len(p.residents))
		p.residents = append(p.residents, resident{})
	}
	p.residents[s.place] = resident{last: s.last, density: density, kind: s.kind, slot: i}
	p.newcomer = i
}

// densityOf is cost per byte, in bounds: whoever measures may divide by zero.
func densityOf(size int64, cost float64) float32 {
	d := (cost + leastCost) / float64(max(size, 1))
	if !(d > leastCost/math.MaxInt64) { // or is no number
		d = leastCost / math.MaxInt64
	}
	return float32(min(d, 1/leastCost))
}

// Touch implements [Policy].
func (p *Hazard) Touch(key uint64) {
	i, known := p.byKey[key]
	if !known || p.slots[i].place == absent {
		return
	}
	p.pass()
	p.ask(i)
}

// Evict implements [Policy].
func (p *Hazard) Evict() (uint64, bool) {
	if len(p.residents) == 0 {
		return 0, false
	}
	victim, least := 0, float32(math.Inf(1))
	if p.newcomer != 0 {
		victim = int(p.slots[p.newcomer].place)
		least = p.score(&p.residents[victim])
	}
	for range drawn {
		i := p.draw(len(p.residents))
		if s := p.score(&p.residents[i]); s < least {
			victim, least = i, s
		}
	}
	key := p.slots[p.residents[victim].slot].key
	p.Remove(key)
	return key, true
}

// Remove implements [Policy]. The key is still remembered as a ghost.
func (p *Hazard) Remove(key uint64) {
	i, known := p.byKey[key]
	if !known || p.slots[i].place == absent {
		return
	}
	place, last := p.slots[i].place, len(p.residents)-1
	p.residents[place] = p.residents[last]
	p.slots[p.residents[place].slot].place = place
	p.residents = p.residents[:last]
	p.slots[i].place = absent
	if p.newcomer == i {
		p.newcomer = 0
	}
	p.joinGhosts(i)
	p.forgetGhosts()
}

func (p *Hazard) score(r *resident) float32 {
	return p.rates.index[r.kind][ageBucket(p.tick-r.last)] * r.density
}

// pass counts a request. A few directory entries in turn, for all of them,
// count as exposed: as not asked for at the age they have now. So each kind and
// age is seen for as many ticks as there are entries in it, and nothing has to
// be done for an entry that nobody asks for.
func (p *Hazard) pass() {
	p.tick++
	weight := float32(len(p.slots)) / sweptATick
	for range sweptATick {
		p.swept++
		if p.swept >= len(p.slots) {
			p.swept = 0
		}
		if s := &p.slots[p.swept]; s.asked > 0 {
			p.rates.exposed(s.kind, p.tick-s.last, weight)
		}
	}
	p.rates.pass()
}

// ask notes that slot i was asked for at this tick.
func (p *Hazard) ask(i int32) {
	s := &p.slots[i]
	age := p.tick - s.last
	p.rates.asked(s.kind, age)
	s.gap += (float32(age) - s.gap) / float32(min(s.asked, gapMemory))
	s.asked = min(s.asked+1, maxAsked)
	s.last = p.tick
	s.kind = laterKind(s.asked, s.gap)
	if s.place != absent {
		r := &p.residents[s.place]
		r.last, r.kind = s.last, s.kind
	}
}

func (p *Hazard) newSlot() int32 {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		return i
	}
	p.slots = append(p.slots, slot{})
	return int32(len(p.slots) - 1)
}

func (p *Hazard) joinGhosts(i int32) {
	newest := p.slots[0].older
	p.slots[i].older, p.slots[i].newer = newest, 0
	p.slots[newest].newer = i
	p.slots[0].older = i
	p.ghosts++
}

func (p *Hazard) leaveGhosts(i int32) {
	s := &p.slots[i]
	p.slots[s.newer].older, p.slots[s.older].newer = s.older, s.newer
	p.ghosts--
}

func (p *Hazard) forgetGhosts() {
	limit := max(HistoryFactor*len(p.residents), int(p.capacity/HistoryGrain))
	for p.ghosts > limit {
		oldest := p.slots[0].newer
		p.leaveGhosts(oldest)
		delete(p.byKey, p.slots[oldest].key)
		p.slots[oldest] = slot{}
		p.free = append(p.free, oldest)
	}
}

// draw returns a number under n (xorshift: fast, and the same in every run).
func (p *Hazard) draw(n int) int {
	p.random ^= p.random << 13
	p.random ^= p.random >> 7
	p.random ^= p.random << 17
	return int(p.random >> 32 * uint64(n) >> 32)
}
