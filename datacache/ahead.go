package datacache

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// ahead reads the next blocks for whoever walks through an array (see [walks]):
// frames i, i+1, i+2 of a stack, every tenth, slabs, planes along any axis. What
// it has read waits beside the cache, in a room of its own that was taken from
// the budget, until somebody asks for it, or until newer guesses need the room:
// a wrong guess pushes nothing out of the cache, and is counted.
//
// It gives way: no guess begins while as many reads as there are processors run
// for others, nor while half as many guesses run. A reader who comes for a block
// that is being read ahead joins that load. When a walk turns, what it was going
// to need is given up.
//
// A nil *ahead does nothing.
type ahead struct {
	cache *Cache
	limit int64
	ctx   context.Context //nolint:containedctx // ends with the cache, not with a call
	stop  context.CancelFunc
	tasks sync.WaitGroup
	reads atomic.Int64 // loads that run for others

	// mu guards the following.
	mu      sync.Mutex
	walks   map[string]*walks // by the path of the array
	running int
	// INVARIANT: bytes is the sum of what is staged and of what running
	// guesses have reserved, and bytes <= limit.
	bytes   int64
	staged  map[key]guess
	reading map[key]*reservation
	order   []key // as they were staged; may hold keys that are gone
}

type guess struct {
	loaded

	path       string
	generation uint64
}

const (
	aheadShare  = 16  // of the budget: one in aheadShare
	walkedAtAll = 256 // arrays
)

func newAhead(c *Cache, limit int64) *ahead {
	a := &ahead{cache: c, limit: limit, walks: map[string]*walks{}, staged: map[key]guess{}, reading: map[key]*reservation{}}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a
}

func (a *ahead) close() {
	a.stop()
	a.tasks.Wait()
}

// enter and leave enclose a load that somebody waits for.
func (a *ahead) enter() {
	if a != nil {
		a.reads.Add(1)
	}
}

func (a *ahead) leave() {
	if a != nil {
		a.reads.Add(-1)
	}
}

// take gives a block that was read ahead to who asks for it.
func (a *ahead) take(k key) (loaded, bool) {
	if a == nil {
		return loaded{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	g, ok := a.staged[k]
	if !ok {
		return loaded{}, false
	}
	delete(a.staged, k)
	a.bytes -= g.bytes + Overhead
	return g.loaded, a.cache.memory.generation(k) == g.generation
}

func (a *ahead) usage() (bytes, limit int64) {
	if a == nil {
		return 0, 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes, a.limit
}

// follow notes that a block is read, and reads ahead if that is part of a walk.
func (a *ahead) follow(ctx context.Context, array *array, block []int64) {
	if a == nil || len(block) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.walks[array.path]
	if of == nil {
		if len(a.walks) >= walkedAtAll {
			for _, of := range a.walks {
				of.end()
			}
			clear(a.walks) // crude, and rare: walks are learnt again in two steps
		}
		of = &walks{}
		a.walks[array.path] = of
	}
	w := of.follow(a.ctx, tallyOf(ctx), block)
	for len(w.pending) > 0 && a.mayRun() && a.running < max(1, runtime.GOMAXPROCS(0)/2) {
		a.running++
		ctx, next := w.next()
		a.tasks.Go(func() { a.work(ctx, w, array, next) })
	}
}

// mayRun says whether there is a processor that no reader waits for.
func (a *ahead) mayRun() bool { return a.reads.Load() < int64(runtime.GOMAXPROCS(0)) }

// work reads blocks ahead for w, the next first, as long as there are some and
// nobody else needs the processor.
func (a *ahead) work(ctx context.Context, w *walk, array *array, next []int64) {
	for next != nil {
		needless := a.read(ctx, array, next)
		a.mu.Lock()
		if w.idle++; !needless {
			w.idle = 0
		}
		if next = nil; len(w.pending) > 0 && a.mayRun() {
			ctx, next = w.next() //nolint:fatcontext // another one
		} else {
			a.running--
		}
		a.mu.Unlock()
	}
}

// read reads one block ahead, and says whether it was there already.
func (a *ahead) read(ctx context.Context, array *array, block []int64) (needless bool) {
	d, _, err := array.Describe(ctx)
	if err != nil || d.Array == nil || !d.Grid.Contains(block) {
		return false
	}
	v, err := array.Version(ctx, d, d.Grid.Of(block))
	if err != nil {
		return false
	}
	id := array.identify(ctx, v, block)
	k := key{id.ID, wholeBlock}
	size := d.Grid.Of(block).Len()*d.Array.DataType.ItemSize + Overhead
	if a.cache.memory.at(k.hash()) != nil {
		return true
	}
	r := (*reservation)(nil)
	if id.Trusted && id.ID != (adapter.ID{}) {
		r = a.reserve(k, size)
	}
	if r == nil {
		return false
	}
	defer a.release(r) // of a load that was not ours, or was given up
	a.cache.note(Event{Kind: PrefetchBegun, ID: id.ID, Column: wholeBlock, Path: array.path, Bytes: size})
	fk := flightKey{k, a.cache.memory.generation(k), true}
	_, _, _ = a.cache.flight.Do(ctx, fk, func(loading context.Context) (loaded, error) { // an error comes again to who asks
		var l loaded
		err := a.cache.shielded(array.path, func() (err error) {
			l, err = array.load(loading, v, block)
			return err
		})
		others := a.cache.flight.Waiting(fk)
		if ctx.Err() == nil {
			others--
		}
		switch {
		case err != nil:
		case others > 0:
			a.cache.keep(fk, array.path, l)
		default:
			a.stage(r, guess{l, array.path, fk.generation})
		}
		return l, err
	})
	return false
}

// reservation is room for one guess that is being read.
type reservation struct {
	key   key
	bytes int64
}

// reserve takes room for a guess, from older guesses that nobody asked for if
// need be. It returns nil if there is none, or the block is there already.
func (a *ahead) reserve(k key, bytes int64) *reservation {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, staged := a.staged[k]
	if staged || a.reading[k] != nil || !a.makeRoom(bytes) {
		return nil
	}
	r := &reservation{k, bytes}
	a.bytes += bytes
	a.reading[k] = r
	return r
}

// makeRoom drops the oldest guesses until there is room for so many bytes.
func (a *ahead) makeRoom(bytes int64) bool {
	for a.bytes+bytes > a.limit && len(a.order) > 0 {
		oldest := a.order[0]
		a.order = a.order[1:]
		if g, ok := a.staged[oldest]; ok {
			delete(a.staged, oldest)
			a.bytes -= g.bytes + Overhead
			a.cache.note(Event{Kind: PrefetchWasted, ID: oldest.id, Column: oldest.column, Path: g.path, Bytes: g.bytes, Cost: g.cost})
		}
	}
	return a.bytes+bytes <= a.limit
}

// release gives back a reservation that is not yet used or given back.
func (a *ahead) release(r *reservation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(r)
}

func (a *ahead) settle(r *reservation) bool {
	if a.reading[r.key] != r {
		return false
	}
	delete(a.reading, r.key)
	a.bytes -= r.bytes
	return true
}

// stage keeps a guess in the room that was reserved for it.
func (a *ahead) stage(r *reservation, g guess) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.settle(r) || !a.makeRoom(g.bytes+Overhead) {
		return
	}
	a.bytes += g.bytes + Overhead
	a.staged[r.key] = g
	if len(a.order) > 2*len(a.staged)+walkedAtAll { // mostly of keys that were taken
		a.order = slices.DeleteFunc(a.order, func(k key) bool { _, ok := a.staged[k]; return !ok })
	}
	a.order = append(a.order, r.key)
}
