// SPDX-License-Identifier: BSD-3-Clause

// Package memory is a [store.Store] in the memory of the process, with a hard bound.
//
// A hit is one map look-up under one lock and copies nothing. The bound counts bodies,
// headers, keys and a fixed overhead per entry, and also the bytes of writers that have
// not committed yet: an open writer gives up others' values as it grows, so that the
// bound holds at every moment. What is given up first is the policy's choice: by default
// what saves the fewest seconds per byte and is least likely to be asked for again.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/evict"
	"github.com/terrazzo-data/terrazzo/store"
)

// overhead is what an entry costs besides its bytes: the structs, a map slot, the
// policy's record. 310 bytes of live heap were measured with 100,000 entries; the rest is
// for what the policy remembers of entries that are gone.
const overhead = 512

// perGroup is the same for one membership of a group: 64 bytes measured.
const perGroup = 96

// Options say how to build a [Store].
type Options struct {
	// Capacity is the bound in bytes. It must be positive.
	Capacity int64
	// Policy chooses what to give up; nil is [evict.NewHazard]. It belongs to the store.
	Policy evict.Policy
}

// Store is the store. Use [New].
type Store struct {
	capacity int64
	seed     maphash.Seed

	mu sync.Mutex // guards following
	// INVARIANT: held + writing <= capacity; held is the weight of all entries.
	held, writing, pinned int64
	entries               map[uint64]*entry
	groups                map[string]map[*entry]struct{}
	policy                evict.Policy
	stats                 store.Stats
}

var _ store.Store = (*Store)(nil)

// New returns an empty store, or errdef.ErrInvalid for a capacity that is not positive.
func New(o Options) (*Store, error) {
	if o.Capacity <= 0 {
		return nil, fmt.Errorf("memory store: capacity %d, want more than 0: %w", o.Capacity, errdef.ErrInvalid)
	}
	if o.Policy == nil {
		o.Policy = evict.NewHazard(o.Capacity)
	}
	return &Store{
		capacity: o.Capacity, seed: maphash.MakeSeed(), policy: o.Policy,
		entries: map[uint64]*entry{}, groups: map[string]map[*entry]struct{}{},
	}, nil
}

// entry is one value. All but loans and gone is immutable.
type entry struct {
	store   *Store
	key     store.Key
	hash    uint64
	meta    store.Meta
	body    []byte
	expires time.Time
	weight  int64
	// loans counts values not yet released; gone says that the entry was given up.
	// Both are guarded by store.mu.
	loans int
	gone  bool
}

// ReadAt reads the body; see [io.ReaderAt].
func (e *entry) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(e.body).ReadAt(p, off)
}

// ReleaseValue implements [store.Releaser].
func (e *entry) ReleaseValue() {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	e.loans--
	if e.gone && e.loans == 0 {
		e.store.pinned -= e.weight
	}
}

// Get implements [store.Store].
func (s *Store) Get(_ context.Context, key store.Key) (store.Value, error) {
	hash := maphash.String(s.seed, string(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[hash]
	if e != nil && !e.expires.IsZero() && !time.Now().Before(e.expires) {
		s.drop(e)
		s.policy.Remove(e.hash)
		e = nil
	}
	if e == nil || e.key != key {
		s.stats.Misses++
		return store.Value{}, errdef.ErrNotFound
	}
	s.stats.Hits++
	s.policy.Touch(hash)
	e.loans++
	return store.Value{Meta: e.meta, Body: e, Bytes: e.body, Owner: e}, nil
}

// Delete implements [store.Store].
func (s *Store) Delete(_ context.Context, key store.Key) error {
	hash := maphash.String(s.seed, string(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[hash]; e != nil && e.key == key {
		s.drop(e)
		s.policy.Remove(hash)
	}
	return nil
}

// DeleteGroup implements [store.Store].
func (s *Store) DeleteGroup(_ context.Context, group string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range s.groups[group] {
		s.drop(e)
		s.policy.Remove(e.hash)
	}
	return nil
}

// Stats implements [store.Store].
func (s *Store) Stats() store.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Entries, out.Bytes, out.Capacity, out.Pinned = int64(len(s.entries)), s.held+s.writing, s.capacity, s.pinned
	return out
}

// drop takes an entry out of everything but the policy. s.mu is held.
func (s *Store) drop(e *entry) {
	delete(s.entries, e.hash)
	for _, group := range e.meta.Groups {
		members := s.groups[group]
		delete(members, e)
		if len(members) == 0 {
			delete(s.groups, group)
		}
	}
	s.held -= e.weight
	e.gone = true
	if e.loans > 0 {
		s.pinned += e.weight
	}
}

// makeRoom gives entries up until n more bytes fit, or tells that they cannot: the rest
// belongs to writers. s.mu is held.
func (s *Store) makeRoom(n int64) bool {
	if n > s.capacity-s.writing {
		return false
	}
	for s.held+s.writing+n > s.capacity {
		hash, ok := s.policy.Evict()
		if !ok {
			return false
		}
		if e := s.entries[hash]; e != nil {
			s.drop(e)
			s.stats.Evictions++
		}
	}
	return true
}
