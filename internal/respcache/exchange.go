// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// maxRounds bounds how often a request starts over: when what it waited for came to
// nothing, or a body vanished from the store between two looks.
const maxRounds = 6

// exchange is one request on its way through the cache. One goroutine owns it; only its
// body may be sent by another (see lead).
type exchange struct {
	c   *Cache
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context //nolint:containedctx // that of the request, which an exchange is

	q       rfc9111.Request
	id      identity
	key     store.Key
	verdict Verdict
	// shielded: this client must not get a 304.
	shielded bool
	// lonely: ask for itself, join nobody.
	lonely bool
	// background: a refresh, for which nobody waits.
	background bool
	// leads is the flight that this exchange's goroutine runs; nil if it follows.
	leads *flight
	// own are the fields of the 304 that this asker got: what is not stored goes to it.
	own http.Header
	// status becomes the Cache-Status line.
	status rfc9111.Status
}

// serve answers the request. The error is errAborted if the connection must be aborted,
// or says why the client got no whole answer.
func (x *exchange) serve() error {
	c := x.c
	x.status.Cache = c.o.Name
	x.id = c.identify(x.r)
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return x.pass("method", "")
	}
	if bypasses(x.r) {
		return x.pass("bypass", "")
	}
	x.verdict = open
	if c.o.Guard != nil {
		x.verdict = c.o.Guard.Judge(x.r, x.id.principal)
	}
	if x.verdict.Bypass {
		return x.pass("bypass", "")
	}
	if !x.verdict.Admitted && !x.offline() {
		return x.pass("bypass", "not-admitted")
	}
	x.q = rfc9111.ParseRequest(x.r.Method, x.r.Header)
	x.q.Authorized = x.id.principal != "" && !x.verdict.Stands
	x.key = c.recordKey(x.id.url, x.verdict.Partition)
	x.shielded = c.o.Shield != nil && c.o.Shield(x.r)
	return x.rounds()
}

// bypasses tells of requests that no cache may touch: upgrades, preconditions that only
// the origin judges, ranges that only it can cut, and a GET with a body, which is in no
// key ("fat GET").
func bypasses(r *http.Request) bool {
	return !rfc9111.PlainRange(r.Header) || r.ContentLength != 0 || len(r.TransferEncoding) > 0 || len(r.Header["Upgrade"]) > 0 || rfc9111.OriginOnly(r.Header)
}

func (x *exchange) offline() bool { return x.c.o.Offline != nil && x.c.o.Offline() }

// rounds looks, decides and asks, until the request is answered.
func (x *exchange) rounds() error {
	for range maxRounds {
		held, another := x.c.lookup(x.ctx, x.key, x.r)
		d := rfc9111.Decision{Reason: rfc9111.ReasonNone}
		if held != nil && !x.offline() && rfc9111.Range(x.r.Header, &held.Response, held.size).Status == http.StatusRequestedRangeNotSatisfiable {
			// The origin has words of its own for it.
			return x.pass("bypass", "range")
		}
		if held != nil {
			d = x.decide(held)
			if d.Action == rfc9111.Serve || d.Action == rfc9111.ServeAndRevalidate {
				if answered, err := x.hit(held, d); answered {
					return err
				}
				held = nil
			}
		}
		if x.q.OnlyIfCached || x.offline() {
			return x.withoutOrigin(held, d)
		}
		if x.r.Method == http.MethodHead {
			return x.passAbout(held, d.Reason.Fwd(), d.Reason.String())
		}
		if d.Action == rfc9111.Forward && held != nil {
			return x.pass(d.Reason.Fwd(), d.Reason.String())
		}
		x.status.Fwd, x.status.Detail = d.Reason.Fwd(), ""
		if held == nil && another {
			x.status.Fwd = "vary-miss"
		}
		if again, err := x.fetch(held, d); !again {
			return err
		}
	}
	return x.pass("miss", "too-many-rounds")
}

// decide applies the rules and the guard to a stored response.
func (x *exchange) decide(p *response) rfc9111.Decision {
	now := time.Now()
	s := p.Response
	if x.verdict.Fresh > 0 && !s.Has(rfc9111.Explicit) {
		s.Lifetime = x.verdict.Fresh
	}
	d := x.c.o.Policy.Reuse(&x.q, &s, now)
	if (x.verdict.Ask || x.verdict.barred(p)) && d.Action != rfc9111.Forward {
		d.Action, d.Reason = rfc9111.Revalidate, rfc9111.ReasonNoCache
	}
	if p.tag != x.verdict.Tag && d.Action != rfc9111.Forward {
		d.Action, d.Reason = rfc9111.Revalidate, rfc9111.ReasonStale
	}
	return d
}

