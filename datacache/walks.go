package datacache

import (
	"context"
	"slices"
)

// walks are those in one array, the latest last. A walk is a reader, as it
// seems, whose requests lie each one step further along one axis: a step of one
// block, or the same stride each time, in either direction. Requests are told
// apart by their [Tally], for their blocks come in any order; without one each
// block is a request.
type walks struct{ list []*walk }

const (
	aheadDepth   = 2  // how many steps ahead
	surely       = 2  // steps after which a walk is believed
	surelyStride = 3  // if they are of more than one block
	surelyRows   = 8  // steps within one request after which it is one by itself
	widest       = 64 // stride, in blocks
	bored        = 8  // needless guesses after which only each eighth step guesses
	walksAtOnce  = 64 // in one array
	pendingMost  = 32 // guesses that wait for their turn, of one walk
	latelyMost   = 64
	smallBox     = 64 // blocks of a request within which another is taken for the same
)

type walk struct {
	request *Tally
	lo, hi  []int64 // the box of the last request's blocks
	axis    int     // along which it walks,
	by      int64   // by so many blocks a step; 0 before the first
	steps   int

	row     int64           // the last block of this request along the first axis,
	rows    int             // and how many steps of one it made there
	idle    int             // guesses in a row of what was there already
	ctx     context.Context //nolint:containedctx // of what is read for it
	cancel  context.CancelFunc
	lately  []uint64 // hashes of blocks that were guessed, a ring
	guesses int
	pending [][]int64 // to be read ahead, the next first
}

// follow finds the walk that a read belongs to, or begins one, and adds to its
// pending what may be asked for next.
func (s *walks) follow(ctx context.Context, request *Tally, block []int64) *walk {
	w := s.of(request)
	if w != nil && len(w.lo) == len(block) {
		w.within(block)
	} else {
		w = s.step(ctx, block)
		w.request, w.row, w.rows = request, block[0], 0
	}
	if w.idle >= bored && w.steps%bored != 0 {
		return w
	}
	if w.believed() {
		w.expect(block, w.axis, w.by)
	}
	if w.rows >= surelyRows {
		w.expect(block, 0, 1)
	}
	return w
}

// of returns the walk that a request belongs to, nil if that is not known.
func (s *walks) of(request *Tally) *walk {
	if request == nil {
		return nil
	}
	for i := len(s.list) - 1; i >= 0; i-- {
		if s.list[i].request == request {
			return s.list[i]
		}
	}
	return nil
}

// within notes another block of the same request: one that reads many frames is
// a walk by itself.
func (w *walk) within(block []int64) {
	for i, at := range block {
		w.lo[i], w.hi[i] = min(w.lo[i], at), max(w.hi[i], at)
	}
	switch block[0] - w.row {
	case 1:
		w.rows++
		w.row++
	case 0, -1: // another tile, or one that was overtaken
	default:
		w.row, w.rows = block[0], 0
	}
}

func (w *walk) believed() bool {
	if w.by == 1 || w.by == -1 {
		return w.steps >= surely
	}
	return w.steps >= surelyStride
}

// How a walk may fit where a request begins, the best first.
const (
	expected = iota // it is expected there
	already         // its last request began there
	beside          // it goes nowhere yet, or turns back
	inside          // its last request was all around, and small
	foreign
)

// step finds the walk of which block, where a request begins, is the next step,
// or begins one.
func (s *walks) step(ctx context.Context, block []int64) *walk {
	best, at := foreign, 0
	for i, w := range s.list {
		if fit := w.fit(block, i == len(s.list)-1); fit < best {
			best, at = fit, i
		}
	}
	switch best {
	case foreign:
		return s.begin(ctx, block)
	case expected:
		s.list[at].steps++
	case beside:
		w := s.list[at]
		axis, by, _ := w.to(block)
		w.turn(ctx, axis, by)
		w.steps = 1
	}
	return s.latest(at, block)
}

