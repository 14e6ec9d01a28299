// Package flight lets one load answer everybody who asks for the same key.
//
// # Who loads, who waits
//
// The first to ask for a key starts its load; whoever asks while it runs waits
// for it. The load runs in a goroutine of its own, under a context that belongs
// to none of them:
//
//   - one caller's deadline cannot fail the others (the context keeps the
//     values of the first caller's, but neither its deadline nor its cancelling);
//   - each caller waits on its own context, and leaves when that is done;
//   - the last to leave cancels the load, since nobody wants it any more. Who
//     asks after that starts anew and never joins a load that was given up.
//
// An error goes once to all who were waiting, and is not kept: they do not try
// again one after the other against a source that just failed, and the next to
// ask does try again. The design in which a failure passes the turn to one
// waiter was refused: with n waiters a broken file is read n times.
//
// The load is a function, not a promise that the first caller has to keep, so
// no path can forget to answer: a load that panics, or that ends its goroutine,
// answers everybody with an error.
//
// # Sources that are changing
//
// A load that began before somebody asked may have read what is older than the
// question. [Group.DoFresh] therefore never joins a load that has begun: those
// who ask meanwhile wait together for one more load, which begins when the
// running one has ended. So a key has at most one load that runs and one that
// waits, whatever the number of askers.
package flight

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// ErrExited answers those who waited for a load that ended its goroutine
// (runtime.Goexit) without returning.
var ErrExited = errors.New("load ended its goroutine without an answer")

// PanicError answers those who waited for a load that panicked.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the load where it panicked.
	Stack []byte
}

// Error says that the load panicked and with what; the stack is left out.
func (e *PanicError) Error() string { return fmt.Sprintf("load panicked: %v", e.Value) }

// Unwrap returns the value if that is an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Group runs at most one load per key at a time. The zero value is ready. It is
// safe for concurrent use and must not be copied.
type Group[K comparable, V any] struct {
	loads sync.WaitGroup

	mu sync.Mutex
	// The load that newcomers to a key join. Guarded by mu.
	// INVARIANT: a call in the map runs and has at least one waiter.
	calls map[K]*call[K, V]
}

// call is one key of a load, with those who wait for it.
type call[K comparable, V any] struct {
	key K
	job *job[K, V]
	// Closed when value and err are set, which are written once before that.
	done  chan struct{}
	value V
	err   error

	// Guarded by the group's mu.
	waiters int
	joined  bool        // somebody besides the first has waited
	next    *call[K, V] // begins when this one has ended
}

// job is one load, of one key or of several.
type job[K comparable, V any] struct {
	calls  []*call[K, V]
	load   Load[K, V]
	ctx    context.Context //nolint:containedctx // from the first caller to the goroutine that loads
	cancel context.CancelFunc
	wanted int // calls that somebody waits for; guarded by the group's mu
}

// Load loads the values of keys, in their order.
type Load[K comparable, V any] func(ctx context.Context, keys []K) ([]V, error)

// Do returns what load returns, running it only if no load of key is running.
// Shared says that others waited for the same load, so that the value is not
// the caller's alone. The error is load's, or ctx's when ctx was done first, or
// a [*PanicError] or [ErrExited]. The context given to load outlives ctx and is
// cancelled when nobody waits any more.
func (g *Group[K, V]) Do(ctx context.Context, key K, load func(context.Context) (V, error)) (v V, shared bool, err error) {
	return g.one(ctx, key, load, false)
}

// DoFresh is like [Group.Do], except that the load whose value it returns began
// after DoFresh was called.
func (g *Group[K, V]) DoFresh(ctx context.Context, key K, load func(context.Context) (V, error)) (v V, shared bool, err error) {
	return g.one(ctx, key, load, true)
}

// DoMany is like [Group.Do] for several different keys: those of which no load
// is running are given to load, in one call, and the others are waited for. The
// values are in the order of keys. One error is the whole's.
func (g *Group[K, V]) DoMany(ctx context.Context, keys []K, load Load[K, V]) (values []V, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	calls := g.join(ctx, keys, load, false)
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
		}
		v, _, failed := g.leave(ctx, c)
		if failed != nil && err == nil {
			err = failed
		}
		values = append(values, v)
	}
	if err != nil {
		return nil, err
	}
	return values, nil
}

