// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

const (
	// sentAtOnce is the size up to which a body of known length is sent when it is
	// complete, without a second goroutine.
	sentAtOnce = 32 << 10
	// maxFailure is the largest error body that is kept for all who wait.
	maxFailure = 64 << 10
)

// capture is the [http.ResponseWriter] of the inner handler while it works for a
// flight. It finds out what the flight is and sends the bytes where they belong.
type capture struct {
	x      *exchange
	f      *flight
	ctx    context.Context //nolint:containedctx // that of the inner request
	stop   context.CancelFunc
	header http.Header

	status   int
	expected int64 // Content-Length, or -1
	written  int64
	// broken: the handler was aborted, or its client went away.
	broken bool
	// streamer brings the result of sending a shared body to the leader's client.
	streamer chan error
	// handedOver: the rest goes to the leader's client directly.
	handedOver bool
	writeErr   error
	// twin brings the same entity to somebody else already; this run is not needed.
	twin *flight
}

// Header implements [http.ResponseWriter].
func (k *capture) Header() http.Header { return k.header }

// WriteHeader implements [http.ResponseWriter]. Interim responses go to the leader.
func (k *capture) WriteHeader(status int) {
	if k.status != 0 {
		return
	}
	if status >= 100 && status < 200 {
		k.interim(status)
		return
	}
	k.status = status
	k.expected = -1
	if n, err := strconv.ParseInt(k.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		k.expected = n
	}
	k.head(maps.Clone(k.header))
}

func (k *capture) interim(status int) {
	if status == http.StatusSwitchingProtocols || k.x.background || k.x.ctx.Err() != nil {
		return
	}
	out := k.x.w.Header()
	for name, values := range k.header {
		out[name] = slices.Clone(values)
	}
	k.x.w.WriteHeader(status)
	clear(out)
}

// head decides what the flight is.
func (k *capture) head(h http.Header) {
	f, c := k.f, k.x.c
	now := time.Now()
	asked := f.held != nil && f.held.Validator()
	switch {
	case k.status == http.StatusNotModified && asked:
		if !rfc9111.Confirms(&f.held.Response, h) {
			// An answer to a question that was not asked: ask in full.
			_ = c.o.Store.Delete(k.ctx, k.x.key)
			f.settle(vain)
			return
		}
		k.confirm(h, now)
		return
	case f.held != nil && c.o.Policy.StaleOnError(&k.x.q, &f.held.Response, now, k.status):
		f.failure = &failure{status: k.status, header: h}
		return
	}
	p := k.parse(h, now)
	k.x.own = h
	stated := p.Response
	if k.x.verdict.Fresh > 0 && !stated.Has(rfc9111.Explicit) {
		// What the guard says is fresh is of use without a validator too.
		stated.Lifetime = k.x.verdict.Fresh
	}
	storable, reason := c.o.Policy.Storable(&k.x.q, &stated)
	storable = storable && !k.x.verdict.NoStore && c.ownCookies(h)
	switch {
	case storable && k.expected <= c.o.MaxBody && k.room():
		k.share(p)
	case k.status >= http.StatusInternalServerError && k.expected <= maxFailure && !k.x.background:
		f.failure = &failure{status: k.status, header: h}
	default:
		c.counts.unstorable.Add(1)
		if !k.x.ownCondition() {
			c.memo.remember(k.x.coldKey(), now)
		}
		c.flights.leave(f)
		f.settle(alone)
		if storable {
			k.x.status.Detail = "too-large"
		}
		k.alone(h, reason)
	}
}

// room reserves memory for a body of known length.
func (k *capture) room() bool {
	if k.expected < 0 {
		return true
	}
	k.f.mu.Lock()
	defer k.f.mu.Unlock()
	return k.f.buf.expect(k.expected)
}

// parse makes the head that would be stored.
func (k *capture) parse(h http.Header, now time.Time) *response {
	c := k.x.c
	return &response{
		Response: c.o.Policy.Parse(k.status, h, k.f.asked, now), header: c.storedHeader(h, now),
		selectors: c.selectorsFor(k.x.r, h["Vary"]), tag: k.x.verdict.Tag, body: c.newBodyKey(),
		groups: c.groups(k.x.r, k.x.id, rfc9111.Groups(h)), language: h.Get("Content-Language"), size: k.expected,
	}
}

