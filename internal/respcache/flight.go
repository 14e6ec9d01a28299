// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// mode is what a flight turned out to be, known with the head of the answer.
type mode uint8

const (
	// pending: no head yet.
	pending mode = iota
	// shared: storable. All who asked for it read along.
	shared
	// confirmed: a 304 for the response that was being revalidated.
	confirmed
	// alone: not storable. The leader gets it, the others ask for themselves.
	alone
	// failing: a server error, given once to all who wait.
	failing
	// vain: no answer at all; or none was needed after all. The others look again.
	vain
)

// flight is one run of the inner handler that others may wait for. The leader's
// goroutine runs it; see lead.go.
type flight struct {
	key       string // under which it is listed; "" if nobody may join
	entity    string // key and entity tag under which its twins find it
	principal string
	held      *response // what is being revalidated; nil on a miss
	heldBy    *flight   // where held's body is if the store has it not yet; else nil
	mark      uint64    // see purgeLog
	asked     time.Time
	// ready is closed once mode, response and failure are set; they do not change then.
	ready    chan struct{}
	mode     mode
	response *response // of shared and confirmed
	failure  *failure  // of failing

	mu     sync.Mutex // guards following
	cancel context.CancelFunc
	// readers are the asker that leads, if it is still there, and all who joined.
	readers int
	buf     buffer
	done    bool
	err     error
	// handover: the body grew too large to be kept. The leader's reader ends when it has
	// caught up, and what follows goes to the leader's client directly.
	handover bool
	flush    bool
	wake     chan struct{} // closed and replaced when any of these change; nil if nobody sleeps
}

// failure is a server error, whole.
type failure struct {
	status int
	header http.Header
	body   []byte
}

// flightTable lists the flights that can be joined.
type flightTable struct {
	mu     sync.Mutex // guards following
	listed map[string]*flight
}

// join returns the flight listed under key, now with one more reader, or else lists
// mine. The second result tells if it is mine.
func (t *flightTable) join(key string, mine *flight) (*flight, bool) {
	mine.readers = 1
	if key == "" {
		return mine, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.listed[key]; f != nil && f.enter() {
		return f, false
	}
	if t.listed == nil {
		t.listed = map[string]*flight{}
	}
	mine.key = key
	t.listed[key] = mine
	return mine, true
}

// leave takes a flight off the list, so that whoever comes from now on starts anew.
func (t *flightTable) leave(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range []string{f.key, f.entity} {
		if key != "" && t.listed[key] == f {
			delete(t.listed, key)
		}
	}
}

// twin returns a flight that brings the very same entity, now with one more reader, or
// else lists mine for others to find.
func (t *flightTable) twin(entity string, mine *flight) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.listed[entity]; f != nil && f != mine && f.enter() {
		return f
	}
	if t.listed == nil {
		t.listed = map[string]*flight{}
	}
	mine.entity = entity
	t.listed[entity] = mine
	return nil
}

// enter adds a reader, unless the flight was given up.
func (f *flight) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers == 0 {
		return false
	}
	f.readers++
	return true
}

// exit takes a reader away. With the last one the work is cancelled (law 7), and the
// body's memory is free again.
func (f *flight) exit() {
	f.mu.Lock()
	f.readers--
	last, cancel := f.readers == 0, f.cancel
	if last {
		f.buf.release()
	}
	f.mu.Unlock()
	if last && cancel != nil {
		cancel()
	}
}

// setCancel says how the work is cancelled.
func (f *flight) setCancel(cancel context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancel = cancel
}

// settle makes the head known. It is called once.
func (f *flight) settle(m mode) {
	f.mode = m
	close(f.ready)
}

// notify wakes those who wait for more. f.mu is held.
func (f *flight) notify() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// end says that no more will come.
func (f *flight) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done, f.err = true, err
	f.notify()
}

// next returns the bytes that follow offset off, or sleeps until there are some, or
// returns none: at the end, with the error of an abort, when ctx ends, or, for the
// leader's reader, at a handover.
func (f *flight) next(ctx context.Context, off int64, leader bool) (p []byte, flush bool, err error) {
	for {
		f.mu.Lock()
		p, flush = f.buf.from(off), f.flush
		if len(p) > 0 || f.done || f.handover {
			err = f.err
			if len(p) == 0 && f.handover && !leader {
				err = errAborted
			}
			f.mu.Unlock()
			if len(p) > 0 {
				err = nil
			}
			return p, flush, err
		}
		if f.wake == nil {
			f.wake = make(chan struct{})
		}
		wake := f.wake
		f.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}
