// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// lead runs the inner handler for x and for all who join f. The handler runs in this
// goroutine; if its answer is shared, another sends it to x's client meanwhile, so that
// a slow client does not slow the handler down.
func (x *exchange) lead(f *flight) (again bool, err error) {
	c := x.c
	defer c.flights.leave(f)
	// What says no-cache could not be served without asking, however new it is.
	again = f.key != "" && (f.held == nil || !f.held.Has(rfc9111.NoCache)) && x.arrivedMeanwhile(f)
	if again {
		f.settle(vain)
		f.exit()
		return true, nil
	}
	x.leads = f
	ctx, cancel := context.WithCancel(context.WithoutCancel(x.ctx))
	defer cancel()
	f.setCancel(cancel)
	stay := context.AfterFunc(x.ctx, f.exit)
	defer func() {
		if stay() {
			f.exit()
		}
	}()
	k := &capture{x: x, f: f, ctx: ctx, stop: cancel, header: http.Header{}}
	k.run(x.question(ctx, f))
	return x.conclude(k)
}

// arrivedMeanwhile tells whether another flight stored the answer between x's look and
// its taking the lead.
func (x *exchange) arrivedMeanwhile(f *flight) bool {
	now, _ := x.c.lookup(x.ctx, x.key, x.r)
	if now == nil || f.held != nil && now.body == f.held.body && now.Received.Equal(f.held.Received) {
		return false
	}
	return x.decide(now).Action == rfc9111.Serve
}

// question is the request that the inner handler gets.
func (x *exchange) question(ctx context.Context, f *flight) *http.Request {
	if ctx.Value(http.ServerContextKey) == nil {
		// A reverse proxy only reports a body that broke off where it sees a server.
		ctx = context.WithValue(ctx, http.ServerContextKey, &http.Server{})
	}
	r := x.r.Clone(x.named(ctx))
	switch {
	case f.held != nil && f.held.Validator():
		rfc9111.Revalidation(r.Header, &f.held.Response)
	case f.held != nil || x.shielded:
		rfc9111.Unconditional(r.Header)
	}
	return r
}

// run calls the inner handler and settles what it left open. A panic is an abort.
func (k *capture) run(r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			k.broken = true
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				k.x.c.o.Logger.LogAttrs(k.ctx, slog.LevelError, "handler panicked",
					slog.String("url", k.x.id.url), slog.String("panic", fmt.Sprint(p)))
			}
		}
		k.finish()
	}()
	k.x.c.o.Next.ServeHTTP(k, r)
}

// conclude sends what has not been sent yet.
func (x *exchange) conclude(k *capture) (again bool, err error) {
	f := k.f
	if k.twin != nil {
		defer k.twin.exit()
		x.c.counts.collapsed.Add(1)
		x.status.Collapsed = true
		return false, x.sendFlight(k.twin)
	}
	switch f.mode {
	case shared:
		x.c.counts.misses.Add(1)
		if k.handedOver {
			return false, k.outcome()
		}
		if k.streamer == nil {
			err = x.sendFlight(f)
		} else {
			err = <-k.streamer
		}
		k.trailers(x.w.Header())
		return false, err
	case alone:
		x.c.counts.misses.Add(1)
		return false, k.outcome()
	case confirmed:
		return x.confirmed(f.response, f.heldBy)
	case failing:
		return false, x.fail(f)
	case pending, vain:
	}
	x.lonely = true
	return true, nil
}

// confirmed serves what a 304 allowed. again tells that its body is gone.
func (x *exchange) confirmed(p *response, from *flight) (again bool, err error) {
	x.status.FwdStatus = http.StatusNotModified
	answered, err := x.sendHeld(p, from)
	if !answered {
		// Without the stored body the question must be a full one.
		_ = x.c.o.Store.Delete(x.ctx, x.key)
		return true, nil
	}
	x.c.counts.confirmed.Add(1)
	x.c.counts.saved.Add(int64(p.cost))
	return false, err
}

