// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// maxRounds bounds how often a request starts over: when what it waited for was for
// others only, or a body vanished from the store between two looks.
const maxRounds = 4

// exchange is one request on its way through the cache.
type exchange struct {
	t   *Transport
	r   *http.Request
	q   rfc9111.Request
	id  identity
	key store.Key
	// lonely: ask for oneself, join nobody.
	lonely bool
	// status becomes the Cache-Status line.
	status rfc9111.Status
}

// RoundTrip implements [http.RoundTripper]. Errors are those of Options.Next, or
// [ErrNotAvailableOffline] with the URL.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := &exchange{t: t, r: r, id: t.identify(r, true), status: rfc9111.Status{Cache: t.o.Name}}
	answer, err := x.serve()
	if t.o.Logger.Enabled(r.Context(), slog.LevelDebug) {
		text := x.status.String()
		if err != nil {
			text = err.Error()
		}
		t.o.Logger.LogAttrs(r.Context(), slog.LevelDebug, "http cache", slog.String("url", x.id.url), slog.String("status", text))
	}
	return answer, err
}

func (x *exchange) serve() (*http.Response, error) {
	r := x.r
	x.q = rfc9111.ParseRequest(r.Method, r.Header)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return x.pass("method", "")
	case r.Body != nil && r.Body != http.NoBody || len(r.Header["Upgrade"]) > 0 || rfc9111.OriginOnly(r.Header) || x.q.NoStore:
		return x.pass("bypass", "")
	}
	x.key = recordKey(x.id)
	for range maxRounds {
		held, others := x.t.lookup(r.Context(), x.key, r)
		var d rfc9111.Decision
		if held != nil {
			d = x.t.policy.Reuse(&x.q, &held.Response, time.Now())
			if d.Action == rfc9111.Serve || d.Action == rfc9111.ServeAndRevalidate {
				if answer := x.hit(held, d); answer != nil {
					return answer, nil
				}
				held = nil
			}
		}
		if x.q.OnlyIfCached || x.t.offline() {
			return x.withoutServer(held, d)
		}
		x.status.Fwd = d.Reason.Fwd()
		if held == nil && others {
			x.status.Fwd = "vary-miss"
		}
		if r.Method == http.MethodHead || held == nil && ownCondition(r.Header) {
			return x.pass(x.status.Fwd, "")
		}
		answer, err, again := x.fetch(held)
		if !again {
			return answer, err
		}
	}
	return x.pass("miss", "too-many-rounds")
}

// ownCondition tells of requests whose answer is for nobody else.
func ownCondition(h http.Header) bool {
	return len(h["Range"]) > 0 || len(h["If-None-Match"]) > 0 || len(h["If-Modified-Since"]) > 0
}

// hit answers with what is held, or nil if its body is gone.
func (x *exchange) hit(held *variant, d rfc9111.Decision) *http.Response {
	x.status.Hit, x.status.TTL = true, d.TTL
	x.status.Fwd, x.status.Detail = "", ""
	if d.Reason != rfc9111.ReasonFresh {
		x.status.Detail = d.Reason.String()
	}
	answer := x.held(held)
	if answer == nil {
		x.status.Hit = false
		return nil
	}
	if d.TTL > 0 {
		x.t.counts.hits.Add(1)
	} else {
		x.t.counts.stale.Add(1)
	}
	if d.Action == rfc9111.ServeAndRevalidate {
		x.t.refresh(x, held)
	}
	return answer
}

// withoutServer answers while the server may not be asked: because the request says so
// (RFC 9111 §5.2.1.7), or because the cache is offline, where old is better than nothing.
func (x *exchange) withoutServer(held *variant, d rfc9111.Decision) (*http.Response, error) {
	if !x.t.offline() {
		x.status.Detail = "only-if-cached"
		return x.gatewayTimeout(), nil
	}
	if held != nil {
		x.status.Hit, x.status.TTL, x.status.Detail = true, d.TTL, "offline"
		if answer := x.held(held); answer != nil {
			x.t.counts.stale.Add(1)
			return answer, nil
		}
	}
	return nil, x.refused()
}

func (x *exchange) refused() error {
	x.t.counts.refused.Add(1)
	return fmt.Errorf("%s %s: %w", x.r.Method, x.id.url, ErrNotAvailableOffline)
}

