package datacache

import (
	"context"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// Kind says what happened to a value.
type Kind int

// What can happen.
const (
	Hit     Kind = iota // it was held
	Miss                // it was loaded
	Joined              // it came from a load that somebody else had begun
	Failed              // a load gave an error
	Stored              // it is held from now on
	Refused             // it is not, for a [Reason]
	Evicted             // it was given up for others
	Dropped             // somebody discarded it

	PrefetchBegun  // it is being read ahead
	PrefetchUsed   // it was, and somebody asked for it
	PrefetchWasted // it was, and nobody did

	kindCount = iota
)

// String names the kind, as in logs.
func (k Kind) String() string {
	return [kindCount]string{
		"hit", "miss", "joined", "failed", "stored", "refused", "evicted", "dropped",
		"prefetch begun", "prefetch used", "prefetch wasted",
	}[k]
}

// Reason says why a value was not kept.
type Reason int

// Why a value is not kept.
const (
	Kept      Reason = iota // it is
	Racy                    // its source may still be changing
	Large                   // it is more than an eighth of the budget
	Cheap                   // loading it costs no more than a hit
	Worthless               // less than all that would have to go for it
	Discarded               // somebody discarded it while it was loaded
	Collision               // another key has the same hash

	reasonCount = iota
)

// String names the reason, as in logs.
func (r Reason) String() string {
	return [reasonCount]string{"", "racy", "large", "cheap", "worthless", "discarded", "collision"}[r]
}

// Event is one decision.
type Event struct {
	Kind   Kind
	Reason Reason // of Refused
	// ID and Column are the key, as in [Entry]; zero for Failed.
	ID     adapter.ID
	Column int32
	Path   string // in the tree
	Bytes  int64
	Cost   time.Duration // of loading it
}

// Recorder is told of each decision, in the goroutine that made it: it must be
// quick, and safe for concurrent use.
type Recorder interface {
	Record(Event)
}

// Stats are counts since the start, and what is held now.
type Stats struct {
	Hits, Misses, Joined, Failed    int64
	Stored, Evicted, Dropped        int64
	Refused                         map[Reason]int64
	PrefetchBegun, PrefetchUsed     int64
	PrefetchWasted                  int64
	SecondsSaved, SecondsSpent      float64 // cost of what was and was not found
	Bytes, Room, Entries            int64   // held now, with overhead; and the most there may be
	ReadAheadBytes, ReadAheadAtMost int64   // held for those who walk, beside that
}

// counts are the numbers behind [Stats].
type counts struct {
	kinds                              [kindCount]atomic.Int64
	reasons                            [reasonCount]atomic.Int64
	nanosecondsSaved, nanosecondsSpent atomic.Int64
}

// note counts, records and logs an event.
func (c *Cache) note(e Event) {
	c.counts.kinds[e.Kind].Add(1)
	switch e.Kind {
	case Hit, Joined:
		c.counts.nanosecondsSaved.Add(int64(e.Cost))
	case Miss:
		c.counts.nanosecondsSpent.Add(int64(e.Cost))
	case Refused:
		c.counts.reasons[e.Reason].Add(1)
	default: // counted by its kind
	}
	if c.options.Recorder != nil {
		c.options.Recorder.Record(e)
	}
	if logger := c.options.Log; logger.Enabled(context.Background(), slog.LevelDebug) {
		logger.LogAttrs(context.Background(), slog.LevelDebug, "data cache",
			slog.String("what", e.Kind.String()), slog.String("path", e.Path), slog.String("key", hex.EncodeToString(e.ID[:])), slog.Int("column", int(e.Column)), slog.Int64("bytes", e.Bytes),
			slog.Duration("cost", e.Cost), slog.String("reason", e.Reason.String()))
	}
}

// Stats returns the counts. They are not of one moment.
func (c *Cache) Stats() Stats {
	n := func(k Kind) int64 { return c.counts.kinds[k].Load() }
	s := Stats{
		Hits: n(Hit), Misses: n(Miss), Joined: n(Joined), Failed: n(Failed),
		Stored: n(Stored), Evicted: n(Evicted), Dropped: n(Dropped),
		PrefetchBegun: n(PrefetchBegun), PrefetchUsed: n(PrefetchUsed), PrefetchWasted: n(PrefetchWasted),
		SecondsSaved: time.Duration(c.counts.nanosecondsSaved.Load()).Seconds(),
		SecondsSpent: time.Duration(c.counts.nanosecondsSpent.Load()).Seconds(),
		Refused:      map[Reason]int64{},
	}
	for r := Racy; r < reasonCount; r++ {
		s.Refused[r] = c.counts.reasons[r].Load()
	}
	var count int
	s.Bytes, count, s.Room = c.memory.usage()
	s.Entries = int64(count)
	s.ReadAheadBytes, s.ReadAheadAtMost = c.ahead.usage()
	return s
}

// Tally counts the blocks and columns that one request got from the cache. It
// is safe for concurrent use; nil counts nothing.
type Tally struct{ counts [Joined + 1]atomic.Int64 }

// Count returns how many there were of [Hit], [Miss] or [Joined].
func (t *Tally) Count(k Kind) int64 { return t.counts[k].Load() }

func (t *Tally) add(k Kind) {
	if t != nil {
		t.counts[k].Add(1)
	}
}

type tallyKey struct{}

// WithTally returns a context under which reads are counted in t.
func WithTally(ctx context.Context, t *Tally) context.Context {
	return context.WithValue(ctx, tallyKey{}, t)
}

func tallyOf(ctx context.Context) *Tally {
	t, _ := ctx.Value(tallyKey{}).(*Tally)
	return t
}
