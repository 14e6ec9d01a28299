package host

import (
	"context"
	"log/slog"
	"time"
)

// take finds a host for a path: its own, or the next that is not busy.
func (p *Pool) take(ctx context.Context, path string) (*slot, *process, error) {
	order := p.rank(path)
	for {
		s, wait := p.reserve(order)
		if s == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
				return nil, nil, ctx.Err()
			}
		}
		proc, err := p.ensure(s)
		if err == nil {
			return s, proc, nil
		}
		p.give(s, nil, lost)
		p.mu.Lock()
		alternatives := false
		for _, other := range order {
			alternatives = alternatives || other != s && other.proc.Load() != nil
		}
		p.mu.Unlock()
		if !alternatives {
			return nil, nil, err
		}
	}
}

// reserve takes a place in the first slot that has one, or says when to look
// again.
func (p *Pool) reserve(order []*slot) (*slot, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := 50 * time.Millisecond
	now := time.Now()
	for i, s := range order {
		if s.inflight >= p.opts.PerProcess {
			continue
		}
		if until := s.next.Sub(now); s.proc.Load() == nil && until > 0 {
			wait = min(wait, until)
			continue
		}
		s.inflight++
		if i > 0 {
			p.counts.spilled.Add(1)
		}
		return s, 0
	}
	return nil, wait
}

// give returns a place, and looks at the process whether it has grown too
// large.
func (p *Pool) give(s *slot, proc *process, how end) {
	p.mu.Lock()
	s.inflight--
	if how == answered {
		s.fails = 0
	}
	p.mu.Unlock()
	if proc == nil || p.opts.Memory <= 0 || how != answered {
		return
	}
	now := time.Now().UnixNano()
	if last := proc.looked.Load(); now-last < int64(time.Second) || !proc.looked.CompareAndSwap(last, now) {
		return
	}
	if held := resident(proc.pid); held > p.opts.Memory {
		p.retire(s, proc, held)
	}
}

// retire replaces a process. It is ended when its last request is done; new
// ones go to its successor.
func (p *Pool) retire(s *slot, proc *process, held int64) {
	if !s.proc.CompareAndSwap(proc, nil) {
		return
	}
	p.opts.Log.LogAttrs(context.Background(), slog.LevelInfo, "a host has grown and is replaced", slog.Int64("bytes", held), slog.Int64("limit", p.opts.Memory))
	p.mu.Lock()
	p.loose[proc] = struct{}{}
	p.mu.Unlock()
	p.processes.Go(func() {
		// Its requests end within the deadline, one way or the other.
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for until := time.Now().Add(p.opts.Deadline); proc.inflight.Load() > 0 && time.Now().Before(until); {
			select {
			case <-ticker.C:
			case <-proc.gone:
				return
			}
		}
		proc.kill()
	})
}

// ensure returns the process of a slot, starting it if there is none.
func (p *Pool) ensure(s *slot) (*process, error) {
	if proc := s.proc.Load(); proc != nil {
		return proc, nil
	}
	s.starting.Lock()
	defer s.starting.Unlock()
	if proc := s.proc.Load(); proc != nil {
		return proc, nil
	}
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, stopping()
	}
	proc, err := p.launch(func(proc *process) { p.ended(s, proc) })
	if err != nil {
		p.mu.Lock()
		s.fails++
		s.next = time.Now().Add(backOff(s.fails))
		p.mu.Unlock()
		return nil, err
	}
	p.counts.started.Add(1)
	s.proc.Store(proc)
	select {
	case <-proc.gone:
		s.proc.CompareAndSwap(proc, nil)
	default:
	}
	return proc, nil
}

// ended makes room for the successor of a process.
func (p *Pool) ended(s *slot, proc *process) {
	current := s.proc.CompareAndSwap(proc, nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.loose, proc)
	if proc.killed.Load() || p.closed {
		return
	}
	p.counts.crashed.Add(1)
	if current {
		s.fails++
		s.next = time.Now().Add(backOff(s.fails))
	}
	p.opts.Log.LogAttrs(context.Background(), slog.LevelWarn, "a host ended by itself", slog.Int("pid", proc.pid), slog.String("how", proc.story()))
}

// backOff is how long to wait before a host is started anew: not after its
// first end, then longer each time it ends without having answered.
func backOff(fails int) time.Duration {
	if fails <= 1 {
		return 0
	}
	return min(100*time.Millisecond<<min(fails-2, 10), 5*time.Second)
}
