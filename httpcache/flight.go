// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// mode is what a flight turned out to be, known with the head of the answer.
type mode uint8

const (
	// shared: storable; all who asked read along.
	shared mode = iota
	// confirmed: a 304 for what is held.
	confirmed
	// alone: not storable; it is for whoever began the flight.
	alone
	// standIn: the server failed, and what is held may stand in for it.
	standIn
	// failed: no answer at all.
	failed
	// vain: an answer to a question that was not asked. All look again.
	vain
)

// flight is one request to the server, under a context of its own, and all who wait for
// its answer.
type flight struct {
	t   *Transport
	key string
	// ready is closed once the fields down to head are set; they do not change then.
	ready  chan struct{}
	mode   mode
	held   *variant // of confirmed and standIn
	status int      // of standIn, 0 if there was none
	err    error    // of failed
	answer *http.Response
	own    http.Header // what is not kept is for whoever began the flight
	head   *variant    // of shared; Size is -1 until the end if it was not announced

	mu      sync.Mutex // guards following
	readers int
	cancel  context.CancelFunc
	chunks  [][]byte // of growing size; only the last one grows
	starts  []int64  // where each begins in the body
	size    int64
	room    int64 // what is reserved of Options.FlightBytes
	done    bool
	broken  error
	wake    chan struct{}
}

// flights lists those that can be joined.
type flights struct {
	mu     sync.Mutex // guards following
	listed map[string]*flight
}

// join returns the flight under key with one more reader, or a new one that is the
// caller's to begin.
func (l *flights) join(key string) (f *flight, mine bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.listed[key]; key != "" && f != nil && f.enter() {
		return f, false
	}
	f = &flight{key: key, ready: make(chan struct{}), readers: 1}
	if key != "" {
		if l.listed == nil {
			l.listed = map[string]*flight{}
		}
		l.listed[key] = f
	}
	return f, true
}

func (l *flights) remove(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listed[f.key] == f {
		delete(l.listed, f.key)
	}
}

func (f *flight) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers == 0 {
		return false
	}
	f.readers++
	return true
}

// leave takes a reader away. With the last one the request is cancelled, unless all of
// its body is here already; then it is kept all the same.
func (f *flight) leave() {
	f.mu.Lock()
	f.readers--
	last := f.readers == 0
	whole := f.done || f.head != nil && f.head.Size >= 0 && f.size == f.head.Size
	if last && f.done {
		f.release()
	}
	f.mu.Unlock()
	if last && !whole {
		f.cancel()
	}
}

// begin sends the request in a goroutine that ends with the body.
func (f *flight) begin(x *exchange, held *variant) {
	f.t = x.t
	ctx, cancel := context.WithCancel(context.WithoutCancel(x.r.Context()))
	f.cancel = cancel
	go f.run(ctx, x, held)
}

// question is the request to the server.
func question(ctx context.Context, r *http.Request, held *variant) *http.Request {
	out := r.Clone(ctx)
	switch {
	case held == nil:
	case held.Validator():
		rfc9111.Revalidation(out.Header, &held.Response)
	default:
		rfc9111.Unconditional(out.Header)
	}
	return out
}

func (f *flight) run(ctx context.Context, x *exchange, held *variant) {
	defer x.t.flights.remove(f)
	asked, mark := time.Now(), x.t.purges.mark()
	x.t.counts.requests.Add(1)
	asking := question(ctx, x.r, held)
	answer, err := x.t.o.Next.RoundTrip(asking)
	now := time.Now()
	if err == nil {
		f.own = perishable(answer.Header)
		x.t.resumable(asking, answer)
	}
	switch {
	case err != nil:
		f.failed(x, held, err, now)
	case answer.StatusCode == http.StatusNotModified && held != nil && held.Validator():
		discard(answer)
		f.confirm(ctx, x, held, answer.Header, asked, now, mark)
	case held != nil && x.t.policy.StaleOnError(&x.q, &held.Response, now, answer.StatusCode):
		discard(answer)
		f.mode, f.held, f.status = standIn, held, answer.StatusCode
		close(f.ready)
		f.cancel()
	default:
		f.arrived(ctx, x, answer, asked, now, mark)
	}
}

// discard ends an answer of which the body is of no use.
func discard(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	_ = answer.Body.Close()                          // it was only read
}

func (f *flight) failed(x *exchange, held *variant, err error, now time.Time) {
	f.mode, f.err = failed, err
	if held != nil && !errors.Is(err, context.Canceled) && x.t.policy.StaleOnError(&x.q, &held.Response, now, 0) {
		f.mode, f.held = standIn, held
	}
	close(f.ready)
	f.cancel()
}

