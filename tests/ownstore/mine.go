package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// mine keeps values in a map and gives up the oldest. It is as small as a store can be.
type mine struct {
	mu       sync.Mutex // guards following
	capacity int64
	bytes    int64
	values   map[store.Key]*value
	order    []store.Key
	counts   store.Stats
}

type value struct {
	meta store.Meta
	body []byte
	ends time.Time
}

func (v *value) size(key store.Key) int64 {
	n := int64(len(key)+len(v.meta.Header)+len(v.body)) + 256
	for _, g := range v.meta.Groups {
		n += int64(len(g))
	}
	return n
}

// Open opens a store. An address has no meaning for it.
func Open(_ context.Context, s store.Settings) (store.Store, error) {
	if s.Capacity <= 0 || s.Address != "" {
		return nil, fmt.Errorf("mine: want a capacity and no address, got %d and %q: %w", s.Capacity, s.Address, errdef.ErrInvalid)
	}
	return &mine{capacity: s.Capacity, values: map[store.Key]*value{}}, nil
}

// Get implements [store.Store].
func (m *mine) Get(_ context.Context, key store.Key) (store.Value, error) {
	if err := store.Check(key, store.Meta{}); err != nil {
		return store.Value{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	if ok && !v.ends.IsZero() && time.Now().After(v.ends) {
		m.remove(key)
		ok = false
	}
	if !ok {
		m.counts.Misses++
		return store.Value{}, fmt.Errorf("mine: %q: %w", key, errdef.ErrNotFound)
	}
	m.counts.Hits++
	return store.Value{Meta: v.meta, Body: bytes.NewReader(v.body), Bytes: v.body}, nil
}

// Put implements [store.Store].
func (m *mine) Put(_ context.Context, key store.Key, meta store.Meta) (store.Writer, error) {
	if err := store.Check(key, meta); err != nil {
		return nil, err
	}
	meta.Header, meta.Groups = bytes.Clone(meta.Header), slices.Clone(meta.Groups)
	w := &writer{m: m, key: key, v: &value{meta: meta}}
	if w.v.size(key)+max(0, meta.Size) > m.capacity {
		return nil, fmt.Errorf("mine: %q: %w", key, errdef.ErrTooLarge)
	}
	return w, nil
}

// Delete implements [store.Store].
func (m *mine) Delete(_ context.Context, key store.Key) error {
	if err := store.Check(key, store.Meta{}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(key)
	return nil
}

// DeleteGroup implements [store.Store].
func (m *mine) DeleteGroup(_ context.Context, group string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, v := range m.values {
		if slices.Contains(v.meta.Groups, group) {
			m.remove(key)
		}
	}
	return nil
}

// Stats implements [store.Store].
func (m *mine) Stats() store.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.counts
	s.Entries, s.Bytes, s.Capacity = int64(len(m.values)), m.bytes, m.capacity
	return s
}

// remove forgets key. m.mu is held.
func (m *mine) remove(key store.Key) {
	if v, ok := m.values[key]; ok {
		m.bytes -= v.size(key)
		delete(m.values, key)
		m.order = slices.DeleteFunc(m.order, func(k store.Key) bool { return k == key })
	}
}

// writer gathers one value.
type writer struct {
	m    *mine
	key  store.Key
	v    *value
	done bool
}

// Write implements [store.Writer].
func (w *writer) Write(p []byte) (int, error) {
	n := int64(len(w.v.body) + len(p))
	if w.v.meta.Size >= 0 && n > w.v.meta.Size || w.v.size(w.key)+int64(len(p)) > w.m.capacity {
		return 0, fmt.Errorf("mine: %q: %w", w.key, errdef.ErrTooLarge)
	}
	w.v.body = append(w.v.body, p...)
	return len(p), nil
}

// Commit implements [store.Writer].
func (w *writer) Commit() error {
	n := int64(len(w.v.body))
	if w.done || w.v.meta.Size >= 0 && n != w.v.meta.Size {
		return fmt.Errorf("mine: %q: %d bytes of %d: %w", w.key, n, w.v.meta.Size, errdef.ErrInvalid)
	}
	w.done, w.v.meta.Size = true, n
	if w.v.meta.TTL > 0 {
		w.v.ends = time.Now().Add(w.v.meta.TTL)
	}
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	w.m.remove(w.key)
	for need := w.v.size(w.key); w.m.bytes+need > w.m.capacity; w.m.counts.Evictions++ {
		w.m.remove(w.m.order[0])
	}
	w.m.values[w.key] = w.v
	w.m.order = append(w.m.order, w.key)
	w.m.bytes += w.v.size(w.key)
	w.m.counts.Stores++
	return nil
}

// Abort implements [store.Writer].
func (w *writer) Abort() { w.done = true }
