// Package datacache keeps what was read and decoded, so that it is read once:
// blocks of arrays, columns of partitions of tables, and whatever else an
// adapter computes. It is the lowest of Terrazzo's three caches (layer 3): it
// wraps an [adapter.Adapter], lies under the API and knows no HTTP. Slices that
// overlap, and other formats of the same data, hit; a hit is one look-up and no
// copy.
//
// # What is in a key
//
// The name that the adapter gives to the state of one block or partition
// ([adapter.BlockID], a digest of the source's identity, its pinned version and
// which block it is), and for tables the column. A source that changes has new
// keys, so nothing needs hunting down. A generation stands beside it: whoever
// discards raises it first, so that those who ask afterwards do not join a load
// that began before, and such a load can put nothing into the cache.
//
// # Loads
//
// All who ask for a key while it is loaded wait for one load, each with its own
// deadline ([github.com/terrazzo-data/terrazzo/internal/flight]). An error goes
// once to all who waited, and is not kept. A source that may still be changing
// (a BlockID that is not Trusted) is never answered from memory: who asks is
// given what a load that began afterwards has read, shared with the others who
// had asked by then, and kept by nobody.
//
// # What is kept
//
// What saves the most seconds per byte, as [evict.Hazard] learns it from the
// traffic, by the cost that the adapter measured (waiting for the disk plus
// decoding, without queues), at most [MaxCost]. Not kept are blocks larger than
// an eighth of the budget, those that cost no more than a hit, and those that
// the policy thinks worth less than what would have to go. The budget is hard:
// the sum of what is held, each with [Overhead], never exceeds it, not even for
// a moment. What is given up while a response still uses it belongs to that
// response, whose server accounts for it.
//
// A cache without room ([Options].Bytes of 0) wraps nothing: each method works,
// and every read goes to the adapter.
package datacache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/evict"
	"github.com/terrazzo-data/terrazzo/internal/evict/trace"
	"github.com/terrazzo-data/terrazzo/internal/flight"
)

// Options are the settings of a [Cache]. The zero value is a cache that is off.
type Options struct {
	// Bytes is the budget. 0 switches the cache off.
	Bytes int64
	// Prefetch reads ahead for whoever walks through an array along one of its
	// axes, within a sixteenth of the budget. The blocks of one request are
	// known by its [Tally].
	Prefetch bool
	// Policy decides what to give up, by name: "" and "hazard" for ours, "gdsf"
	// or "lru" to compare with.
	Policy string
	// Log gets a line for each decision at level debug; nil for none.
	Log *slog.Logger
	// Recorder is told of each decision; nil for none.
	Recorder Recorder
	// Trace gets a record of each access, for evict/sim to replay; nil for
	// none. Close flushes it and does not close it.
	Trace io.Writer
}

// Cache keeps values within a budget. It is safe for concurrent use; Close it
// after the last request.
type Cache struct {
	options Options
	memory  *memory
	flight  flight.Group[flightKey, loaded]
	counts  counts
	trace   *trace.Writer
	ahead   *ahead // nil when prefetching is off
}

// key names a value: an adapter's name of a state, and which column of it.
type key struct {
	id     adapter.ID
	column int32
}

const (
	wholeBlock = -1 // the column of blocks of arrays
	ownValue   = -2 // the column of what adapters keep themselves
	allColumns = -3 // the column of loads of several columns that nobody keeps
)

// flightKey names a load: what is loaded, the generation in which it began, and
// whether it may be kept. A load of an untrusted state is never joined by who
// asks for the same state when it is trusted: it may have read before the last
// change that the stamps do not show.
type flightKey struct {
	key

	generation uint64
	trusted    bool
}

// loaded is a value with what is known of it.
type loaded struct {
	value any
	bytes int64
	cost  time.Duration
}

const (
	// MaxCost is the most seconds that one load counts for: what took longer
	// was mostly waiting for something that is not the block's fault.
	MaxCost = time.Minute
	// HitCost is about what a hit costs; what costs less to load is not kept.
	HitCost = 2 * time.Microsecond
	// Overhead is added to the size of each value: its entry, its places in
	// the map and in the policy, and the part of the policy's history that
	// comes with it.
	Overhead = 256 + (evict.HistoryFactor+1)*evict.HistoryBytes
	// largestShare is the part of the budget that one value may take.
	largestShare = 8
)

// New returns a cache. A negative budget or an unknown policy is
// errdef.ErrInvalid.
func New(o Options) (*Cache, error) {
	if o.Bytes < 0 {
		return nil, fmt.Errorf("data cache: a budget of %d bytes; give 0 or more: %w", o.Bytes, errdef.ErrInvalid)
	}
	c := &Cache{options: o}
	c.options.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	staged := int64(0)
	if o.Prefetch {
		staged = o.Bytes / aheadShare
		c.ahead = newAhead(c, staged)
	}
	policy, err := newPolicy(o.Policy, room(o.Bytes-staged))
	if err != nil {
		return nil, err
	}
	c.memory = newMemory(policy, room(o.Bytes-staged))
	if o.Trace != nil {
		c.trace = trace.NewWriter(o.Trace)
	}
	return c, nil
}

func newPolicy(name string, room int64) (evict.Policy, error) {
	switch name {
	case "", "hazard":
		return evict.NewHazard(room), nil
	case "gdsf":
		return evict.NewGDSF(), nil
	case "lru":
		return evict.NewLRU(), nil
	}
	return nil, fmt.Errorf("data cache: policy %q is unknown; the names are hazard, gdsf and lru: %w", name, errdef.ErrInvalid)
}

