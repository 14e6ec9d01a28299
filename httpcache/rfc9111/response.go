// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"strings"
	"time"
)

// Flags are the yes-or-no parts of a [Response]. Their values are stored by caches, so
// they never change meaning.
type Flags uint32

// The flags of a response.
const (
	NoStore        Flags = 1 << iota // §5.2.2.5
	NoCache                          // §5.2.2.4, qualified or not
	Private                          // §5.2.2.7, qualified or not
	Public                           // §5.2.2.9
	MustRevalidate                   // §5.2.2.2; in a shared cache also proxy-revalidate and s-maxage
	MustUnderstand                   // §5.2.2.3
	Immutable                        // RFC 8246
	SharedMaxAge                     // s-maxage was given and counts
	Explicit                         // the lifetime was stated, not guessed
	VaryAll                          // Vary has a member "*": §4.1
	Targeted                         // a targeted field decided: RFC 9213 §2.2
)

// Response is all that a cache must remember of a response to decide about it later:
// its headers, understood once, when it arrives.
type Response struct {
	Status int
	Flags  Flags
	// Received is response_time, InitialAge corrected_initial_age, of §4.2.3.
	Received   time.Time
	InitialAge time.Duration
	// Lifetime is freshness_lifetime of §4.2.1; 0 if there is none.
	Lifetime time.Duration
	// StaleWhileRevalidate and StaleIfError are those of RFC 5861; negative if absent.
	StaleWhileRevalidate, StaleIfError time.Duration
	// Date is that of the response, or Received if it had none.
	Date time.Time
	// LastModified is zero if there was none, or none that can be read.
	LastModified time.Time
	// ETag is the entity tag as sent, without surrounding space; "" if there is none.
	ETag string
}

// Has tells whether all of f are set.
func (s *Response) Has(f Flags) bool { return s.Flags&f == f }

// Validator tells whether the origin can be asked if the response still holds (§4.3.1).
func (s *Response) Validator() bool { return s.ETag != "" || !s.LastModified.IsZero() }

// Age is current_age of §4.2.3 at now, never negative and never more than about 140 years.
// A clock that went back beyond what clocks are corrected by says nothing about how old a
// response is; then it counts as that old.
func (s *Response) Age(now time.Time) time.Duration {
	resident := now.Sub(s.Received)
	if resident < -clockCorrection {
		return maxAge
	}
	return max(0, min(s.InitialAge, maxDelta)+min(resident, maxDelta))
}

// maxAge is what an age is at most, far from what a duration can hold; clockCorrection how
// far a clock may go back without a doubt about what was measured before.
const (
	maxAge          = 2 * maxDelta
	clockCorrection = time.Minute
)

// Policy is what kind of cache asks. The zero Policy is a private cache without
// heuristics. A Policy is a value; it may be shared.
type Policy struct {
	// Shared: more than one user's requests meet here (§1).
	Shared bool
	// Targets are the targeted fields this cache obeys, the best first (RFC 9213 §2.1),
	// in canonical header form.
	Targets []string
	// Heuristic lets a response without a stated lifetime be fresh for a tenth of the
	// time since it was last modified, up to a day (§4.2.2).
	Heuristic bool
	// StaleIfError is how long after its lifetime a response may stand in for an origin
	// that cannot be reached, where nothing forbids it (§4.2.4); a response's own
	// stale-if-error is obeyed besides. 0 is not at all.
	StaleIfError time.Duration
}

// heuristicCap bounds a guessed lifetime; heuristicShare is the customary tenth of §4.2.2.
const (
	heuristicCap   = 24 * time.Hour
	heuristicShare = 10
)