// storedHeader is h without what belongs to one connection or one asker. A response
// without Date gets one: RFC 9110 §6.6.1.
func (c *Cache) storedHeader(h http.Header, now time.Time) http.Header {
	out := maps.Clone(h)
	rfc9111.Connection(out)
	for name, values := range out {
		if c.drop[name] || strings.HasPrefix(name, http.TrailerPrefix) {
			delete(out, name)
			continue
		}
		// Many will share it: an append somewhere else must not write into it.
		out[name] = slices.Clip(values)
	}
	if len(out["Date"]) == 0 {
		out["Date"] = []string{now.UTC().Format(http.TimeFormat)}
	}
	return out
}

// confirm makes the head of a response that a 304 confirmed, and stores it where that
// makes it fresher.
func (k *capture) confirm(h http.Header, now time.Time) {
	f, c := k.f, k.x.c
	p := k.refreshed(h, now)
	k.x.own = h
	f.response = p
	if storable, _ := c.o.Policy.Storable(&k.x.q, &p.Response); storable && f.heldBy == nil && k.renews(p) {
		c.keep(k.x.key, k.x.r, p, nil, f.mark)
	}
	f.settle(confirmed)
}

// refreshed is the head of the held response after the origin said h of it.
func (k *capture) refreshed(h http.Header, now time.Time) *response {
	c := k.x.c
	p := *k.f.held
	p.header = rfc9111.Update(k.f.held.header, c.storedHeader(h, now))
	p.Response = c.o.Policy.Parse(k.f.held.Status, p.header, k.f.asked, now)
	p.tag = k.x.verdict.Tag
	return &p
}

// renews tells whether storing a confirmed head saves a later request something: a
// lifetime that begins anew, or another version of the source.
func (k *capture) renews(p *response) bool {
	return p.tag != k.f.held.tag || !p.Has(rfc9111.NoCache) &&
		(p.Lifetime > 0 || k.x.verdict.Fresh > 0 || p.StaleIfError > 0 || k.x.c.o.Policy.StaleIfError > 0)
}

// share begins a shared flight, unless a twin brings the same entity already.
func (k *capture) share(p *response) {
	f, c := k.f, k.x.c
	if k.twin = k.findTwin(p); k.twin != nil {
		f.settle(vain)
		k.stop()
		return
	}
	c.memo.forget(k.x.coldKey())
	f.response = p
	k.x.status.Stored = true
	f.settle(shared)
	if (k.expected < 0 || k.expected > sentAtOnce) && !k.x.background {
		k.streamer = make(chan error, 1)
		// It ends with the flight or with its client, and lead waits for it.
		go func() { k.streamer <- k.x.sendFlight(f) }()
	}
}

// findTwin looks for a flight under way that brings what p is the head of. This asker's
// right to it is proven: the inner handler was about to give it the same entity.
func (k *capture) findTwin(p *response) *flight {
	c := k.x.c
	if p.ETag == "" || strings.HasPrefix(p.ETag, "W/") || k.x.background {
		return nil
	}
	twin := c.flights.twin(string(k.x.key)+"\x00=\x00"+p.ETag, k.f)
	if twin == nil {
		return nil
	}
	<-twin.ready
	if twin.mode != shared || c.purges.outdates(twin.mark, twin.response.groups) || !c.matches(twin.response.selectors, twin.response.language, k.x.r) {
		twin.exit()
		return nil
	}
	return twin
}

// alone sends the head straight to the leader's client.
func (k *capture) alone(h http.Header, reason rfc9111.Reason) {
	x := k.x
	if x.background {
		k.stop()
		return
	}
	if reason != rfc9111.ReasonNone {
		x.status.Detail = reason.String()
	}
	out := x.w.Header()
	for name, values := range h {
		out[name] = slices.Clone(values)
	}
	x.addStatus(out)
	typed(out)
	x.w.WriteHeader(k.status)
}

// Write implements [http.ResponseWriter].
func (k *capture) Write(p []byte) (int, error) {
	if k.status == 0 {
		k.WriteHeader(http.StatusOK)
	}
	if k.twin != nil {
		return 0, errAborted
	}
	if err := k.ctx.Err(); err != nil {
		k.broken = true
		return 0, err
	}
	k.written += int64(len(p))
	if k.f.failure != nil {
		return k.writeFailure(p)
	}
	switch k.f.mode {
	case alone:
		return k.direct(p)
	case shared:
		return k.buffered(p)
	default:
		// A 304 has no body, and nobody waits for another's.
		return len(p), nil
	}
}

