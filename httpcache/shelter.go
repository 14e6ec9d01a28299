// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// tryAgain is how long a disk that failed is not written to.
const tryAgain = time.Minute

// sheltered is a disk with memory beside it for when the disk cannot be written: it is
// full, has become read-only, or its locks are not to be had. What is on it is still
// read.
type sheltered struct {
	disk, memory store.Store
	// failed is told what the disk could not do.
	failed func(error)
	// begun is when this was made, until when the disk is tried again, in nanoseconds after
	// it: by a clock that nobody sets.
	begun time.Time
	until atomic.Int64
}

var _ store.Store = (*sheltered)(nil)

// Get implements [store.Store]. What is in memory was written later.
func (s *sheltered) Get(ctx context.Context, key store.Key) (store.Value, error) {
	if v, err := s.memory.Get(ctx, key); err == nil {
		return v, nil
	}
	return s.disk.Get(ctx, key)
}

// Put implements [store.Store].
func (s *sheltered) Put(ctx context.Context, key store.Key, meta store.Meta) (store.Writer, error) {
	if time.Since(s.begun) < time.Duration(s.until.Load()) {
		return s.memory.Put(ctx, key, meta)
	}
	w, err := s.disk.Put(ctx, key, meta)
	if s.note(err) {
		return s.memory.Put(ctx, key, meta)
	}
	if err != nil {
		return nil, err
	}
	return &shelteredWriter{Writer: w, s: s, key: key}, nil
}

// note tells whether err is the disk's fault; then it is left alone for a while.
func (s *sheltered) note(err error) bool {
	if err == nil || errors.Is(err, errdef.ErrTooLarge) || errors.Is(err, errdef.ErrInvalid) || errors.Is(err, context.Canceled) {
		return false
	}
	s.failed(err)
	s.until.Store(int64(time.Since(s.begun) + tryAgain))
	return true
}

// shelteredWriter notes what the disk cannot do, and takes what is out of date from
// memory.
type shelteredWriter struct {
	store.Writer
	s   *sheltered
	key store.Key
}

func (w *shelteredWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.s.note(err)
	return n, err
}

func (w *shelteredWriter) Commit() error {
	err := w.Writer.Commit()
	if w.s.note(err); err == nil {
		err = w.s.memory.Delete(context.Background(), w.key)
	}
	return err
}

// Delete implements [store.Store].
func (s *sheltered) Delete(ctx context.Context, key store.Key) error {
	return errors.Join(s.memory.Delete(ctx, key), s.disk.Delete(ctx, key))
}

// DeleteGroup implements [store.Store].
func (s *sheltered) DeleteGroup(ctx context.Context, group string) error {
	return errors.Join(s.memory.DeleteGroup(ctx, group), s.disk.DeleteGroup(ctx, group))
}

// Stats implements [store.Store]: those of the disk.
func (s *sheltered) Stats() store.Stats { return s.disk.Stats() }
