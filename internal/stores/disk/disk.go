// SPDX-License-Identifier: BSD-3-Clause

// Package disk is a [store.Store] in a directory, shared by any number of processes of
// one machine.
//
// The file system is the index: each value is one file named by the hash of its key, so
// no process has an index that another's write could make stale, and nothing is scanned
// at the start. A value is written beside its place and renamed into it; what is torn
// all the same, after a power cut, fails its checksum and is a miss. Nothing is synced:
// a cache that loses its last seconds with the power has lost nothing.
//
// One small file, `state`, holds what must be counted together: the bytes of each of 256
// folders, changed under a file lock before bytes are written, so that a process that is
// killed can only leave the count too high. A folder is counted anew whenever something
// in it is given up, which puts the count right. The same file holds the generations of
// groups: a value remembers the generation of each of its groups, and DeleteGroup raises
// one number.
//
// Network file systems are refused: their locks and renames do not promise what is
// needed here.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// touchEvery is how often a hit is noted on the file, in its modification time.
const touchEvery = time.Minute

// Options say how to open a [Store].
type Options struct {
	// Dir is the directory. It is made if it is not there, and belongs to the store:
	// nothing else may be in it.
	Dir string
	// Capacity is the bound in bytes of all files, those being written included. Where
	// processes disagree the smallest holds.
	Capacity int64
	// MaxValue is the largest value in bytes, header included, for a value is read into
	// memory as a whole (its checksum comes before its first byte is used). Default: an
	// eighth of Capacity, at most 256 MiB.
	MaxValue int64
}

// maxValue bounds Options.MaxValue by default.
const maxValue = 256 << 20

// Store is the store. Use [Open], and Close it.
type Store struct {
	dir, tmp string
	capacity int64
	maxValue int64
	state    *state
	alive    *os.File // holds the lock on tmp
	writer   int      // this process among those that write

	hits, misses, stores, evictions, failures atomic.Int64
	closing                                   sync.Once
}

var _ store.Store = (*Store)(nil)