func (k *capture) writeFailure(p []byte) (int, error) {
	if len(k.f.failure.body)+len(p) > maxFailure {
		k.broken = true
		return 0, errAborted
	}
	k.f.failure.body = append(k.f.failure.body, p...)
	return len(p), nil
}

// direct writes to the leader's client, at its pace.
func (k *capture) direct(p []byte) (int, error) {
	n, err := k.x.w.Write(p)
	if err != nil {
		k.writeErr = err
	}
	return n, err
}

// buffered writes for all to read. A body that outgrows the limit is handed over to the
// leader's client; others who were reading it are cut off and find it unstorable next time.
func (k *capture) buffered(p []byte) (int, error) {
	if k.handedOver {
		return k.direct(p)
	}
	f := k.f
	f.mu.Lock()
	kept := f.buf.write(p)
	f.handover = !kept
	f.notify()
	f.mu.Unlock()
	if kept {
		return len(p), nil
	}
	k.x.c.memo.remember(k.x.coldKey(), time.Now())
	k.x.c.flights.leave(f)
	k.handedOver = true
	if k.streamer == nil {
		return 0, errAborted
	}
	if k.writeErr = <-k.streamer; k.writeErr != nil {
		return 0, k.writeErr
	}
	return k.direct(p)
}

// Flush implements [http.Flusher].
func (k *capture) Flush() {
	if k.status == 0 {
		k.WriteHeader(http.StatusOK)
	}
	f := k.f
	switch {
	case k.x.background || f.failure != nil:
	case f.mode == alone || k.handedOver:
		// A client that has gone shows at the next write.
		_ = http.NewResponseController(k.x.w).Flush()
	case f.mode == shared:
		f.mu.Lock()
		f.flush = true
		f.notify()
		f.mu.Unlock()
	}
}

// finish settles what the handler left open when it returned.
func (k *capture) finish() {
	f := k.f
	if k.status == 0 && !k.broken && k.ctx.Err() == nil {
		k.WriteHeader(http.StatusOK)
	}
	k.broken = k.broken || k.ctx.Err() != nil ||
		k.expected >= 0 && k.status != 0 && k.written != k.expected && bodyAllowed(k.status)
	switch {
	case k.twin != nil:
	case f.failure != nil:
		if k.broken && len(f.failure.body) > 0 {
			f.failure.body = nil
			f.failure.header.Del("Content-Length")
		}
		f.settle(failing)
	case k.status == 0:
		f.settle(failing)
	case f.mode == shared:
		k.finishShared()
	case f.mode == alone:
		k.trailers(k.x.w.Header())
	}
}

// finishShared ends the body and stores it, if it is whole.
func (k *capture) finishShared() {
	f, c := k.f, k.x.c
	if k.broken || k.handedOver {
		f.end(errAborted)
		return
	}
	p := *f.response
	p.cost = time.Since(f.asked)
	f.mu.Lock()
	p.size = f.buf.size
	body := f.buf.whole()
	f.mu.Unlock()
	if k.expected < 0 && bodyAllowed(p.Status) {
		p.header = maps.Clone(p.header)
		p.header["Content-Length"] = []string{strconv.FormatInt(p.size, 10)}
	}
	f.end(nil)
	if p.cost < c.o.MinCost {
		return
	}
	if c.keep(k.x.key, k.x.r, &p, body, f.mark) {
		c.counts.stored.Add(1)
	}
}

// outcome is how the leader's client fared that was written to directly.
func (k *capture) outcome() error {
	if k.broken {
		return errAborted
	}
	return k.writeErr
}

// trailers copies the fields that the handler set after its body.
func (k *capture) trailers(out http.Header) {
	announced := rfc9111.VaryNames(out["Trailer"])
	for name, values := range k.header {
		if strings.HasPrefix(name, http.TrailerPrefix) || slices.Contains(announced, name) {
			out[name] = values
		}
	}
}

// bodyAllowed tells whether a response of this status has a body (RFC 9110 §6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