// follow waits for another's flight and takes from it what x may have.
func (x *exchange) follow(f *flight) (again bool, err error) {
	defer f.exit()
	select {
	case <-f.ready:
	case <-x.ctx.Done():
		return false, x.ctx.Err()
	}
	if x.background {
		return false, nil
	}
	if f.response != nil && x.c.purges.outdates(f.mark, f.response.groups) {
		// What it brings was made untrue since it began, perhaps before this request came.
		x.c.flights.leave(f)
		return true, nil
	}
	switch f.mode {
	case shared:
		return x.share(f)
	case confirmed:
		if !x.c.o.Strict && f.principal == x.id.principal || x.decide(f.response).Action == rfc9111.Serve {
			x.collapsed()
			return x.confirmed(f.response, f.heldBy)
		}
		x.lonely = true
	case failing:
		x.collapsed()
		return false, x.fail(f)
	case alone, pending, vain:
		x.lonely = f.mode == alone
	}
	return true, nil
}

func (x *exchange) collapsed() {
	x.status.Collapsed = true
	x.c.counts.collapsed.Add(1)
}

// share takes a storable answer that is still arriving, if x's request selects it and
// the rules let it out: at once, or after the origin confirmed it to x itself.
func (x *exchange) share(f *flight) (again bool, err error) {
	p := f.response
	if x.c.matches(p.selectors, p.language, x.r) {
		d := x.decide(p)
		switch {
		case d.Action == rfc9111.Serve, d.Action == rfc9111.ServeAndRevalidate,
			!x.c.o.Strict && f.principal == x.id.principal && d.Action == rfc9111.Revalidate && d.Reason != rfc9111.ReasonRequestNoCache:
			// One's own kind may share what was asked for while one waited (§4).
			x.collapsed()
			x.c.counts.misses.Add(1)
			return false, x.sendFlight(f)
		case d.Action == rfc9111.Revalidate && p.Validator():
			own := x.newFlight(p)
			own.heldBy, own.readers = f, 1
			return x.lead(own)
		}
	}
	x.lonely = true
	return true, nil
}

// fail answers with a server error: with what is held, if it may stand in; else with the
// error, whose text goes to those with the same credentials only.
func (x *exchange) fail(f *flight) error {
	status := 0
	if f.failure != nil {
		status = f.failure.status
	}
	if p := f.held; p != nil && x.c.o.Policy.StaleOnError(&x.q, &p.Response, time.Now(), status) && x.admitsStale(p) {
		x.status.Detail, x.status.FwdStatus = "stale-if-error", status
		if answered, err := x.sendHeld(p, f.heldBy); answered {
			x.c.counts.stale.Add(1)
			return err
		}
	}
	x.c.counts.misses.Add(1)
	if f.failure == nil {
		return errAborted
	}
	if f.principal != x.id.principal {
		return x.sendError(status, http.StatusText(status))
	}
	return x.sendFailure(f.failure)
}

// admitsStale: with a guard, only what this asker was admitted to.
func (x *exchange) admitsStale(p *response) bool {
	return x.verdict.Admitted && !x.verdict.Unproven && !x.verdict.barred(p) && (x.c.o.Guard == nil || p.tag == x.verdict.Tag || x.verdict.Tag == "")
}

// refresh asks the inner handler about held beside the request that was served stale
// (RFC 5861 §3). Where too many are under way already it is left to a later request.
func (c *Cache) refresh(x *exchange, held *response) {
	select {
	case c.slots <- struct{}{}:
	default:
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(x.ctx))
	stop := context.AfterFunc(c.ctx, cancel)
	again := &exchange{
		c: c, w: &nobody{header: http.Header{}}, r: x.r.Clone(ctx), ctx: ctx, q: x.q, id: x.id, key: x.key,
		verdict: x.verdict, background: true, status: rfc9111.Status{Cache: c.o.Name},
	}
	c.background.Go(func() {
		defer func() { <-c.slots }()
		defer stop()
		defer cancel()
		if _, err := again.fetch(held, rfc9111.Decision{Reason: rfc9111.ReasonStale}); err != nil {
			c.o.Logger.LogAttrs(ctx, slog.LevelDebug, "refresh failed", slog.String("url", x.id.url), slog.String("error", err.Error()))
		}
	})
}

// nobody is the client of a refresh: it takes nothing.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header       { return n.header }
func (n *nobody) WriteHeader(int)           {}
func (n *nobody) Write([]byte) (int, error) { return 0, errAborted }