// Waiting returns how many callers wait for the running load of key: 0 when
// there is none. A load may ask it for its own key.
func (g *Group[K, V]) Waiting(key K) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.calls[key]; c != nil {
		return c.waiters
	}
	return 0
}

// Wait returns when no load runs, given-up ones included. Call it when nobody
// asks any more: it is how an owner that stops joins its loads.
func (g *Group[K, V]) Wait() { g.loads.Wait() }

func (g *Group[K, V]) one(ctx context.Context, key K, load func(context.Context) (V, error), fresh bool) (V, bool, error) {
	if err := ctx.Err(); err != nil {
		var none V
		return none, false, err
	}
	c := g.join(ctx, []K{key}, func(ctx context.Context, _ []K) ([]V, error) {
		v, err := load(ctx)
		return []V{v}, err
	}, fresh)[0]
	select {
	case <-c.done:
	case <-ctx.Done():
	}
	return g.leave(ctx, c)
}

// join adds the caller to the loads of keys that it may share, and starts one
// for the rest. With fresh there is one key.
func (g *Group[K, V]) join(ctx context.Context, keys []K, load Load[K, V], fresh bool) []*call[K, V] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls == nil {
		g.calls = make(map[K]*call[K, V])
	}
	calls := make([]*call[K, V], len(keys))
	j := &job[K, V]{load: load}
	behind := false // something that has to end first
	for i, key := range keys {
		running := g.calls[key]
		c := running
		if running != nil && fresh {
			c = running.next
		}
		if c != nil {
			c.waiters++
			c.joined = true
			calls[i] = c
			continue
		}
		c = &call[K, V]{key: key, job: j, done: make(chan struct{}), waiters: 1}
		calls[i] = c
		j.calls = append(j.calls, c)
		if behind = running != nil; behind {
			running.next = c
		} else {
			g.calls[key] = c
		}
	}
	if len(j.calls) > 0 {
		j.wanted = len(j.calls)
		j.ctx, j.cancel = context.WithCancel(context.WithoutCancel(ctx))
		if !behind {
			g.begin(j)
		}
	}
	return calls
}

// leave takes the caller out of c and returns its answer. The last to leave all
// of a load that has not ended gives it up.
func (g *Group[K, V]) leave(ctx context.Context, c *call[K, V]) (V, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.waiters--
	select {
	case <-c.done:
		return c.value, c.joined, c.err
	default:
	}
	if c.waiters == 0 {
		if c.job.wanted--; c.job.wanted == 0 {
			c.job.cancel()
		}
		if running := g.calls[c.key]; running == c {
			g.succeed(c)
		} else if running != nil && running.next == c {
			running.next = nil
		}
	}
	var none V
	return none, c.joined, ctx.Err()
}

// succeed puts the call that waits behind c in its place, if there is one. The
// caller holds mu, and c is the call of its key in the map.
func (g *Group[K, V]) succeed(c *call[K, V]) {
	if c.next == nil {
		delete(g.calls, c.key)
		return
	}
	g.calls[c.key] = c.next
	g.begin(c.next.job)
}

func (g *Group[K, V]) begin(j *job[K, V]) { g.loads.Go(func() { g.run(j) }) }

// run runs the load and answers all who wait, however it ends.
func (g *Group[K, V]) run(j *job[K, V]) {
	var values []V
	err := ErrExited
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
		j.cancel()
		g.answer(j, values, err)
	}()
	keys := make([]K, len(j.calls))
	for i, c := range j.calls {
		keys[i] = c.key
	}
	values, err = j.load(j.ctx, keys)
	if err == nil && len(values) != len(keys) {
		err = fmt.Errorf("load of %d keys gave %d values", len(keys), len(values))
	}
}

func (g *Group[K, V]) answer(j *job[K, V], values []V, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range j.calls {
		if c.err = err; err == nil {
			c.value = values[i]
		}
		close(c.done)
		if g.calls[c.key] == c {
			g.succeed(c)
		}
	}
}
