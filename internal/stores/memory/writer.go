// SPDX-License-Identifier: BSD-3-Clause

package memory

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// firstGrowth is what a body of unknown size is first given.
const firstGrowth = 32 << 10

// writer is a value in the making. reserved is its part of Store.writing.
type writer struct {
	store    *Store
	key      store.Key
	meta     store.Meta
	body     []byte
	reserved int64
	done     bool
}

var (
	_ store.Writer = (*writer)(nil)
	_ store.Taker  = (*writer)(nil)
)

// Put implements [store.Store].
func (s *Store) Put(_ context.Context, key store.Key, meta store.Meta) (store.Writer, error) {
	if err := store.Check(key, meta); err != nil {
		return nil, err
	}
	meta.Header = bytes.Clone(meta.Header)
	meta.Groups = slices.Compact(slices.Sorted(slices.Values(meta.Groups)))
	w := &writer{store: s, key: key, meta: meta}
	fixed := int64(overhead + len(key) + len(meta.Header))
	for _, group := range meta.Groups {
		fixed += perGroup + int64(len(group))
	}
	if meta.Size > s.capacity-fixed {
		return nil, fmt.Errorf("memory store: body of %d bytes, capacity %d: %w", meta.Size, s.capacity, errdef.ErrTooLarge)
	}
	if !w.reserve(fixed) {
		return nil, fmt.Errorf("memory store: no room for another value: %w", errdef.ErrTooLarge)
	}
	return w, nil
}

// reserve gets n more bytes of the bound for this writer.
func (w *writer) reserve(n int64) bool {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if !w.store.makeRoom(n) {
		return false
	}
	w.store.writing += n
	w.reserved += n
	return true
}

// Write implements [store.Writer]. The memory is reserved before it is allocated.
func (w *writer) Write(p []byte) (int, error) {
	need := len(w.body) + len(p)
	if w.meta.Size >= 0 && int64(need) > w.meta.Size {
		return 0, fmt.Errorf("memory store: body of more than the %d bytes announced: %w", w.meta.Size, errdef.ErrTooLarge)
	}
	if need > cap(w.body) {
		if err := w.grow(need); err != nil {
			return 0, err
		}
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *writer) grow(need int) error {
	size := max(need, 2*cap(w.body), firstGrowth)
	if w.meta.Size >= 0 {
		size = int(w.meta.Size)
	}
	if !w.reserve(int64(size - cap(w.body))) {
		// Doubling may be too much where the need itself is not.
		if size = need; !w.reserve(int64(size - cap(w.body))) {
			return fmt.Errorf("memory store: no room for %d bytes: %w", need, errdef.ErrTooLarge)
		}
	}
	body := make([]byte, len(w.body), size)
	copy(body, w.body)
	w.body = body
	return nil
}

// Take implements [store.Taker].
func (w *writer) Take(p []byte) error {
	if w.meta.Size >= 0 && int64(len(p)) > w.meta.Size {
		return fmt.Errorf("memory store: body of more than the %d bytes announced: %w", w.meta.Size, errdef.ErrTooLarge)
	}
	if !w.reserve(int64(cap(p) - cap(w.body))) {
		return fmt.Errorf("memory store: no room for %d bytes: %w", len(p), errdef.ErrTooLarge)
	}
	w.body = p
	return nil
}

// Commit implements [store.Writer].
func (w *writer) Commit() error {
	if w.meta.Size >= 0 && int64(len(w.body)) != w.meta.Size {
		w.Abort()
		return fmt.Errorf("memory store: body of %d bytes, %d announced: %w", len(w.body), w.meta.Size, errdef.ErrInvalid)
	}
	if w.done {
		return nil
	}
	w.done = true
	w.meta.Size = int64(len(w.body))
	e := &entry{store: w.store, key: w.key, hash: maphash.String(w.store.seed, string(w.key)), meta: w.meta, body: w.body, weight: w.reserved}
	if w.body == nil {
		e.body = []byte{}
	}
	if w.meta.TTL > 0 {
		e.expires = time.Now().Add(w.meta.TTL)
	}
	w.store.insert(e)
	return nil
}

// insert makes an entry visible; its weight moves from writing to held.
func (s *Store) insert(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.entries[e.hash]; old != nil {
		s.drop(old)
		s.policy.Remove(old.hash)
	}
	s.writing -= e.weight
	s.held += e.weight
	s.entries[e.hash] = e
	for _, group := range e.meta.Groups {
		members := s.groups[group]
		if members == nil {
			members = map[*entry]struct{}{}
			s.groups[group] = members
		}
		members[e] = struct{}{}
	}
	s.policy.Insert(e.hash, e.weight, e.meta.Cost.Seconds())
	s.stats.Stores++
}

// Abort implements [store.Writer].
func (w *writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.body = nil
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.writing -= w.reserved
}
