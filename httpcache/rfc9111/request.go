// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"strings"
	"time"
)

// none is a duration that was not given.
const none = time.Duration(-1)

// Request is what a request says to a cache (RFC 9111 §5.2.1). Durations that were not
// given are negative.
type Request struct {
	// Method as sent.
	Method string
	// Authorized: the request carries Authorization, which §3.5 makes a condition.
	Authorized bool
	// NoCache, NoStore and OnlyIfCached are the directives of that name; Pragma:
	// no-cache counts as the first where there is no Cache-Control (§5.4).
	NoCache, NoStore, OnlyIfCached bool
	// MaxAge, MinFresh and MaxStale are negative when absent; a max-stale without a
	// value is the longest time there is.
	MaxAge, MinFresh, MaxStale time.Duration
	// StaleIfError is the request directive of RFC 5861 §4.
	StaleIfError time.Duration
}

// ParseRequest reads the cache directives of a request. It allocates nothing.
func ParseRequest(method string, h http.Header) Request {
	q := Request{
		Method: method, Authorized: len(h["Authorization"]) > 0,
		MaxAge: none, MinFresh: none, MaxStale: none, StaleIfError: none,
	}
	lines := h["Cache-Control"]
	for d := walk(lines); ; {
		one, ok := d.next()
		if !ok {
			break
		}
		q.apply(one)
	}
	if len(lines) == 0 && len(h["Pragma"]) > 0 {
		for d := walk(h["Pragma"]); ; {
			one, ok := d.next()
			if !ok {
				break
			}
			q.NoCache = q.NoCache || strings.EqualFold(one.name, "no-cache")
		}
	}
	return q
}

func (q *Request) apply(d directive) {
	switch {
	case strings.EqualFold(d.name, "no-cache"):
		q.NoCache = true
	case strings.EqualFold(d.name, "no-store"):
		q.NoStore = true
	case strings.EqualFold(d.name, "only-if-cached"):
		q.OnlyIfCached = true
	case strings.EqualFold(d.name, "max-age"):
		// A max-age that cannot be read asks for the strictest reading.
		q.MaxAge = deltaOr(d.value, 0)
	case strings.EqualFold(d.name, "min-fresh"):
		q.MinFresh = deltaOr(d.value, maxDelta)
	case strings.EqualFold(d.name, "stale-if-error"):
		q.StaleIfError = deltaOr(d.value, none)
	case strings.EqualFold(d.name, "max-stale"):
		q.MaxStale = maxDelta
		if d.hasValue {
			q.MaxStale = deltaOr(d.value, none)
		}
	}
}

func deltaOr(s string, otherwise time.Duration) time.Duration {
	if d, ok := delta(s); ok {
		return d
	}
	return otherwise
}
