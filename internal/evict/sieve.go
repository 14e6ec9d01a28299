package evict

// Sieve is SIEVE (Zhang and others, NSDI 2024): one queue and a hand that walks
// from old to new, passes over what was touched since it last came by, and
// gives up the first that was not. It knows neither sizes nor costs. See
// [NewSieve].
type Sieve struct {
	nodes map[uint64]*node
	ring  *ring
	hand  *node // the next to look at; nil stands for the oldest
}

var _ Policy = (*Sieve)(nil)

// NewSieve returns an empty Sieve.
func NewSieve() *Sieve { return &Sieve{nodes: make(map[uint64]*node), ring: newRing()} }

// Insert implements [Policy].
func (p *Sieve) Insert(key uint64, size int64, _ float64) {
	if n := p.nodes[key]; n != nil {
		n.freq = 1
		p.ring.bytes += size - n.size
		n.size = size
		return
	}
	n := &node{key: key, size: size}
	p.nodes[key] = n
	p.ring.push(n)
}

// Touch implements [Policy].
func (p *Sieve) Touch(key uint64) {
	if n := p.nodes[key]; n != nil {
		n.freq = 1
	}
}

// Evict implements [Policy].
func (p *Sieve) Evict() (uint64, bool) {
	if p.ring.len == 0 {
		return 0, false
	}
	n := p.at()
	for n.freq > 0 {
		n.freq = 0
		p.hand = n.newer
		n = p.at()
	}
	p.Remove(n.key)
	return n.key, true
}

// at returns the node under the hand, which goes round.
func (p *Sieve) at() *node {
	if p.hand == nil || p.hand == &p.ring.head {
		p.hand = p.ring.oldest()
	}
	return p.hand
}

// Remove implements [Policy].
func (p *Sieve) Remove(key uint64) {
	n := p.nodes[key]
	if n == nil {
		return
	}
	if p.hand == n {
		p.hand = n.newer
	}
	p.ring.unlink(n)
	delete(p.nodes, key)
}