// pass sends a request past the cache.
func (x *exchange) pass(fwd, detail string) (*http.Response, error) {
	if x.t.offline() {
		if x.r.Body != nil {
			_ = x.r.Body.Close() // the contract of RoundTrip
		}
		return nil, x.refused()
	}
	x.t.counts.requests.Add(1)
	answer, err := x.t.o.Next.RoundTrip(x.r)
	if err != nil {
		return nil, err
	}
	x.t.counts.misses.Add(1)
	if rfc9111.Invalidates(x.r.Method, answer.StatusCode) {
		x.t.invalidate(x.r, x.id, answer.Header)
	}
	x.status.Fwd, x.status.Detail = fwd, detail
	x.addStatus(answer.Header)
	if answer.Body != nil && answer.StatusCode != http.StatusSwitchingProtocols {
		answer.Body = &countingBody{answer.Body, x.t}
	}
	return answer, nil
}

// countingBody counts what comes over the network.
type countingBody struct {
	io.ReadCloser
	t *Transport
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.t.counts.received.Add(int64(n))
	return n, err
}

// fetch asks the server, or waits for another who is asking. again tells that the
// stored state has to be looked at anew.
func (x *exchange) fetch(held *variant) (answer *http.Response, err error, again bool) {
	f, mine := x.t.flights.join(x.flightKey(held))
	if mine {
		f.begin(x, held)
	}
	select {
	case <-f.ready:
	case <-x.r.Context().Done():
		f.leave()
		return nil, x.r.Context().Err(), false
	}
	if !mine {
		x.t.counts.collapsed.Add(1)
		x.status.Collapsed = true
	}
	answer, err, again = x.outcome(f, mine)
	if mine && answer != nil {
		maps.Copy(answer.Header, f.own)
	}
	return answer, err, again
}

// outcome answers with what a flight turned out to be.
func (x *exchange) outcome(f *flight, mine bool) (answer *http.Response, err error, again bool) {
	switch f.mode {
	case failed:
		f.leave()
		return nil, f.err, false
	case standIn:
		f.leave()
		x.status.Detail, x.status.FwdStatus = "stale-if-error", f.status
		if answer = x.held(f.held); answer == nil {
			return nil, f.err, f.err == nil
		}
		x.t.counts.stale.Add(1)
		return answer, nil, false
	case confirmed:
		f.leave()
		return x.confirmed(f.held)
	case vain:
		f.leave()
		return nil, nil, true
	case shared:
		if mine || matches(f.head, x.r) {
			return x.streamed(f), nil, false
		}
	case alone:
		if mine {
			return x.direct(f), nil, false
		}
	}
	f.leave()
	x.lonely = true
	return nil, nil, true
}

// flightKey says who may wait together: those who would ask the same question. "" is
// nobody.
func (x *exchange) flightKey(held *variant) string {
	if x.lonely {
		return ""
	}
	var b strings.Builder
	b.WriteString(string(x.key))
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control"} {
		value, _ := rfc9111.VaryValue(name, x.r.Header)
		b.WriteByte(0)
		b.WriteString(value)
	}
	if held != nil {
		b.WriteByte(0)
		b.WriteString(string(held.Body))
		b.WriteString(held.ETag)
	}
	return b.String()
}

// confirmed serves what a 304 allowed. If its body is gone the question must be a full
// one next time.
func (x *exchange) confirmed(v *variant) (*http.Response, error, bool) {
	x.status.FwdStatus = http.StatusNotModified
	answer := x.held(v)
	if answer == nil {
		x.t.drop(x.r.Context(), x.key)
		return nil, nil, true
	}
	x.t.counts.confirmed.Add(1)
	return answer, nil, false
}

// refresh asks the server about held beside the request that was served stale (RFC 5861
// §3). Where too many are under way already it is left to a later request.
func (t *Transport) refresh(x *exchange, held *variant) {
	select {
	case t.slots <- struct{}{}:
	default:
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(x.r.Context()))
	stop := context.AfterFunc(t.ctx, cancel)
	again := &exchange{t: t, r: x.r.Clone(ctx), q: x.q, id: x.id, key: x.key, status: rfc9111.Status{Cache: t.o.Name}}
	t.background.Go(func() {
		defer func() { <-t.slots }()
		defer stop()
		defer cancel()
		answer, err, _ := again.fetch(held)
		if err == nil && answer != nil {
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close() // it was only read
		}
		if err != nil {
			t.o.Logger.LogAttrs(ctx, slog.LevelDebug, "refresh failed", slog.String("url", x.id.url), slog.String("error", err.Error()))
		}
	})
}
