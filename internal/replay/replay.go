// Package replay sends the requests of an access log to a server again, along several
// ways (directly, through a cache, to another server), counts what each costs and
// compares every body with the one that came directly. It is `terrazzo bench`.
//
// Nothing of a log but GET requests is used: no credentials, no other methods. Bodies are
// never held: documents up to [maxDocument] are, one for each connection; of everything
// else a digest is made while it passes.
package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Way is one way to ask for the same things. The first of [Options.Ways] is what the
// others are compared with.
type Way struct {
	Name string
	// Open makes the way ready, with nothing in its caches. It is called once a round, and
	// what it returns is closed at the round's end.
	Open func(context.Context) (*Line, error)
}

// Line is a way that is open.
type Line struct {
	// Base is what targets are appended to: "http://host:port", without a trailing slash.
	Base string
	// Transport sends the requests. It must not decode bodies by itself.
	Transport http.RoundTripper
	// Origin says what has reached the server that holds the data, since Open.
	Origin func() Traffic
	// CPU is the CPU time of that server so far; false where it is not known. Nil: never known.
	CPU func() (time.Duration, bool)
	// Close ends the way; nil is nothing to do.
	Close func() error
}

// Traffic is what crossed a line: requests, and bytes of bodies as they were coded.
type Traffic struct{ Requests, Bytes int64 }

// Options say what is replayed, and how. Log and Ways are required; the zero value of
// each other field is its default.
type Options struct {
	Log  *Log
	Ways []Way
	// Rounds is how often all is done, each way in turn (default 5).
	Rounds int
	// Concurrency is how many requests are under way at most (default 1: strictly in order).
	Concurrency int
	// Timing keeps the pauses of the log, divided by Speed (default 1). It needs a log with
	// times in it.
	Timing bool
	Speed  float64
	// Rate bounds the requests a second; 0 is no bound.
	Rate float64
	// Header is sent with each request: credentials, Accept-Encoding.
	Header http.Header
	// Progress is called now and then, by one goroutine at a time; nil is not at all.
	Progress func(way string, round, done, total int)
}

// stormAfter is how many requests may fail one after another before a replay stops:
// whatever is wrong with the server, more load does not mend it.
const stormAfter = 10

// Run replays and compares. The result is whole only without an error, which is
// errdef.ErrInvalid for options that make no sense, errdef.ErrUnavailable where a server
// failed again and again, or ctx's.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &Result{Requests: len(o.Log.requests), Targets: len(o.Log.targets)}
	for _, w := range o.Ways {
		r.Ways = append(r.Ways, WayResult{Name: w.Name})
	}
	for round := range o.Rounds {
		if err := o.round(ctx, round, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (o *Options) check() error {
	if o.Log == nil || len(o.Ways) == 0 || o.Rounds < 0 || o.Concurrency < 0 || o.Rate < 0 || o.Speed < 0 {
		return fmt.Errorf("bench: a log and a way to ask are needed, numbers are not negative: %w", errdef.ErrInvalid)
	}
	if len(o.Log.requests) == 0 {
		return fmt.Errorf("bench: the log has no GET request that can be replayed: %w", errdef.ErrInvalid)
	}
	if o.Timing && !o.Log.timed {
		return fmt.Errorf("bench: --timing: the log does not say when requests came: %w", errdef.ErrInvalid)
	}
	if o.Rounds == 0 {
		o.Rounds = 5
	}
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	return nil
}

// round goes all ways once, each round beginning with another one.
func (o *Options) round(ctx context.Context, round int, r *Result) (err error) {
	passes := make([]*pass, len(o.Ways))
	defer func() {
		for _, p := range passes {
			if p != nil && p.line.Close != nil {
				err = errors.Join(err, p.line.Close())
			}
		}
	}()
	for i := range o.Ways {
		at := (i + round) % len(o.Ways)
		line, err := o.Ways[at].Open(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Ways[at].Name, err)
		}
		passes[at] = newPass(o, line, o.Ways[at].Name, round)
		cost, err := passes[at].run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Ways[at].Name, err)
		}
		r.Ways[at].Rounds = append(r.Ways[at].Rounds, cost)
	}
	for at := 1; at < len(passes); at++ {
		found := compare(ctx, passes[0], passes[at], r.Ways[at].Differences)
		r.Ways[at].Differing += found.differing
		r.Ways[at].Unstable += found.unstable
		r.Ways[at].Differences = found.explained
	}
	return ctx.Err()
}