// confirm makes the head of a response that a 304 confirmed, and keeps it where that
// says something new.
func (f *flight) confirm(ctx context.Context, x *exchange, held *variant, h http.Header, asked, now time.Time, mark uint64) {
	defer f.cancel()
	if !rfc9111.Confirms(&held.Response, h) {
		// An answer to a question that was not asked: ask in full.
		x.t.drop(ctx, x.key)
		f.mode = vain
		close(f.ready)
		return
	}
	v := *held
	v.Header = rfc9111.Update(held.Header, stored(h, now))
	v.Asked, v.Received = asked, now
	v.Response = x.t.policy.Parse(v.Status, v.Header, asked, now)
	f.mode, f.held = confirmed, &v
	if (v.Lifetime > 0 || differs(held.Header, v.Header)) && !x.t.purges.since(mark, v.Groups) {
		x.t.storeFailed(x.t.keep(ctx, x.key, x.id, x.r, &v))
	}
	close(f.ready)
}

// differs tells whether a confirmation changed more than the date.
func differs(before, after http.Header) bool {
	for name, values := range after {
		if name == "Date" || name == "Age" || name == "Server-Timing" || name == "X-Tiled-Request-Id" {
			continue
		}
		if len(before[name]) != len(values) || len(values) > 0 && before[name][0] != values[0] {
			return true
		}
	}
	return false
}

// perishable are the fields of h that belong to one answer: cookies, the request's id
// and its timings.
func perishable(h http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Set-Cookie", "Set-Cookie2", "X-Tiled-Request-Id", "Server-Timing"} {
		if values, ok := h[name]; ok {
			out[name] = values
		}
	}
	return out
}

// stored is h without what belongs to one connection or one answer. A response without
// Date gets one (RFC 9110 §6.6.1).
func stored(h http.Header, now time.Time) http.Header {
	out := maps.Clone(h)
	rfc9111.Connection(out)
	for name := range perishable(h) {
		delete(out, name)
	}
	if len(out["Date"]) == 0 {
		out["Date"] = []string{now.UTC().Format(http.TimeFormat)}
	}
	return out
}

// arrived decides about a new response, and brings its body in if it is to be kept.
func (f *flight) arrived(ctx context.Context, x *exchange, answer *http.Response, asked, now time.Time, mark uint64) {
	t := x.t
	v := &variant{
		Status: answer.StatusCode, Header: stored(answer.Header, now), Asked: asked, Received: now,
		Selectors: t.selectors(x.r, answer.Header["Vary"]), Size: answer.ContentLength, Groups: t.groups(x.r, x.id, answer.Header),
	}
	v.Response = t.policy.Parse(v.Status, v.Header, asked, now)
	storable, _ := t.policy.Storable(&x.q, &v.Response)
	storable = storable && v.Size <= t.o.MaxBody && len(answer.Trailer) == 0
	if storable && t.full(max(v.Size, -v.Size*chunkBytes)) {
		_ = answer.Body.Close() // it is not wanted
		f.failed(x, nil, fmt.Errorf("%s: %w", x.id.url, ErrFull), now)
		return
	}
	f.answer = answer
	if !storable || !f.reserve(max(v.Size, chunkBytes)) {
		f.mode = alone
		close(f.ready)
		return // the body is read, and the flight left, by whoever began it
	}
	v.Body = t.newBodyKey()
	f.setHead(v)
	if v.Size >= 0 {
		close(f.ready)
	}
	f.pump(ctx, x, v, mark)
}

// full tells of a cache that has no room for n bytes and may not make any.
func (t *Transport) full(n int64) bool {
	if !t.o.ErrorIfFull {
		return false
	}
	s := t.o.Store.Stats()
	return s.Bytes+n+headRoom > s.Capacity
}

// headRoom is what the heads of a response and its record may take.
const headRoom = 16 << 10

// reserve makes the room for this body at least n, or tells that there is none.
func (f *flight) reserve(n int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	more := n - f.room
	if more <= 0 {
		return true
	}
	if f.t.inAir.Add(more) > f.t.o.FlightBytes {
		f.t.inAir.Add(-more)
		return false
	}
	f.room = n
	return true
}

// release gives the room back. f.mu is held.
func (f *flight) release() {
	f.t.inAir.Add(-f.room)
	f.room = 0
}