// policyBytes is what the policy's tables take whatever the budget.
const policyBytes = 96 << 10

// room is what values may take of a budget: the policy's memory of what it gave
// up is paid for first.
func room(bytes int64) int64 {
	return max(0, bytes-bytes/evict.HistoryGrain*evict.HistoryBytes-policyBytes)
}

// Close ends reading ahead, waits for the loads that still run and flushes the
// trace, whose error it returns. Nobody may ask any more.
func (c *Cache) Close() error {
	if c.ahead != nil {
		c.ahead.close()
	}
	c.flight.Wait()
	if c.trace != nil {
		if err := c.trace.Flush(); err != nil {
			return fmt.Errorf("data cache: trace: %w", err)
		}
	}
	return nil
}

// Off says whether the cache has no budget.
func (c *Cache) Off() bool { return c.options.Bytes == 0 }

// Resize sets the budget, gives up what is too much, and returns when that is
// done. It is for memory that is needed elsewhere, and does not switch a cache
// on that was made without a budget. Prefetching keeps the room it has.
func (c *Cache) Resize(bytes int64) {
	if c.Off() {
		return
	}
	for _, e := range c.memory.resize(room(max(0, bytes))) {
		c.note(e.event(Evicted))
	}
}

// held returns the value of k if it is in memory and may be given.
func (c *Cache) held(ctx context.Context, k key, path string, trusted bool) (any, bool) {
	if !trusted {
		return nil, false
	}
	if e := c.memory.get(k); e != nil {
		c.answered(ctx, Hit, k, path, loaded{e.value, e.size - Overhead, e.cost})
		return e.value, true
	}
	if l, ok := c.ahead.take(k); ok {
		c.keep(flightKey{k, c.memory.generation(k), true}, path, l)
		c.answered(ctx, Hit, k, path, l)
		c.note(Event{Kind: PrefetchUsed, ID: k.id, Column: k.column, Path: path, Bytes: l.bytes, Cost: l.cost})
		return l.value, true
	}
	return nil, false
}

// fetch returns the value of k, which is not held, from a load that all who ask
// share. path is where in the tree it belongs. mine says that it was this
// caller's load. Errors are load's, or ctx's.
func (c *Cache) fetch(ctx context.Context, k key, path string, trusted bool, load func(context.Context) (loaded, error)) (value any, mine bool, err error) {
	fk := flightKey{k, c.memory.generation(k), trusted}
	do := c.flight.Do
	if !trusted {
		do = c.flight.DoFresh
	}
	var began atomic.Bool
	l, _, err := do(ctx, fk, func(ctx context.Context) (loaded, error) {
		began.Store(true)
		c.ahead.enter()
		defer c.ahead.leave()
		var l loaded
		err := c.shielded(path, func() (err error) {
			l, err = load(ctx)
			return err
		})
		if err != nil {
			return loaded{}, err
		}
		c.keep(fk, path, l)
		return l, nil
	})
	if err != nil {
		return nil, false, err
	}
	if began.Load() {
		c.answered(ctx, Miss, k, path, l)
		return l.value, true, nil
	}
	c.memory.touch(k) // to the policy it is one more request
	c.answered(ctx, Joined, k, path, l)
	return l.value, false, nil
}

// answered counts a request by what it was: a hit, a load or a share in one.
func (c *Cache) answered(ctx context.Context, what Kind, k key, path string, l loaded) {
	c.note(Event{Kind: what, ID: k.id, Column: k.column, Path: path, Bytes: l.bytes, Cost: l.cost})
	tallyOf(ctx).add(what)
	if c.trace == nil || what == Miss { // the load itself wrote that
		return
	}
	outcome := trace.Hit
	if what == Joined {
		outcome = trace.Join
	}
	c.trace.Write(trace.Record{Time: time.Now(), Key: k.hash(), Size: l.bytes + Overhead, Cost: l.cost, Outcome: outcome})
}

// keep puts a value into memory, or says why not.
func (c *Cache) keep(fk flightKey, path string, l loaded) {
	e := &entry{key: fk.key, path: path, value: l.value, size: l.bytes + Overhead, cost: min(l.cost, MaxCost)}
	what := e.event(Stored)
	switch {
	case c.Off():
		return
	case !fk.trusted:
		what.Reason = Racy
	case e.cost <= HitCost:
		what.Reason = Cheap
	default:
		var evicted []*entry
		what.Reason, evicted = c.memory.put(e, fk.generation)
		for _, gone := range evicted {
			c.note(gone.event(Evicted))
		}
	}
	if what.Reason != Kept {
		what.Kind = Refused
	}
	c.note(what)
	if c.trace != nil && fk.trusted {
		c.trace.Write(trace.Record{
			Time: time.Now(), Key: fk.hash(), Size: e.size, Cost: e.cost,
			Waiters: max(1, c.flight.Waiting(fk)), Outcome: trace.Load,
		})
	}
}

// shielded runs what an adapter brings, counts its failures (to be given up is
// none) and makes a panic an error about the one node: it runs in a goroutine of
// its own, where a panic would end the program.
func (c *Cache) shielded(path string, load func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.options.Log.LogAttrs(context.Background(), slog.LevelError, "an adapter failed while it was read",
				slog.String("path", path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("%s: its adapter failed: %v", path, p)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			c.note(Event{Kind: Failed, Path: path})
		}
	}()
	return load()
}