// Open opens or makes the store in o.Dir. errdef.ErrInvalid says what is wrong with the
// options, errdef.ErrUnsupported that the directory is on a network file system.
func Open(o Options) (*Store, error) {
	if o.Capacity <= 0 || o.Dir == "" {
		return nil, fmt.Errorf("disk store: directory %q, capacity %d: want a name and more than 0: %w", o.Dir, o.Capacity, errdef.ErrInvalid)
	}
	if o.MaxValue <= 0 {
		o.MaxValue = min(maxValue, o.Capacity/8)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("disk store: %w", err)
	}
	if err := local(o.Dir); err != nil {
		return nil, err
	}
	s := &Store{dir: o.Dir, capacity: o.Capacity, maxValue: o.MaxValue}
	var err error
	if s.state, err = openState(filepath.Join(o.Dir, "state")); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// local refuses file systems whose locks and renames are another machine's.
func local(dir string) error {
	var about unix.Statfs_t
	if err := unix.Statfs(dir, &about); err != nil {
		return fmt.Errorf("disk store %s: %w", dir, err)
	}
	if remote(uint32(about.Type)) { //nolint:gosec // magic numbers have 32 bits
		return fmt.Errorf("disk store %s: on a network or user-space file system (type %#x); give it a directory on a local disk: %w", dir, about.Type, errdef.ErrUnsupported)
	}
	return nil
}

// remote tells whether a file system of this type (statfs(2)) is another machine's, or a
// program's.
func remote(kind uint32) bool {
	const (
		nfs, smb, smb2, cifs = 0x6969, 0x517B, 0xFE534D42, 0xFF534D42
		fuse, ceph, lustre   = 0x65735546, 0x00C36400, 0x0BD00BD0
		gpfs, beegfs, afs    = 0x47504653, 0x19830326, 0x5346414F
		afs2, ninep, coda    = 0x6B414653, 0x01021997, 0x73757245
	)
	switch kind {
	case nfs, smb, smb2, cifs, fuse, ceph, lustre, gpfs, beegfs, afs, afs2, ninep, coda:
		return true
	}
	return false
}

// prepare sweeps up after processes that were killed, and makes a
// folder of its own for values in the making.
func (s *Store) prepare() error {
	all := filepath.Join(s.dir, "tmp")
	if err := os.MkdirAll(all, 0o700); err != nil {
		return fmt.Errorf("disk store: %w", err)
	}
	return s.state.locked(func() error {
		taken, err := s.sweep(all)
		if err != nil {
			return err
		}
		if s.state.fresh {
			if err := s.countAll(); err != nil {
				return err
			}
		}
		for s.writer = 0; taken[s.writer]; s.writer++ {
			if s.writer == writers-1 {
				return fmt.Errorf("disk store %s: %d processes use it already: %w", s.dir, writers, errdef.ErrUnavailable)
			}
		}
		s.tmp = filepath.Join(all, strconv.Itoa(s.writer))
		if err := os.Mkdir(s.tmp, 0o700); err != nil {
			return fmt.Errorf("disk store: %w", err)
		}
		if s.alive, err = os.OpenFile(filepath.Join(s.tmp, aliveName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("disk store: %w", err)
		}
		return flock(s.alive, unix.LOCK_EX|unix.LOCK_NB)
	})
}

// aliveName is the file by whose lock a process shows that it lives.
const aliveName = "alive"

// sweep removes what killed processes were writing, and says which numbers are in use.
// The state is locked.
func (s *Store) sweep(all string) (taken [writers]bool, err error) {
	entries, err := os.ReadDir(all)
	if err != nil {
		return taken, fmt.Errorf("disk store: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(all, e.Name())
		number, err := strconv.Atoi(e.Name())
		ours := err == nil && number >= 0 && number < writers
		if ours && living(dir) {
			taken[number] = true
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return taken, fmt.Errorf("disk store: %w", err)
		}
	}
	for number, used := range taken {
		if !used {
			if err := s.state.setNumber(writersAt+8*int64(number), 0); err != nil {
				return taken, err
			}
		}
	}
	return taken, nil
}

// living tells whether the process that writes in dir still runs.
func living(dir string) bool {
	f, err := os.Open(filepath.Join(dir, aliveName))
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // it was not written
	return flock(f, unix.LOCK_EX|unix.LOCK_NB) != nil
}

// Close gives up the lock and what was being written. Values on loan stay good.
func (s *Store) Close() error {
	var failed error
	s.closing.Do(func() {
		if s.alive != nil {
			failed = errors.Join(os.RemoveAll(s.tmp), s.alive.Close())
		}
		failed = errors.Join(failed, s.state.close())
	})
	return failed
}

// place is where the value of a key lies.
type place struct {
	shard int
	path  string
}

func (s *Store) place(key store.Key) place {
	name := nameOf(key)
	shard := int(hexByte(name))
	return place{shard: shard, path: filepath.Join(s.shardDir(shard), name)}
}

func (s *Store) shardDir(i int) string { return filepath.Join(s.dir, fmt.Sprintf("%02x", i)) }

// Get implements [store.Store]. The value is in memory and its own.
func (s *Store) Get(_ context.Context, key store.Key) (store.Value, error) {
	at := s.place(key)
	f, err := os.Open(at.path)
	if err != nil {
		s.misses.Add(1)
		if errors.Is(err, fs.ErrNotExist) {
			return store.Value{}, errdef.ErrNotFound
		}
		s.failures.Add(1)
		return store.Value{}, fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	about, err := f.Stat()
	if err != nil {
		return store.Value{}, fmt.Errorf("disk store: %w: %w", errdef.ErrUnavailable, err)
	}
	v, err := s.read(f, about.Size(), key)
	if err != nil {
		s.misses.Add(1)
		if !errors.Is(err, errOver) {
			s.failures.Add(1)
		}
		// Damaged, expired or discarded: it is of no use to anybody.
		return store.Value{}, errors.Join(errdef.ErrNotFound, s.forget(at, about))
	}
	s.hits.Add(1)
	if now := time.Now(); now.Sub(about.ModTime()) > touchEvery {
		stamp := unix.NsecToTimeval(now.UnixNano())
		// Only the choice of what to give up depends on it.
		_ = unix.Futimes(int(f.Fd()), []unix.Timeval{stamp, stamp})
	}
	return v, nil
}

// forget removes the file that about describes, unless another has taken its place. With
// about nil it removes whatever is there.
func (s *Store) forget(at place, about os.FileInfo) error {
	return s.state.locked(func() error {
		now, err := os.Lstat(at.path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && about != nil && !os.SameFile(now, about) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("disk store: %w", err)
		}
		return s.remove(at, now.Size())
	})
}

// remove removes a file of a known size and counts it. The state is locked.
func (s *Store) remove(at place, size int64) error {
	if err := os.Remove(at.path); err != nil {
		return fmt.Errorf("disk store: %w", err)
	}
	return s.state.add(at.shard, -footprint(size), -1)
}

// Delete implements [store.Store].
func (s *Store) Delete(_ context.Context, key store.Key) error {
	return s.forget(s.place(key), nil)
}

// DeleteGroup implements [store.Store]. It takes one write, whatever is in the group; the
// files go when they are met, or when room is made.
func (s *Store) DeleteGroup(_ context.Context, group string) error {
	return s.state.locked(func() error { return s.state.bump(slotOf(group)) })
}

// Stats implements [store.Store]. Bytes and Entries are of all processes.
func (s *Store) Stats() store.Stats {
	bytes, entries := s.state.sum()
	return store.Stats{
		Entries: entries, Bytes: bytes + s.state.reserved(), Capacity: s.capacity, Hits: s.hits.Load(), Misses: s.misses.Load(),
		Stores: s.stores.Load(), Evictions: s.evictions.Load(), Errors: s.failures.Load(),
	}
}

// block is what a file system hands out: sizes are counted in whole ones.
const block = 4096

// footprint is what a file of this size takes on disk, at least one block.
func footprint(size int64) int64 { return max(1, (size+block-1)/block) * block }