// Sizes of the chunks: the first, and the largest.
const (
	chunkBytes    = 64 << 10
	maxChunkBytes = 4 << 20
)

// pump reads the body into memory, for those who wait, and into the store.
func (f *flight) pump(ctx context.Context, x *exchange, v *variant, mark uint64) {
	t := x.t
	defer f.cancel()
	w := t.begin(ctx, v)
	defer func() { w.Abort() }()
	announced := v.Size >= 0
	err := f.fill(&w, announced)
	if errors.Is(err, errTooLong) {
		w.Abort()
		f.mode = alone
		f.setHead(nil)
		close(f.ready)
		<-ctx.Done() // until the one who reads it has left
		f.end(errTooLong)
		return
	}
	_ = f.answer.Body.Close() // it was only read
	if err == nil {
		v = f.finish(v, time.Since(v.Asked))
		if w.Commit() == nil && !t.purges.since(mark, v.Groups) {
			t.stored(ctx, x, v, f)
		}
	}
	f.end(err)
	if !announced {
		close(f.ready)
	}
}

func (f *flight) setHead(v *variant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head = v
}

// finish completes the head with what is known at the end.
func (f *flight) finish(v *variant, cost time.Duration) *variant {
	whole := *v
	whole.Size, whole.Cost = f.size, cost
	if whole.Size == 0 {
		whole.Body = ""
	}
	if v.Size < 0 {
		f.setHead(&whole) // nobody has seen the other: ready is still open
	}
	return &whole
}

// stored makes a body that was committed findable.
func (t *Transport) stored(ctx context.Context, x *exchange, v *variant, f *flight) {
	if err := t.keep(ctx, x.key, x.id, x.r, v); err != nil {
		t.storeFailed(err)
		return
	}
	t.counts.stored.Add(1)
	if t.o.Front != nil && v.Body != "" {
		t.storeFailed(copyTo(ctx, t.o.Front, v, &reader{f: f, ctx: ctx, length: v.Size}))
	}
}

// errTooLong says that a body whose length was not announced turned out too long to be
// kept.
var errTooLong = errors.New("body too long to be kept")

// fill reads the body into chunks that grow, and hands each on. Memory grows with what
// was sent, not with what was announced.
func (f *flight) fill(w *store.Writer, announced bool) error {
	size := chunkBytes
	var chunk []byte
	for {
		if len(chunk) == cap(chunk) {
			chunk = make([]byte, 0, size)
			size = min(2*size, maxChunkBytes)
		}
		n, err := f.answer.Body.Read(chunk[len(chunk):cap(chunk)])
		f.t.counts.received.Add(int64(n))
		if n > 0 {
			chunk = chunk[:len(chunk)+n]
			f.add(chunk, n)
			if _, failed := (*w).Write(chunk[len(chunk)-n:]); failed != nil {
				f.t.storeFailed(failed)
				(*w).Abort()
				*w = nothing{}
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case !announced && f.t.full(2*f.size+chunkBytes): // stores reserve ahead
			return ErrFull
		case !announced && (f.size > f.t.o.MaxBody || !f.reserve(f.size)):
			return errTooLong
		}
	}
}

// add makes the last n bytes of chunk, which is new or was the last one, readable.
func (f *flight) add(chunk []byte, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(chunk) == n {
		f.chunks, f.starts = append(f.chunks, chunk), append(f.starts, f.size)
	} else {
		f.chunks[len(f.chunks)-1] = chunk
	}
	f.size += int64(n)
	f.notify()
}

func (f *flight) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done, f.broken = true, err
	if f.readers == 0 {
		f.release()
	}
	f.notify()
}

func (f *flight) notify() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// begin opens the store for a body; a store that will not have it takes it all the same
// and keeps nothing.
func (t *Transport) begin(ctx context.Context, v *variant) store.Writer {
	if v.Size == 0 {
		return empty{}
	}
	w, err := t.o.Store.Put(ctx, v.Body, store.Meta{Size: v.Size, Groups: v.Groups})
	if err != nil {
		if !errors.Is(err, errdef.ErrTooLarge) {
			t.storeFailed(err)
		}
		return nothing{}
	}
	return w
}

// empty is the writer of no bytes; nothing that of a store that failed.
type (
	empty   struct{}
	nothing struct{}
)

func (empty) Write(p []byte) (int, error)   { return len(p), nil }
func (empty) Commit() error                 { return nil }
func (empty) Abort()                        {}
func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) Commit() error               { return errdef.ErrUnavailable }
func (nothing) Abort()                      {}
