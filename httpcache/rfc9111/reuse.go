// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"time"
)

// Action is what to do with a stored response.
type Action uint8

// The actions, from the one that asks the origin to the one that does not.
const (
	// Forward: the stored response is of no use; ask as if there were none.
	Forward Action = iota
	// Revalidate: ask the origin whether it still holds, and serve it if so.
	Revalidate
	// ServeAndRevalidate: serve it now and ask the origin meanwhile (RFC 5861 §3).
	ServeAndRevalidate
	// Serve: the origin need not be asked.
	Serve
)

// Decision is an Action with what Cache-Status says about it.
type Decision struct {
	Action Action
	Reason Reason
	// Age and TTL are the response's age and remaining lifetime; TTL is negative when it
	// is stale.
	Age, TTL time.Duration
}

// Reuse decides about a stored response that the request's URL and Vary fields select
// (RFC 9111 §4). It allocates nothing.
func (p Policy) Reuse(q *Request, s *Response, now time.Time) Decision {
	current := s.Age(now)
	d := Decision{Age: current, TTL: s.Lifetime - current}
	fresh := d.TTL > 0
	switch {
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
		d.Action, d.Reason = Forward, ReasonMethod
	case q.NoStore:
		// §5.2.1.5 would let it be served; a client that asks for no traces means it.
		d.Action, d.Reason = Forward, ReasonRequestNoStore
	case q.NoCache:
		d.Action, d.Reason = Revalidate, ReasonRequestNoCache
	case s.Has(NoCache):
		d.Action, d.Reason = Revalidate, ReasonNoCache
	case fresh && s.Has(Immutable):
		// RFC 8246 §2: a reload's max-age=0 is no reason to ask about what cannot change.
		d.Action, d.Reason = Serve, ReasonImmutable
	case q.MaxAge >= 0 && current > q.MaxAge, q.MaxAge == 0:
		d.Action, d.Reason = Revalidate, ReasonRequestMaxAge
	case q.MinFresh >= 0 && d.TTL < q.MinFresh:
		d.Action, d.Reason = Revalidate, ReasonRequestMinFresh
	case fresh:
		d.Action, d.Reason = Serve, ReasonFresh
	default:
		d.Action, d.Reason = p.stale(q, s, -d.TTL)
	}
	return d
}

// stale decides about a response that has been stale for late (§4.2.4).
func (p Policy) stale(q *Request, s *Response, late time.Duration) (Action, Reason) {
	switch {
	case s.Has(MustRevalidate):
		return Revalidate, ReasonMustRevalidate
	case q.MaxStale >= 0 && late <= q.MaxStale:
		return Serve, ReasonRequestMaxStale
	case s.StaleWhileRevalidate > 0 && late <= s.StaleWhileRevalidate:
		return ServeAndRevalidate, ReasonStaleWhileRevalidate
	}
	return Revalidate, ReasonStale
}

// StaleOnError tells whether a stored response may stand in for an origin that gave
// status, or no answer at all (status 0) (§4.2.4, RFC 5861 §4). Nothing does for a
// status that is no server error.
func (p Policy) StaleOnError(q *Request, s *Response, now time.Time, status int) bool {
	switch status {
	case 0, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return false
	}
	if q.NoStore || q.NoCache || s.Has(NoCache) || s.Has(MustRevalidate) {
		return false
	}
	late := max(0, s.Age(now)-s.Lifetime)
	if s.StaleIfError > 0 && late <= s.StaleIfError || q.StaleIfError > 0 && late <= q.StaleIfError {
		return true
	}
	return p.StaleIfError > 0 && late <= p.StaleIfError
}
