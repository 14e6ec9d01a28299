package evict

// LRU gives up what has not been asked for the longest. It knows neither sizes
// nor costs and is here to be compared with. See [NewLRU].
type LRU struct {
	nodes map[uint64]*node
	ring  *ring
}

var _ Policy = (*LRU)(nil)

// NewLRU returns an empty LRU.
func NewLRU() *LRU { return &LRU{nodes: make(map[uint64]*node), ring: newRing()} }

// Insert implements [Policy].
func (p *LRU) Insert(key uint64, size int64, _ float64) {
	p.Remove(key)
	n := &node{key: key, size: size}
	p.nodes[key] = n
	p.ring.push(n)
}

// Touch implements [Policy].
func (p *LRU) Touch(key uint64) {
	if n := p.nodes[key]; n != nil {
		p.ring.renew(n)
	}
}

// Evict implements [Policy].
func (p *LRU) Evict() (uint64, bool) {
	n := p.ring.oldest()
	if n == nil {
		return 0, false
	}
	p.Remove(n.key)
	return n.key, true
}

// Remove implements [Policy].
func (p *LRU) Remove(key uint64) {
	if n := p.nodes[key]; n != nil {
		p.ring.unlink(n)
		delete(p.nodes, key)
	}
}
