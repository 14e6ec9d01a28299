package host

import (
	"fmt"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// marks are files that are set aside for a while, because they ended even a
// host that did nothing else.
type marks struct {
	mu     sync.Mutex
	byPath map[string]mark
}

type mark struct {
	count int
	until time.Time
	why   string
}

// maxMarks bounds the files that are remembered; beyond it all are tried anew.
const maxMarks = 10_000

// terms are how long a file is set aside the first time, the second, and from
// then on.
func terms() [3]time.Duration {
	return [3]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}
}

func (m *marks) set(path, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byPath == nil || len(m.byPath) >= maxMarks {
		m.byPath = make(map[string]mark)
	}
	before := m.byPath[path]
	term := terms()[min(before.count, 2)]
	m.byPath[path] = mark{count: before.count + 1, until: time.Now().Add(term), why: why}
}

// check says why the file is not read now. The error is about the file
// (errdef.ErrUnprocessable) and yet temporary (ErrUnavailable).
func (m *marks) check(path, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.byPath[path]
	if !ok || !time.Now().Before(k.until) {
		return nil
	}
	return fmt.Errorf("%s: is set aside for %s more, since %s: %w: %w",
		name, time.Until(k.until).Round(time.Second), k.why, errdef.ErrUnprocessable, errdef.ErrUnavailable)
}

func (m *marks) lift(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byPath, path)
}

func (m *marks) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.byPath)
}

// suspects are the files that are being read alone, to find out whether it is
// they who end hosts.
type suspects struct {
	mu     sync.Mutex
	byPath map[string]chan struct{} // closed when it is known
}

// begin says that a file is read alone until end is called. If it is already,
// it returns what is closed when that ends.
func (s *suspects) begin(path string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byPath[path]; known != nil {
		return known
	}
	if s.byPath == nil {
		s.byPath = make(map[string]chan struct{})
	}
	s.byPath[path] = make(chan struct{})
	return nil
}

func (s *suspects) end(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.byPath[path])
	delete(s.byPath, path)
}

// wait returns what is closed when it is known what a file does; nil if it is
// no suspect.
func (s *suspects) wait(path string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byPath[path]; known != nil {
		return known
	}
	return nil
}
