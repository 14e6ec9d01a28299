// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"sync"
	"time"
)

// maxMemo bounds how many unstorable URLs are remembered.
const maxMemo = 4096

// memo remembers URLs whose answer was not storable, so that those who ask for them do
// not wait for each other. It forgets the whole of an older half when it is full.
type memo struct {
	mu        sync.Mutex // guards following
	now, past map[string]time.Time
}

// remember notes key until now plus uncacheableFor.
func (m *memo) remember(key string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now == nil || len(m.now) >= maxMemo/2 {
		m.past, m.now = m.now, map[string]time.Time{}
	}
	m.now[key] = now.Add(uncacheableFor)
}

// forget says that key is storable after all.
func (m *memo) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.now, key)
	delete(m.past, key)
}

// holds tells whether key was not storable a short while ago.
func (m *memo) holds(key string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	until, ok := m.now[key]
	if !ok {
		until, ok = m.past[key]
	}
	return ok && now.Before(until)
}
