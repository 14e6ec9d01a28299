// SPDX-License-Identifier: BSD-3-Clause

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// sample is how many files of a folder are compared when room is made.
	sample = 32
	// givenUpAtOnce is the share of a sample that goes, the worst first.
	givenUpAtOnce = 4
	// halfLife is how long an unused value keeps half of its worth.
	halfLife = time.Hour
	// maxRounds bounds the folders looked at for one value.
	maxRounds = 4 * shards
)

// makeRoom gives values up until n more bytes fit. The state is locked. It looks at one
// folder at a time, counts it anew, and gives up the least valuable of a sample: seconds
// saved per byte, halved for each hour unused. What was discarded goes first.
func (s *Store) makeRoom(n int64) error {
	for range maxRounds {
		bytes, _ := s.state.counts()
		total := int64(0)
		for _, b := range bytes {
			total += b
		}
		over := total + s.state.reserved() + n - s.capacity
		if over <= 0 {
			return nil
		}
		if over > total || total == 0 {
			break
		}
		if err := s.thin(pick(bytes, total), over); err != nil {
			return err
		}
	}
	return fmt.Errorf("disk store: no room for %d bytes of %d: %w", n, s.capacity, errdef.ErrTooLarge)
}

// pick chooses a folder by chance, in proportion to what is counted in it: one that is
// counted too high is sooner looked at and put right.
func pick(bytes [shards]int64, total int64) int {
	at := rand.Int64N(total) //nolint:gosec // no secret
	for i, b := range bytes {
		if at < b {
			return i
		}
		at -= b
	}
	return shards - 1
}

// candidate is a file and what it is worth.
type candidate struct {
	at    place
	size  int64
	worth float64
}

// thin counts a folder anew and removes the worst of a sample of it, at least need bytes
// if they are there. The state is locked.
func (s *Store) thin(shard int, need int64) error {
	files, err := s.list(shard)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += footprint(f.size)
	}
	if err := s.state.set(shard, total, int64(len(files))); err != nil {
		return err
	}
	rand.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	files = files[:min(len(files), sample)]
	for i := range files {
		files[i].worth = s.worth(files[i])
	}
	slices.SortFunc(files, func(a, b candidate) int {
		switch {
		case a.worth < b.worth:
			return -1
		case a.worth > b.worth:
			return 1
		}
		return 0
	})
	for i, f := range files {
		if i >= max(1, len(files)/givenUpAtOnce) || need <= 0 {
			break
		}
		if err := s.remove(f.at, f.size); err != nil {
			return err
		}
		need -= footprint(f.size)
		s.evictions.Add(1)
	}
	return nil
}

// list lists the files of a folder with their sizes.
func (s *Store) list(shard int) ([]candidate, error) {
	dir := s.shardDir(shard)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("disk store: %w", err)
	}
	out := make([]candidate, 0, len(entries))
	for _, e := range entries {
		about, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("disk store: %w", err)
		}
		out = append(out, candidate{at: place{shard: shard, path: filepath.Join(dir, e.Name())}, size: about.Size()})
	}
	return out, nil
}

// worth is what a file saves per byte, less for each hour it was not used; -1 for one
// that is damaged or whose time is over.
func (s *Store) worth(c candidate) float64 {
	f, err := os.Open(c.at.path)
	if err != nil {
		return -1
	}
	defer f.Close() //nolint:errcheck // it was only read
	about, err := f.Stat()
	if err != nil {
		return -1
	}
	b := make([]byte, prefixSize+groupSize*64)
	n, _ := f.ReadAt(b, 0)
	p, err := parsePrefix(b[:n])
	now := time.Now()
	if err != nil || s.over(p, b[prefixSize:n], now) {
		return -1
	}
	idle := max(0, now.Sub(about.ModTime()))
	// A microsecond for each keeps those that cost nothing in the order of their use.
	saved := p.cost.Seconds() + 1e-6
	return saved / float64(footprint(c.size)) / (1 + float64(idle)/float64(halfLife))
}

// countAll counts every folder. The state is locked.
func (s *Store) countAll() error {
	for shard := range shards {
		files, err := s.list(shard)
		if err != nil {
			return err
		}
		var total int64
		for _, f := range files {
			total += footprint(f.size)
		}
		if err := s.state.set(shard, total, int64(len(files))); err != nil {
			return err
		}
	}
	return nil
}
