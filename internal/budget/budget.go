// Package budget bounds the memory that requests hold while they are answered.
//
// A [Budget] is a number of bytes. Whoever is about to allocate reserves first,
// in one step, and waits in order while the bytes are not there; whoever holds
// a reservation never waits for another. So the sum of what is held never
// exceeds the budget, and no two requests can block each other.
package budget

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Budget is a bound on bytes in flight. It is safe for concurrent use.
type Budget struct {
	size int64
	free *semaphore.Weighted
	long *semaphore.Weighted // the part that ReserveLong may take
	used atomic.Int64
}

// New returns a budget of size bytes; at least one.
func New(size int64) *Budget {
	size = max(1, size)
	return &Budget{size: size, free: semaphore.NewWeighted(size), long: semaphore.NewWeighted(longPart(size))}
}

// longPart is how much of a budget may be held for long.
func longPart(size int64) int64 { return max(1, size-size/4) }

// Size returns the whole budget in bytes.
func (b *Budget) Size() int64 { return b.size }

// Used returns the bytes reserved at this moment.
func (b *Budget) Used() int64 { return b.used.Load() }

// Reservation is a share of a budget. It belongs to one goroutine.
type Reservation struct {
	budget *Budget
	bytes  int64
	long   int64 // of them, also taken of the part for long ones
}

// Reserve waits until bytes are free, in the order of asking, and takes them.
// More than the whole budget is taken as the whole: such a request runs alone.
// The caller must not hold another reservation. If ctx ends first the error is
// errdef.ErrUnavailable and ctx's.
func (b *Budget) Reserve(ctx context.Context, bytes int64) (*Reservation, error) {
	bytes = min(max(bytes, 0), b.size)
	if err := b.free.Acquire(ctx, bytes); err != nil {
		return nil, fmt.Errorf("memory for %d bytes: all of %d bytes in flight are taken: %w: %w",
			bytes, b.size, errdef.ErrUnavailable, err)
	}
	b.used.Add(bytes)
	return &Reservation{budget: b, bytes: bytes}, nil
}

// ReserveLong is [Budget.Reserve] for what may be held for long, such as until
// a slow client has taken it. All of these together leave a quarter of the
// budget to others, who so are not stopped by them.
func (b *Budget) ReserveLong(ctx context.Context, bytes int64) (*Reservation, error) {
	bytes = min(max(bytes, 0), longPart(b.size))
	if err := b.long.Acquire(ctx, bytes); err != nil {
		return nil, fmt.Errorf("memory for %d bytes: all of %d bytes for large answers are taken: %w: %w",
			bytes, longPart(b.size), errdef.ErrUnavailable, err)
	}
	// Who holds a long part waits here only for those who never wait for one.
	r, err := b.Reserve(ctx, bytes)
	if err != nil {
		b.long.Release(bytes)
		return nil, err
	}
	r.long = bytes
	return r, nil
}

// Shrink gives back all but bytes.
func (r *Reservation) Shrink(bytes int64) {
	if back := r.bytes - max(bytes, 0); back > 0 {
		r.bytes -= back
		r.budget.used.Add(-back)
		r.budget.free.Release(back)
	}
	if back := r.long - max(bytes, 0); back > 0 {
		r.long -= back
		r.budget.long.Release(back)
	}
}

// Release gives back everything. It may be called more than once.
func (r *Reservation) Release() { r.Shrink(0) }
