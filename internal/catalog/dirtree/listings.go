package dirtree

import (
	"container/list"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// listings holds what folders were seen to hold, those used last.
type listings struct {
	limit int // in names

	mu sync.Mutex
	// INVARIANT: byPath holds each element of byUse, and names is their sum.
	byPath map[string]*list.Element
	byUse  list.List // of *place, the one used last in front
	names  int
}

// place is a folder with its listing.
type place struct {
	at string
	l  *listing
}

func (s *listings) get(at string) *listing {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byPath[at]
	if !ok {
		return nil
	}
	s.byUse.MoveToFront(e)
	return e.Value.(*place).l // the list holds nothing else
}

func (s *listings) put(at string, l *listing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byPath == nil {
		s.byPath = make(map[string]*list.Element)
	}
	if e, ok := s.byPath[at]; ok {
		s.drop(e)
	}
	s.byPath[at] = s.byUse.PushFront(&place{at, l})
	for s.names += l.names + 1; s.names > s.limit && s.byUse.Len() > 1; {
		s.drop(s.byUse.Back())
	}
}

// drop forgets a folder. The caller holds mu.
func (s *listings) drop(e *list.Element) {
	p := s.byUse.Remove(e).(*place) // the list holds nothing else
	delete(s.byPath, p.at)
	s.names -= p.l.names + 1
}

const (
	// manyNames is how many names a folder must have before it is not read
	// again for each request while it changes, but rereadAfter the last time.
	// The first change of a folder that was still is seen at once.
	manyNames   = 1000
	rereadAfter = 250 * time.Millisecond
)

// list returns what the folder holds now, reading its names only if its stamp
// does not prove that they are known. current is false for a large folder that
// is changing and was read a moment ago.
func (t *Tree) list(ctx context.Context, at string) (l *listing, current bool, err error) {
	stamp, mode, err := t.wall.Stat(ctx, at)
	if err != nil {
		return nil, false, err
	}
	if !mode.IsDir() {
		return nil, false, fmt.Errorf("%s: is no folder any more: %w", at, errdef.ErrNotFound)
	}
	l = t.listings.get(at)
	if l != nil && l.settled && l.stamp == stamp {
		return l, true, nil
	}
	if l != nil && !l.settled && l.names > manyNames && time.Since(l.read) < rereadAfter {
		return l, false, nil
	}
	l, _, err = t.readings.DoFresh(ctx, at, func(ctx context.Context) (*listing, error) { return t.read(ctx, at) })
	return l, true, err
}

// maxReadings is how often the names of a folder are read in a row while it
// changes under the reading.
const maxReadings = 3

// read reads the names in a folder. A name that comes while they are read may
// be missed though a later one is seen, so they are read once more then: a
// sequence would have a hole.
func (t *Tree) read(ctx context.Context, at string) (*listing, error) {
	var entries []entry
	var before, stamp adapter.Stamp
	var settled bool
	for try := 1; ; try++ {
		var err error
		if before, _, err = t.wall.Stat(ctx, at); err != nil {
			return nil, err
		}
		settled = t.wall.Trusted(at, before)
		entries = entries[:0]
		stamp, err = t.wall.ReadDir(ctx, at, func(e fs.DirEntry) {
			entries = append(entries, entry{name: e.Name(), what: kindOf(e.Type())})
		})
		if err != nil {
			return nil, err
		}
		if try == maxReadings || len(entries) > manyNames {
			break
		}
		after, _, err := t.wall.Stat(ctx, at)
		if err != nil {
			return nil, err
		}
		if after == stamp && stamp == before {
			break
		}
	}
	l := t.rules.arrange(entries, t.listings.get(at))
	l.stamp, l.settled, l.read = stamp, settled && stamp == before, time.Now()
	for i, it := range l.clashes {
		if i == 10 {
			t.log.LogAttrs(ctx, slog.LevelWarn, "more names lead to keys that are taken", slog.String("folder", at), slog.Int("more", len(l.clashes)-i))
			break
		}
		t.log.LogAttrs(ctx, slog.LevelWarn, "the key is taken, the item is served under its full name",
			slog.String("folder", at), slog.String("name", it.full()))
	}
	t.listings.put(at, l)
	return l, nil
}

// version is that of the list of names.
func (t *Tree) version(at string, stamp adapter.Stamp, settled bool) adapter.Version {
	return stamped(settled, stamp, t.opts.Name, at)
}