// Parse reads what a response says to this cache. asked and received are request_time
// and response_time of §4.2.3.
func (p Policy) Parse(status int, h http.Header, asked, received time.Time) Response {
	s := Response{Status: status, Received: received, StaleWhileRevalidate: none, StaleIfError: none}
	s.ETag = strings.TrimSpace(h.Get("Etag"))
	s.LastModified, _ = date(h["Last-Modified"])
	if varyAll(h["Vary"]) {
		s.Flags |= VaryAll
	}
	when, dated := date(h["Date"])
	s.Date = received
	if dated {
		s.Date = when
	}
	apparent := max(0, received.Sub(s.Date))
	// A Date of long ago must not come near what a duration can hold.
	s.InitialAge = min(maxDelta, max(apparent, age(h["Age"])+max(0, received.Sub(asked))))
	p.lifetime(&s, h)
	return s
}

// lifetime fills in the flags and freshness_lifetime (§4.2.1).
func (p Policy) lifetime(s *Response, h http.Header) {
	l := life{maxAge: none, sMaxAge: none}
	if targeted, ok := p.targeted(h); ok {
		// RFC 9213 §2.2: Cache-Control and Expires are then as if absent.
		s.Flags |= Targeted
		l.read(s, walk(targeted))
	} else {
		l.read(s, walk(h["Cache-Control"]))
		l.expires(s, h["Expires"])
	}
	switch {
	case p.Shared && l.sMaxAge >= 0:
		s.Lifetime = l.sMaxAge
		s.Flags |= Explicit | SharedMaxAge | MustRevalidate
	case l.maxAge >= 0:
		s.Lifetime = l.maxAge
		s.Flags |= Explicit
	case l.hasExpires:
		s.Lifetime = l.expiresIn
		s.Flags |= Explicit
	case p.Heuristic && !s.LastModified.IsZero() && (heuristic(s.Status) || s.Has(Public)):
		s.Lifetime = min(heuristicCap, max(0, s.Date.Sub(s.LastModified)/heuristicShare))
	}
	if p.Shared && l.proxyRevalidate {
		s.Flags |= MustRevalidate
	}
}

// life gathers what bears on the lifetime while directives are read.
type life struct {
	maxAge, sMaxAge time.Duration
	expiresIn       time.Duration
	hasExpires      bool
	proxyRevalidate bool
}

func (l *life) read(s *Response, d directives) {
	for one, ok := d.next(); ok; one, ok = d.next() {
		if f := flagOf(one.name); f != 0 {
			s.Flags |= f
			continue
		}
		switch {
		case strings.EqualFold(one.name, "proxy-revalidate"):
			l.proxyRevalidate = true
		case strings.EqualFold(one.name, "max-age"):
			l.maxAge = shortest(l.maxAge, one.value)
		case strings.EqualFold(one.name, "s-maxage"):
			l.sMaxAge = shortest(l.sMaxAge, one.value)
		case strings.EqualFold(one.name, "stale-while-revalidate"):
			s.StaleWhileRevalidate = deltaOr(one.value, none)
		case strings.EqualFold(one.name, "stale-if-error"):
			s.StaleIfError = deltaOr(one.value, none)
		}
	}
}

// shortest obeys §4.2.1: of conflicting values take the most restrictive, and a value
// that is no number is stale already.
func shortest(have time.Duration, value string) time.Duration {
	d := deltaOr(value, 0)
	if have >= 0 && have < d {
		return have
	}
	return d
}

func (l *life) expires(s *Response, lines []string) {
	if len(lines) == 0 {
		return
	}
	l.hasExpires = true
	// §5.3: an invalid date, "0" above all, is in the past.
	if when, ok := date(lines); ok {
		l.expiresIn = max(0, when.Sub(s.Date))
	}
}

func flagOf(name string) Flags {
	switch {
	case strings.EqualFold(name, "no-store"):
		return NoStore
	case strings.EqualFold(name, "no-cache"):
		return NoCache
	case strings.EqualFold(name, "private"):
		return Private
	case strings.EqualFold(name, "public"):
		return Public
	case strings.EqualFold(name, "must-revalidate"):
		return MustRevalidate
	case strings.EqualFold(name, "must-understand"):
		return MustUnderstand
	case strings.EqualFold(name, "immutable"):
		return Immutable
	}
	return 0
}
