// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
)

// Retry says how a request is tried again that failed for a reason that may pass: the
// server cannot be reached, breaks off, or answers 429 or 5xx. Each pause is a random
// part of a bound that doubles from First up to Longest; a Retry-After of the server
// is obeyed, up to Within. The zero value means the defaults.
type Retry struct {
	// Attempts bounds the tries, the first included (default 10); 1 is never again.
	Attempts int
	// Within bounds the time from the first try to the last pause (default 45 s).
	Within time.Duration
	// First and Longest are the bounds of the pauses (defaults 100 ms and 5 s).
	First, Longest time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 10
	}
	if r.Within <= 0 {
		r.Within = 45 * time.Second
	}
	if r.First <= 0 {
		r.First = 100 * time.Millisecond
	}
	if r.Longest <= 0 {
		r.Longest = 5 * time.Second
	}
	return r
}

// later is an error that may pass, with what the server said about when.
type later struct {
	error
	after time.Duration
}

func (l later) Unwrap() error { return l.error }

// run calls try until it succeeds, fails for good, or the bounds are reached.
func (r Retry) run(ctx context.Context, try func() error) error {
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		err := try()
		var l later
		if err == nil || !errors.As(err, &l) {
			return err
		}
		pause := max(r.pause(attempt), l.after)
		if attempt >= r.Attempts || time.Since(begun)+pause > r.Within || ctx.Err() != nil {
			return l.error
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(l.error, ctx.Err())
		}
	}
}

// pause is the pause after the attempt of that number, counted from 1: full jitter, so
// that clients that failed together do not come back together.
func (r Retry) pause(attempt int) time.Duration {
	bound := r.First
	for range attempt - 1 {
		if bound *= 2; bound >= r.Longest {
			bound = r.Longest
			break
		}
	}
	return bound/2 + rand.N(bound/2+1) //nolint:gosec // jitter is no secret
}

// passing tells of statuses that may be others in a moment. 500 is one, as for Tiled's
// client: its server answers so while files are being written.
func passing(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads Retry-After: seconds, or a date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 3600) * float64(time.Second))
	}
	if when, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(when))
	}
	return 0
}

// unreachable gives an error of the transport its meaning: nobody answered, which may
// pass; unless the asker left, or the cache is offline.
func unreachable(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return errors.Join(err, ctx.Err())
	case errors.Is(err, httpcache.ErrNotAvailableOffline), errors.Is(err, httpcache.ErrFull), errors.Is(err, errdef.ErrTooLarge),
		errors.Is(err, errdef.ErrUnprocessable), errors.Is(err, errdef.ErrForbidden):
		return err
	}
	return later{error: fmt.Errorf("%w: %w", err, errdef.ErrUnavailable)}
}
