package telemetry

import (
	"io"
	"sync"
	"time"
)

const (
	// gather is how long lines wait for others to be written with.
	gather = 5 * time.Millisecond
	// pendingBytes bounds what waits; whoever has more to say waits with it.
	pendingBytes = 256 << 10
)

// Lines writes what it is given to another writer a little later, together with
// what came meanwhile: one line for each answer is then one write for many. No
// line is lost but those of the last few milliseconds before a crash.
//
// It is safe for concurrent use.
type Lines struct {
	to   io.Writer
	done chan struct{}

	mu     sync.Mutex
	change sync.Cond // something waits, was written, or the end has come
	wait   []byte
	err    error // of the last write that failed
	closed bool
}

// NewLines starts writing to w. Close ends it, and does not close w.
func NewLines(w io.Writer) *Lines {
	l := &Lines{to: w, done: make(chan struct{})}
	l.change.L = &l.mu
	go l.run()
	return l
}

// Write implements [io.Writer]. Its error is that of an earlier write. Once
// closed it writes at once.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.wait) > pendingBytes && !l.closed {
		l.change.Wait()
	}
	if l.closed {
		return l.to.Write(p)
	}
	if l.err != nil {
		err := l.err
		l.err = nil
		return 0, err
	}
	if len(l.wait) == 0 {
		l.change.Broadcast()
	}
	l.wait = append(l.wait, p...)
	return len(p), nil
}

// Close writes what waits.
func (l *Lines) Close() error {
	l.mu.Lock()
	l.closed = true
	l.change.Broadcast()
	l.mu.Unlock()
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Lines) run() {
	defer close(l.done)
	var out []byte
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.wait) == 0 && !l.closed {
			l.change.Wait()
		}
		if len(l.wait) == 0 {
			return
		}
		if !l.closed {
			l.mu.Unlock()
			time.Sleep(gather)
			l.mu.Lock()
		}
		out, l.wait = l.wait, out[:0]
		l.change.Broadcast()
		l.mu.Unlock()
		_, err := l.to.Write(out)
		l.mu.Lock()
		if err != nil {
			l.err = err
		}
	}
}
