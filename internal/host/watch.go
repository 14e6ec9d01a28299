package host

import (
	"context"
	"sync"
	"time"
)

// stopEvery is how often a process with a request is looked at, at least.
const stopEvery = time.Second

// watch ends a process that somebody has stopped, and one that computes for too
// long while others wait, until the returned function is called.
func (p *Pool) watch(ctx context.Context, proc *process) func() {
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		ticker := time.NewTicker(min(stopEvery, p.opts.Patience/3))
		defer ticker.Stop()
		_, cpu := condition(proc.pid)
		quiet := silence{since: time.Now(), answers: proc.answers.Load(), cpu: cpu}
		for {
			select {
			case <-ticker.C:
				state, cpu := condition(proc.pid)
				if state == 'T' {
					p.end(proc)
				}
				if quiet.exceeds(p.opts.Patience, proc, cpu) {
					proc.crowded.Store(true)
					p.end(proc)
				}
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		close(done)
		all.Wait()
	}
}

// silence is since when a process has answered nobody, and what it had computed
// until then.
type silence struct {
	since   time.Time
	answers int64
	cpu     time.Duration
}

// exceeds says whether a process has computed for so long, without an answer to
// anybody, while more than one wait.
func (s *silence) exceeds(patience time.Duration, proc *process, cpu time.Duration) bool {
	if n := proc.answers.Load(); n != s.answers || proc.inflight.Load() < 2 {
		*s = silence{time.Now(), n, cpu}
		return false
	}
	// On a busy machine what computes may have got little of it.
	return time.Since(s.since) >= patience && cpu-s.cpu >= patience/4
}

// end kills a process that hangs. Its place is free at once: a process that
// waits for the disk may take a while to die.
func (p *Pool) end(proc *process) {
	if !proc.killed.Swap(true) {
		p.counts.killed.Add(1)
	}
	proc.kill()
	for _, s := range p.slots {
		s.proc.CompareAndSwap(proc, nil)
	}
}