// fit says how well a walk fits; last is whether it is the latest.
func (w *walk) fit(block []int64, last bool) int {
	axis, by, ok := w.to(block)
	switch {
	case ok && by == w.by && axis == w.axis && (w.believed() || unit(by) || last):
		return expected
	case ok && unit(by) && (!w.believed() || axis == w.axis && by == -w.by):
		return beside
	case ok || by != 0:
		return foreign
	case slices.Equal(w.lo, block):
		return already
	case w.blocks() <= smallBox:
		return inside
	}
	return foreign
}

func unit(by int64) bool { return by == 1 || by == -1 }

func (w *walk) blocks() int64 {
	n := int64(1)
	for i := range w.lo {
		n *= w.hi[i] - w.lo[i] + 1
	}
	return n
}

// to says along which axis block lies outside of the box, and how far; not ok
// if that is so along several, or along none, when by is 0.
func (w *walk) to(block []int64) (axis int, by int64, ok bool) {
	if len(w.lo) != len(block) {
		return 0, 1, false
	}
	for i, at := range block {
		d := max(0, at-w.hi[i]) + min(0, at-w.lo[i])
		if d == 0 {
			continue
		}
		if ok {
			return 0, 1, false
		}
		axis, by, ok = i, d, true
	}
	return axis, by, ok
}

// latest moves walk i to block and to the end of the list.
func (s *walks) latest(i int, block []int64) *walk {
	w := s.list[i]
	copy(w.lo, block)
	copy(w.hi, block)
	copy(s.list[i:], s.list[i+1:])
	s.list[len(s.list)-1] = w
	return w
}

// begin begins a walk, which may be the second step of one with a stride.
func (s *walks) begin(ctx context.Context, block []int64) *walk {
	w := &walk{lo: slices.Clone(block), hi: slices.Clone(block)}
	w.turn(ctx, 0, 0)
	if n := len(s.list); n > 0 {
		if axis, by, ok := s.list[n-1].to(block); ok && max(by, -by) <= widest {
			w.axis, w.by, w.steps = axis, by, 1
		}
	}
	if len(s.list) >= walksAtOnce {
		s.list[0].cancel()
		s.list = slices.Delete(s.list, 0, 1)
	}
	s.list = append(s.list, w)
	return w
}

// end gives up what is being read for all of them.
func (s *walks) end() {
	for _, w := range s.list {
		w.cancel()
	}
}

// turn gives up what is being read for the old direction.
func (w *walk) turn(ctx context.Context, axis int, by int64) {
	if w.cancel != nil {
		w.cancel()
	}
	w.ctx, w.cancel = context.WithCancel(ctx) //nolint:gosec // kept in the walk
	w.axis, w.by, w.steps, w.idle = axis, by, 0, 0
	w.lately, w.pending = w.lately[:0], nil
}

// expect adds the blocks of the next steps from block to what is pending.
func (w *walk) expect(block []int64, axis int, by int64) {
	for d := int64(1); d <= aheadDepth; d++ {
		next := slices.Clone(block)
		next[axis] += d * by
		if next[axis] < 0 || w.guessed(next) {
			continue
		}
		if len(w.pending) >= pendingMost {
			w.pending = slices.Delete(w.pending, 0, 1)
		}
		w.pending = append(w.pending, next)
	}
}

// next takes the first of what is pending, and the context to read it under.
func (w *walk) next() (context.Context, []int64) {
	next := w.pending[0]
	w.pending = w.pending[1:]
	return w.ctx, next
}

// guessed says whether the block was guessed lately, and notes that it is now.
func (w *walk) guessed(block []int64) bool {
	h := uint64(len(block))
	for _, i := range block {
		h = (h ^ uint64(i)) * 0x9e3779b97f4a7c15
	}
	if slices.Contains(w.lately, h) {
		return true
	}
	if len(w.lately) < latelyMost {
		w.lately = append(w.lately, h)
	} else {
		w.lately[w.guesses%latelyMost] = h
	}
	w.guesses++
	return false
}
