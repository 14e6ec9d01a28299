package evict

import "container/heap"

// maxFreq bounds how often a touch raises a score: what was asked for a
// thousand times last week must not outlive what is asked for now.
const maxFreq = 15

// GDSF is GreedyDual-Size-Frequency: it gives up the least
//
//	L + min(touches, 15) · cost / size
//
// where L is the score of the last key given up, so that what is not touched
// any more is overtaken by newcomers (Cherkasova, HPL-98-69). A newcomer worth
// less than all others is given up at once. See [NewGDSF].
type GDSF struct {
	clock float64
	byKey map[uint64]*scored
	queue scoreHeap
}

var _ Policy = (*GDSF)(nil)

type scored struct {
	key     uint64
	density float64 // cost per byte
	score   float64
	freq    uint8
	index   int
}

// NewGDSF returns an empty GDSF.
func NewGDSF() *GDSF { return &GDSF{byKey: make(map[uint64]*scored)} }

// Insert implements [Policy].
func (p *GDSF) Insert(key uint64, size int64, cost float64) {
	freq := uint8(1)
	if s := p.byKey[key]; s != nil {
		freq = min(s.freq+1, maxFreq)
	}
	p.Remove(key)
	s := &scored{key: key, density: cost / float64(size), freq: freq}
	s.score = p.clock + float64(freq)*s.density
	p.byKey[key] = s
	heap.Push(&p.queue, s)
}

// Touch implements [Policy].
func (p *GDSF) Touch(key uint64) {
	s := p.byKey[key]
	if s == nil {
		return
	}
	s.freq = min(s.freq+1, maxFreq)
	s.score = p.clock + float64(s.freq)*s.density
	heap.Fix(&p.queue, s.index)
}

// Evict implements [Policy].
func (p *GDSF) Evict() (uint64, bool) {
	if len(p.queue) == 0 {
		return 0, false
	}
	s := p.queue[0]
	p.clock = s.score
	p.Remove(s.key)
	if p.clock > clockLimit {
		p.renormalise()
	}
	return s.key, true
}

// Remove implements [Policy].
func (p *GDSF) Remove(key uint64) {
	if s := p.byKey[key]; s != nil {
		heap.Remove(&p.queue, s.index)
		delete(p.byKey, key)
	}
}

// clockLimit keeps the clock where adding the least density of interest (a
// microsecond for a gigabyte: 1e-15) still changes it, whatever the number of
// requests: above it, scores are moved down together.
const clockLimit = 1.0

func (p *GDSF) renormalise() {
	for _, s := range p.queue {
		s.score -= p.clock
	}
	p.clock = 0
}

type scoreHeap []*scored

func (h scoreHeap) Len() int           { return len(h) }
func (h scoreHeap) Less(i, j int) bool { return h[i].score < h[j].score }
func (h scoreHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *scoreHeap) Push(x any) {
	s := x.(*scored)
	s.index = len(*h)
	*h = append(*h, s)
}

func (h *scoreHeap) Pop() any {
	old := *h
	last := len(old) - 1
	s := old[last]
	old[last] = nil
	*h = old[:last]
	return s
}
