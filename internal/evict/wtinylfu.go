package evict

// WTinyLFU is W-TinyLFU (Einziger, Friedman, Manes, TOS 2017): newcomers enter a
// window in order of use; what falls out of it competes with the oldest of the
// main part, segmented in two, by how often a sketch has seen each. The window's
// share climbs towards more hits. It knows sizes, not costs. See [NewWTinyLFU].
type WTinyLFU struct {
	capacity int64
	window   int64 // bytes that the window may have
	nodes    map[uint64]*node
	queues   [3]*ring // by node.queue
	sketch   *sketch
	climb    climber
}

const (
	queueWindow = iota
	queueProbation
	queueProtected
)

const protectedShare = 0.8

var _ Policy = (*WTinyLFU)(nil)

// NewWTinyLFU returns an empty WTinyLFU for a cache of capacity bytes.
func NewWTinyLFU(capacity int64) *WTinyLFU {
	p := &WTinyLFU{capacity: capacity, window: capacity / 100, nodes: make(map[uint64]*node), sketch: newSketch()}
	p.climb.step = climbStep
	for i := range p.queues {
		p.queues[i] = newRing()
	}
	return p
}

// Insert implements [Policy].
func (p *WTinyLFU) Insert(key uint64, size int64, _ float64) {
	p.Remove(key)
	p.asked(key, false)
	n := &node{key: key, size: size}
	p.nodes[key] = n
	p.queues[queueWindow].push(n)
}

// Touch implements [Policy].
func (p *WTinyLFU) Touch(key uint64) {
	n := p.nodes[key]
	if n == nil {
		return
	}
	p.asked(key, true)
	if n.queue != queueProbation {
		p.queues[n.queue].renew(n)
		return
	}
	p.move(n, queueProtected)
	limit := int64(protectedShare * float64(p.capacity-p.window))
	for q := p.queues[queueProtected]; q.bytes > limit && q.len > 1; {
		p.move(q.oldest(), queueProbation)
	}
}

// Evict implements [Policy].
func (p *WTinyLFU) Evict() (uint64, bool) {
	var candidate *node
	for q := p.queues[queueWindow]; q.bytes > p.window && q.len > 0; {
		candidate = q.oldest()
		p.move(candidate, queueProbation)
	}
	victim := p.queues[queueProbation].oldest()
	for _, q := range []int{queueProtected, queueWindow} {
		if victim == nil {
			victim = p.queues[q].oldest()
		}
	}
	if victim == nil {
		return 0, false
	}
	if candidate == nil { // the last that came out of the window still competes
		candidate = p.queues[queueProbation].head.older
	}
	if candidate.key != 0 && candidate != victim && p.sketch.count(candidate.key) <= p.sketch.count(victim.key) {
		victim = candidate
	}
	p.Remove(victim.key)
	return victim.key, true
}

// Remove implements [Policy].
func (p *WTinyLFU) Remove(key uint64) {
	if n := p.nodes[key]; n != nil {
		p.queues[n.queue].unlink(n)
		delete(p.nodes, key)
	}
}

func (p *WTinyLFU) move(n *node, queue uint8) {
	p.queues[n.queue].unlink(n)
	n.queue = queue
	p.queues[queue].push(n)
}

func (p *WTinyLFU) asked(key uint64, hit bool) {
	p.sketch.add(key, len(p.nodes))
	if by := p.climb.asked(hit, len(p.nodes)); by != 0 {
		p.window += int64(by * float64(p.capacity))
		p.window = min(max(p.window, p.capacity/100), p.capacity*8/10)
	}
}

const (
	climbStep    = 0.0625
	climbDecay   = 0.98
	climbSamples = 10 // requests per entry between two steps
)

// climber moves a share up or down, and on in the same direction while that
// brings hits.
type climber struct {
	asks, hits int
	last, step float64
}

// asked returns by how much to change the share now: mostly 0.
func (c *climber) asked(hit bool, entries int) float64 {
	c.asks++
	if hit {
		c.hits++
	}
	if c.asks < climbSamples*max(entries, 100) {
		return 0
	}
	ratio := float64(c.hits) / float64(c.asks)
	if ratio < c.last {
		c.step = -c.step
	}
	c.step *= climbDecay
	if d := ratio - c.last; d > 0.05 || d < -0.05 {
		c.step = max(min(c.step*climbStep/max(c.step, -c.step), climbStep), -climbStep)
	}
	c.last, c.asks, c.hits = ratio, 0, 0
	return c.step
}

// sketch counts approximately how often keys were seen lately (count-min, four
// rows, halved after ten times as many additions as there are entries).
type sketch struct {
	rows      [4][]uint8
	additions int
}

const (
	sketchMax  = 15
	sketchLeap = 10
)

func newSketch() *sketch {
	s := &sketch{}
	s.grow(1 << 10)
	return s
}

func (s *sketch) grow(width int) {
	for i := range s.rows {
		s.rows[i] = make([]uint8, width)
	}
}

// at gives the place of key in row i: other bits of a mixed key for each row.
func (s *sketch) at(key uint64, i int) *uint8 {
	key = (key + uint64(i)) * 0x9e3779b97f4a7c15
	key ^= key >> 32
	return &s.rows[i][key&uint64(len(s.rows[i])-1)]
}

func (s *sketch) add(key uint64, entries int) {
	if entries > len(s.rows[0]) {
		s.grow(4 * len(s.rows[0]))
	}
	for i := range s.rows {
		if c := s.at(key, i); *c < sketchMax {
			*c++
		}
	}
	s.additions++
	if s.additions < sketchLeap*max(entries, 100) {
		return
	}
	s.additions = 0
	for _, row := range s.rows {
		for j := range row {
			row[j] /= 2
		}
	}
}

func (s *sketch) count(key uint64) uint8 {
	least := uint8(sketchMax)
	for i := range s.rows {
		least = min(least, *s.at(key, i))
	}
	return least
}
