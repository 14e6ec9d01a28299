package replay

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// pass is one replay along one way.
type pass struct {
	o     *Options
	line  *Line
	name  string
	round int
	http  *http.Client

	sums  []digest        // of each request's answer
	waits []time.Duration // of each request

	next   atomic.Int64 // request to be sent
	failed atomic.Int64 // requests that failed, one after another
	bad    atomic.Int64 // requests that failed

	mu    sync.Mutex // guards following
	ready time.Time  // when the next request may be sent, where there is a rate
	done  int
}

func newPass(o *Options, line *Line, name string, round int) *pass {
	n := len(o.Log.requests)
	// A redirect is an answer like any other: following it would leave the log.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &pass{
		o: o, line: line, name: name, round: round, sums: make([]digest, n), waits: make([]time.Duration, n),
		http: &http.Client{Transport: line.Transport, CheckRedirect: stay},
	}
}

// run sends all requests and says what that cost.
func (p *pass) run(ctx context.Context) (Cost, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	before, known := p.cpu()
	own, begun := ownCPU(), time.Now()
	workers := p.o.Concurrency
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			if err := p.work(ctx, begun); err != nil {
				stop(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return Cost{}, err
	}
	c := Cost{Origin: p.line.Origin(), Wall: time.Since(begun), Own: ownCPU() - own, Failed: p.bad.Load(), CPU: -1}
	if after, still := p.cpu(); known && still {
		c.CPU = after - before
	}
	for _, w := range p.waits {
		c.Waited += w
	}
	sorted := slices.Sorted(slices.Values(p.waits))
	c.Median, c.P99 = sorted[len(sorted)/2], sorted[len(sorted)*99/100]
	return c, nil
}

func (p *pass) cpu() (time.Duration, bool) {
	if p.line.CPU == nil {
		return 0, false
	}
	return p.line.CPU()
}

// work takes requests in their order until there are none.
func (p *pass) work(ctx context.Context, begun time.Time) error {
	for {
		i := int(p.next.Add(1) - 1)
		if i >= len(p.o.Log.requests) {
			return nil
		}
		if err := p.wait(ctx, begun, i); err != nil {
			return err
		}
		answer, err := p.ask(ctx, i)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := p.judge(i, answer, err); err != nil {
			return err
		}
		p.sums[i], p.waits[i] = answer.digest, answer.took
		p.progress()
	}
}

// judge stops a replay that does the server no good.
func (p *pass) judge(i int, a answer, err error) error {
	if err == nil && a.status < http.StatusInternalServerError {
		p.failed.Store(0)
		return nil
	}
	p.bad.Add(1)
	if p.failed.Add(1) < stormAfter {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("status %d", a.status)
	}
	return fmt.Errorf("bench: %d requests failed one after another, the last one %.200s: %w: %w", stormAfter, p.o.Log.target(i), err, errdef.ErrUnavailable)
}

func (p *pass) progress() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.o.Progress != nil {
		p.o.Progress(p.name, p.round, p.done, len(p.sums))
	}
}

// wait holds a request back until its time.
func (p *pass) wait(ctx context.Context, begun time.Time, i int) error {
	at := time.Now()
	if p.o.Timing {
		at = begun.Add(time.Duration(float64(p.o.Log.requests[i].after) / p.o.Speed))
	}
	if p.o.Rate > 0 {
		p.mu.Lock()
		if p.ready.After(at) {
			at = p.ready
		}
		p.ready = at.Add(time.Duration(float64(time.Second) / p.o.Rate))
		p.mu.Unlock()
	}
	pause := time.Until(at)
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// answer is what became of a request.
type answer struct {
	digest
	status int
	took   time.Duration
}

// ask sends a request and reads its answer to the end.
func (p *pass) ask(ctx context.Context, i int) (answer, error) {
	r, err := p.request(ctx, i)
	if err != nil {
		return answer{}, err
	}
	begun := time.Now()
	resp, err := p.http.Do(r)
	if err != nil {
		return answer{took: time.Since(begun)}, err
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	seen, err := p.read(resp)
	took := time.Since(begun)
	if err != nil {
		return answer{took: took, status: resp.StatusCode}, err
	}
	// Putting a document into a form that can be compared is not the client's time.
	return answer{digest: seen.sum(p.hosts()), status: resp.StatusCode, took: took}, nil
}

// request is the i-th of the log.
func (p *pass) request(ctx context.Context, i int) (*http.Request, error) {
	target := p.o.Log.target(i)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.line.Base+target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%.200s: %w: %w", target, err, errdef.ErrInvalid)
	}
	for name, values := range p.o.Header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", accept(target, p.o.Log.requests[i].browser))
	return r, nil
}
