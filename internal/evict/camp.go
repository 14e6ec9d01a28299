package evict

import (
	"container/heap"
	"math"
)

// CAMP (Ghandeharizadeh and others, Middleware 2014) is GreedyDual-Size with the
// ratio of cost to size rounded to a few significant bits: entries of one
// ratio are one queue in order of use, and only the queues are in a heap. See
// [NewCAMP].
type CAMP struct {
	clock  float64
	nodes  map[uint64]*campNode
	queues map[float64]*campQueue
	order  campHeap
}

type campNode struct {
	node

	of *campQueue
}

type campQueue struct {
	ring  *ring
	ratio float64
	index int
}

// campBits is how many significant bits of the ratio are kept.
const campBits = 5

var _ Policy = (*CAMP)(nil)

// NewCAMP returns an empty CAMP.
func NewCAMP() *CAMP {
	return &CAMP{nodes: make(map[uint64]*campNode), queues: make(map[float64]*campQueue)}
}

// Insert implements [Policy].
func (p *CAMP) Insert(key uint64, size int64, cost float64) {
	p.Remove(key)
	ratio := roundBits(cost / float64(size))
	q := p.queues[ratio]
	if q == nil {
		q = &campQueue{ring: newRing(), ratio: ratio, index: -1}
		p.queues[ratio] = q
	}
	n := &campNode{node: node{key: key, size: size, score: p.clock + ratio}, of: q}
	p.nodes[key] = n
	q.ring.push(&n.node)
	p.reorder(q)
}

// Touch implements [Policy].
func (p *CAMP) Touch(key uint64) {
	if n := p.nodes[key]; n != nil {
		n.score = p.clock + n.of.ratio
		n.of.ring.renew(&n.node)
		p.reorder(n.of)
	}
}

// Evict implements [Policy].
func (p *CAMP) Evict() (uint64, bool) {
	if len(p.order) == 0 {
		return 0, false
	}
	n := p.order[0].ring.oldest()
	p.clock = n.score
	p.Remove(n.key)
	if p.clock > clockLimit {
		for _, n := range p.nodes {
			n.score -= p.clock
		}
		p.clock = 0
	}
	return n.key, true
}

// Remove implements [Policy].
func (p *CAMP) Remove(key uint64) {
	n := p.nodes[key]
	if n == nil {
		return
	}
	q := n.of
	q.ring.unlink(&n.node)
	delete(p.nodes, key)
	p.reorder(q)
}

// reorder restores the heap after q changed; an empty queue goes.
func (p *CAMP) reorder(q *campQueue) {
	switch {
	case q.ring.len == 0:
		heap.Remove(&p.order, q.index)
		delete(p.queues, q.ratio)
	case q.index < 0:
		heap.Push(&p.order, q)
	default:
		heap.Fix(&p.order, q.index)
	}
}

func roundBits(x float64) float64 {
	frac, exp := math.Frexp(x)
	return math.Ldexp(math.Trunc(math.Ldexp(frac, campBits)), exp-campBits)
}

type campHeap []*campQueue

func (h campHeap) Len() int           { return len(h) }
func (h campHeap) Less(i, j int) bool { return h[i].ring.oldest().score < h[j].ring.oldest().score }
func (h campHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *campHeap) Push(x any) {
	q := x.(*campQueue)
	q.index = len(*h)
	*h = append(*h, q)
}

func (h *campHeap) Pop() any {
	old := *h
	last := len(old) - 1
	q := old[last]
	old[last] = nil
	*h = old[:last]
	return q
}
