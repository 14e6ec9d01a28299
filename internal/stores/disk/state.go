// SPDX-License-Identifier: BSD-3-Clause

package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// The state file: a mark, the bytes and the number of files of each folder, the bytes
// that each process is writing, and a generation for each slot of groups. Groups that share a slot are discarded together,
// which costs a miss.
const (
	shards     = 256
	slots      = 1 << 16
	writers    = 64
	stateMark  = "terrazzo disk cache 1\n"
	markBytes  = 32
	bytesAt    = markBytes
	countsAt   = bytesAt + 8*shards
	writersAt  = countsAt + 8*shards
	slotsAt    = writersAt + 8*writers
	stateBytes = slotsAt + 8*slots
)

// lockPatience is how long a lock may take; whoever holds it does so for milliseconds.
const lockPatience = 10 * time.Second

// state is the open state file.
type state struct {
	f *os.File
	// fresh: it was made or found damaged just now, so that nothing is counted yet.
	fresh bool

	mu sync.Mutex // with the lock on f: guards what f says, against threads and processes
}

// openState opens the state file. One that is missing or not ours is made anew, with
// generations that no value can have remembered.
func openState(path string) (*state, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("disk store: %w", err)
	}
	s := &state{f: f}
	err = s.locked(func() error {
		mark := make([]byte, markBytes)
		n, err := f.ReadAt(mark, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("disk store: %w", err)
		}
		about, err := f.Stat()
		if err != nil {
			return fmt.Errorf("disk store: %w", err)
		}
		if n == markBytes && string(mark[:len(stateMark)]) == stateMark && about.Size() == stateBytes {
			return nil
		}
		s.fresh = true
		return s.reset()
	})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// reset writes an empty state. The mark comes last: a process killed before that leaves
// a state that is made anew.
func (s *state) reset() error {
	blank := make([]byte, stateBytes)
	now := uint64(time.Now().UnixNano())
	for i := range slots {
		binary.LittleEndian.PutUint64(blank[slotsAt+8*i:], now)
	}
	if err := s.f.Truncate(0); err != nil {
		return fmt.Errorf("disk store: state: %w", err)
	}
	if _, err := s.f.WriteAt(blank, 0); err != nil {
		return fmt.Errorf("disk store: state: %w", err)
	}
	if _, err := s.f.WriteAt([]byte(stateMark), 0); err != nil {
		return fmt.Errorf("disk store: state: %w", err)
	}
	return nil
}

func (s *state) close() error { return s.f.Close() }

// locked runs what changes the state or the folders, alone among all processes.
func (s *state) locked(work func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.lockFile(); err != nil {
		return err
	}
	defer func() { _ = flock(s.f, unix.LOCK_UN) }()
	return work()
}

// lockFile waits for the lock, but not for ever: a process that was stopped in the middle
// must not stop the others, whose errors are misses.
func (s *state) lockFile() error {
	for wait, until := 50*time.Microsecond, time.Now().Add(lockPatience); ; wait = min(2*wait, 5*time.Millisecond) {
		err := flock(s.f, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(until) {
			return fmt.Errorf("disk store: lock: %w: %w", errdef.ErrUnavailable, err)
		}
		time.Sleep(wait)
	}
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// number reads one of the numbers; what cannot be read is 0.
func (s *state) number(at int64) int64 {
	var b [8]byte
	if _, err := s.f.ReadAt(b[:], at); err != nil {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b[:]))
}

func (s *state) setNumber(at, n int64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	if _, err := s.f.WriteAt(b[:], at); err != nil {
		return fmt.Errorf("disk store: state: %w", err)
	}
	return nil
}

// add changes a folder's count. The state is locked.
func (s *state) add(shard int, bytes, files int64) error {
	at := int64(8 * shard)
	return s.set(shard, s.number(bytesAt+at)+bytes, s.number(countsAt+at)+files)
}

// set puts a folder's count right. The state is locked.
func (s *state) set(shard int, bytes, files int64) error {
	at := int64(8 * shard)
	return errors.Join(s.setNumber(bytesAt+at, max(0, bytes)), s.setNumber(countsAt+at, max(0, files)))
}

// writing changes what a process has reserved. The state is locked.
func (s *state) writing(writer int, bytes int64) error {
	at := writersAt + 8*int64(writer)
	return s.setNumber(at, max(0, s.number(at)+bytes))
}

// reserved is what all processes have reserved.
func (s *state) reserved() int64 {
	var b [8 * writers]byte
	if _, err := s.f.ReadAt(b[:], writersAt); err != nil {
		return 0
	}
	total := int64(0)
	for i := range writers {
		total += int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return total
}

// counts reads the bytes and files of all folders.
func (s *state) counts() (bytes, files [shards]int64) {
	var b [16 * shards]byte
	if _, err := s.f.ReadAt(b[:], bytesAt); err != nil {
		return bytes, files
	}
	for i := range shards {
		bytes[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		files[i] = int64(binary.LittleEndian.Uint64(b[8*(shards+i):]))
	}
	return bytes, files
}

func (s *state) sum() (bytes, files int64) {
	b, f := s.counts()
	for i := range shards {
		bytes += b[i]
		files += f[i]
	}
	return bytes, files
}

// slotOf is where the generation of a group is.
func slotOf(group string) uint32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(group))
	sum := h.Sum64()
	return uint32((sum ^ sum>>32) % slots) //nolint:gosec // less than slots
}

// generation is that of a slot now.
func (s *state) generation(slot uint32) uint64 {
	return uint64(s.number(slotsAt + 8*int64(slot)))
}

// bump discards all that remembers the slot's generation. The state is locked.
func (s *state) bump(slot uint32) error {
	return s.setNumber(slotsAt+8*int64(slot), int64(s.generation(slot)+1))
}
