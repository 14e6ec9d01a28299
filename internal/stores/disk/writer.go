// SPDX-License-Identifier: BSD-3-Clause

package disk

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// firstReserve is what a body of unknown size is first given of the bound; it doubles.
const firstReserve = 64 << 10

// writer is a value in the making, in a file of its own beside its place.
type writer struct {
	s        *Store
	at       place
	meta     store.Meta
	head     []byte
	f        *os.File
	size     int64
	sum      uint32
	reserved int64
	done     bool
}

var _ store.Writer = (*writer)(nil)

// Put implements [store.Store].
func (s *Store) Put(_ context.Context, key store.Key, meta store.Meta) (store.Writer, error) {
	if err := store.Check(key, meta); err != nil {
		return nil, err
	}
	if meta.Size > s.maxValue {
		return nil, fmt.Errorf("disk store: body of %d bytes, at most %d: %w", meta.Size, s.maxValue, errdef.ErrTooLarge)
	}
	w := &writer{s: s, at: s.place(key), meta: meta, head: encodeHead(key, meta, s.members(meta.Groups))}
	if err := w.reserve(int64(len(w.head)) + max(0, meta.Size)); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.tmp, "v")
	if err != nil {
		w.done = true
		return nil, errors.Join(fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err), w.unreserve())
	}
	w.f = f
	if _, err := f.Write(w.head); err != nil {
		w.Abort()
		return nil, fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err)
	}
	return w, nil
}

// members notes the generation of each group before the value is written, so that a
// group discarded meanwhile takes the value with it.
func (s *Store) members(groups []string) []member {
	out := make([]member, 0, len(groups))
	for _, group := range groups {
		slot := slotOf(group)
		if m := (member{slot: slot, generation: s.state.generation(slot)}); !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// reserve makes the reservation cover a file of n bytes, giving up others for it.
func (w *writer) reserve(n int64) error {
	more := footprint(n) - w.reserved
	if more <= 0 {
		return nil
	}
	return w.s.state.locked(func() error {
		if err := w.s.makeRoom(more); err != nil {
			return err
		}
		if err := w.s.state.writing(w.s.writer, more); err != nil {
			return err
		}
		w.reserved += more
		return nil
	})
}

func (w *writer) unreserve() error {
	return w.s.state.locked(func() error { return w.s.state.writing(w.s.writer, -w.reserved) })
}

// Write implements [store.Writer].
func (w *writer) Write(p []byte) (int, error) {
	size := w.size + int64(len(p))
	limit := w.s.maxValue
	if w.meta.Size >= 0 {
		limit = w.meta.Size
	}
	if size > limit {
		return 0, fmt.Errorf("disk store: body of more than %d bytes: %w", limit, errdef.ErrTooLarge)
	}
	if need := int64(len(w.head)) + size; need > w.reserved {
		if err := w.reserve(max(need, min(2*w.reserved, w.s.maxValue), firstReserve)); err != nil {
			return 0, err
		}
	}
	n, err := w.f.Write(p)
	w.size += int64(n)
	w.sum = crc32.Update(w.sum, castagnoli(), p[:n])
	if err != nil {
		return n, fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err)
	}
	return n, nil
}

// Commit implements [store.Writer]. Nothing is synced; see the package comment.
func (w *writer) Commit() error {
	if w.done {
		return nil
	}
	if w.meta.Size >= 0 && w.size != w.meta.Size {
		w.Abort()
		return fmt.Errorf("disk store: body of %d bytes, %d announced: %w", w.size, w.meta.Size, errdef.ErrInvalid)
	}
	var expires int64
	if w.meta.TTL > 0 {
		expires = time.Now().Add(w.meta.TTL).UnixNano()
	}
	seal(w.head, w.size, w.sum, expires)
	if _, err := w.f.WriteAt(w.head[:prefixSize], 0); err != nil {
		w.Abort()
		return fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err)
	}
	if err := w.s.state.locked(w.rename); err != nil {
		w.Abort()
		return err
	}
	w.done = true
	w.s.stores.Add(1)
	if err := w.f.Close(); err != nil {
		return fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err)
	}
	return nil
}

// rename puts the file in its place. It is counted before it is there, and what it
// replaces after that is gone, so that a process killed in between leaves the count too
// high and never too low. The state is locked.
func (w *writer) rename() error {
	replaced, old := int64(0), int64(0)
	about, err := os.Lstat(w.at.path)
	switch {
	case err == nil:
		replaced, old = 1, footprint(about.Size())
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err)
	}
	size := footprint(int64(len(w.head)) + w.size)
	if err := w.s.state.add(w.at.shard, size, 1); err != nil {
		return err
	}
	if err := w.move(); err != nil {
		return errors.Join(fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err), w.s.state.add(w.at.shard, -size, -1))
	}
	reserved := w.reserved
	w.reserved = 0
	return errors.Join(w.s.state.add(w.at.shard, -old, -replaced), w.s.state.writing(w.s.writer, -reserved))
}

// move renames the file to its place, whose folder may not be there yet.
func (w *writer) move() error {
	err := os.Rename(w.f.Name(), w.at.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(w.s.shardDir(w.at.shard), 0o700); err == nil {
			err = os.Rename(w.f.Name(), w.at.path)
		}
	}
	return err
}

// Abort implements [store.Writer].
func (w *writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	// What stays behind is swept up at the next start, and counted too high till then.
	_ = w.f.Close()
	_ = os.Remove(w.f.Name())
	_ = w.unreserve()
}