// hit serves what is held. It tells false, with nothing sent, if the body is gone.
func (x *exchange) hit(held *response, d rfc9111.Decision) (bool, error) {
	x.status.Hit, x.status.TTL = true, d.TTL
	x.status.Detail = ""
	if d.Reason != rfc9111.ReasonFresh {
		x.status.Detail = d.Reason.String()
	}
	answered, err := x.sendHeld(held, nil)
	if !answered {
		x.status.Hit = false
		return false, nil
	}
	if d.TTL > 0 {
		x.c.counts.hits.Add(1)
	} else {
		x.c.counts.stale.Add(1)
	}
	x.c.counts.saved.Add(int64(held.cost))
	if d.Action == rfc9111.ServeAndRevalidate {
		x.c.refresh(x, held)
	}
	return true, err
}

// withoutOrigin answers while the origin may not be asked: because the client said so
// (RFC 9111 §5.2.1.7), or because the cache is offline, where stale is better than nothing.
func (x *exchange) withoutOrigin(held *response, d rfc9111.Decision) error {
	detail := "only-if-cached"
	if x.offline() {
		detail = "offline"
		if held != nil {
			x.status = rfc9111.Status{Cache: x.c.o.Name, Hit: true, TTL: d.TTL, Detail: detail}
			if answered, err := x.sendHeld(held, nil); answered {
				x.c.counts.stale.Add(1)
				return err
			}
		}
	}
	x.c.counts.refused.Add(1)
	x.status = rfc9111.Status{Cache: x.c.o.Name, Detail: detail}
	return x.sendError(http.StatusGatewayTimeout, "Not in the cache, and the server was not asked ("+detail+").")
}

// fetch asks the inner handler, or waits for another who is asking. again tells that
// nothing was sent and the stored state has to be looked at anew.
func (x *exchange) fetch(held *response, d rfc9111.Decision) (again bool, err error) {
	f := x.newFlight(held)
	at, mine := x.c.flights.join(x.flightKey(held, d.Reason), f)
	if mine {
		return x.lead(f)
	}
	return x.follow(at)
}

func (x *exchange) newFlight(held *response) *flight {
	return &flight{
		principal: x.id.principal, held: held, mark: x.c.purges.mark(), asked: time.Now(), ready: make(chan struct{}),
		buf: buffer{inAir: &x.c.inAir, most: x.c.o.FlightBytes, limit: x.c.o.MaxBody},
	}
}

// flightKey says who may wait together: those who would send the origin the same
// question and take its answer. "" is nobody.
func (x *exchange) flightKey(held *response, reason rfc9111.Reason) string {
	if x.lonely {
		return ""
	}
	if held != nil {
		key := string(x.key) + "\x00" + string(held.body)
		if reason != rfc9111.ReasonStale && reason != rfc9111.ReasonMustRevalidate {
			// Each asker has to be confirmed by the origin, so only with its own kind.
			key += "\x00" + x.id.principal
		}
		return key
	}
	if x.ownCondition() {
		return ""
	}
	key := x.coldKey()
	if x.c.memo.holds(key, time.Now()) {
		return ""
	}
	return key
}

// coldKey is the flight key of what is not stored: the URL and the fields that select
// a variant more often than not.
func (x *exchange) coldKey() string {
	var b strings.Builder
	b.WriteString(string(x.key))
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", variantField} {
		value, _ := x.c.selecting(name, x.r)
		b.WriteByte(0)
		b.WriteString(value)
	}
	if x.q.Authorized {
		b.WriteString("\x00authorized")
	}
	return b.String()
}

// ownCondition tells whether the request carries a condition or range that goes to the
// origin as it is, so that its answer is for nobody else.
func (x *exchange) ownCondition() bool {
	h := x.r.Header
	return len(h["Range"]) > 0 || !x.shielded && (len(h["If-None-Match"]) > 0 || len(h["If-Modified-Since"]) > 0)
}
