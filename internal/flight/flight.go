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
	calls map[K]*call[V]
}

// call is one load with those who wait for it.
type call[V any] struct {
	// Closed when value and err are set, which are written once before that.
	done  chan struct{}
	value V
	err   error

	// Guarded by the group's mu.
	waiters int
	joined  bool     // somebody besides the first has waited
	next    *call[V] // begins when this one has ended
	begin   func()   // starts the load; once
	cancel  context.CancelFunc
}

// Do returns what load returns, running it only if no load of key is running.
// Shared says that others waited for the same load, so that the value is not
// the caller's alone. The error is load's, or ctx's when ctx was done first, or
// a [*PanicError] or [ErrExited]. The context given to load outlives ctx and is
// cancelled when nobody waits any more.
func (g *Group[K, V]) Do(ctx context.Context, key K, load func(context.Context) (V, error)) (v V, shared bool, err error) {
	return g.do(ctx, key, load, false)
}

// DoFresh is like [Group.Do], except that the load whose value it returns began
// after DoFresh was called.
func (g *Group[K, V]) DoFresh(ctx context.Context, key K, load func(context.Context) (V, error)) (v V, shared bool, err error) {
	return g.do(ctx, key, load, true)
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

func (g *Group[K, V]) do(ctx context.Context, key K, load func(context.Context) (V, error), fresh bool) (V, bool, error) {
	if err := ctx.Err(); err != nil {
		var none V
		return none, false, err
	}
	c := g.join(ctx, key, load, fresh)
	select {
	case <-c.done:
	case <-ctx.Done():
	}
	return g.leave(ctx, key, c)
}

// join adds the caller to the load of key that it may share, starting one if
// there is none.
func (g *Group[K, V]) join(ctx context.Context, key K, load func(context.Context) (V, error), fresh bool) *call[V] {
	g.mu.Lock()
	defer g.mu.Unlock()
	running := g.calls[key]
	c := running
	if running != nil && fresh {
		c = running.next
	}
	if c != nil {
		c.waiters++
		c.joined = true
		return c
	}
	c = &call[V]{done: make(chan struct{}), waiters: 1}
	loadCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	c.begin = func() { g.loads.Go(func() { g.run(loadCtx, key, c, load) }) }
	if running != nil {
		running.next = c
		return c
	}
	if g.calls == nil {
		g.calls = make(map[K]*call[V])
	}
	g.calls[key] = c
	c.begin()
	return c
}

// leave takes the caller out of c and returns its answer. The last to leave a
// load that has not ended gives it up.
func (g *Group[K, V]) leave(ctx context.Context, key K, c *call[V]) (V, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.waiters--
	select {
	case <-c.done:
		return c.value, c.joined, c.err
	default:
	}
	if c.waiters == 0 {
		c.cancel()
		if running := g.calls[key]; running == c {
			g.succeed(key, c)
		} else if running != nil && running.next == c {
			running.next = nil
		}
	}
	var none V
	return none, c.joined, ctx.Err()
}

// succeed puts the call that waits behind c in its place, if there is one. The
// caller holds mu, and c is the call of key in the map.
func (g *Group[K, V]) succeed(key K, c *call[V]) {
	if c.next == nil {
		delete(g.calls, key)
		return
	}
	g.calls[key] = c.next
	c.next.begin()
}

// run runs load and answers all who wait, however load ends.
func (g *Group[K, V]) run(ctx context.Context, key K, c *call[V], load func(context.Context) (V, error)) {
	returned := false
	defer func() {
		if !returned {
			c.err = ErrExited
			if p := recover(); p != nil {
				c.err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}
		c.cancel()
		g.mu.Lock()
		defer g.mu.Unlock()
		close(c.done)
		if g.calls[key] == c {
			g.succeed(key, c)
		}
	}()
	c.value, c.err = load(ctx)
	returned = true
}
