package source

import (
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// trust judges stamps: law 3 of the architecture.
type trust struct {
	after  time.Duration
	remote bool // a file system with a clock of its own

	mu sync.Mutex
	// How far the mount's clock was seen to run ahead of ours.
	ahead time.Duration
	// Stamps not trusted yet, and when each was seen first.
	racy map[string]sighting
}

type sighting struct {
	stamp adapter.Stamp
	first time.Time // with its monotonic reading
}

// maxRacy bounds the files that are watched; beyond it all are seen anew.
const maxRacy = 1 << 16

// maxAhead bounds how far a mount's clock is believed to run ahead. A change
// that far in the future tells of a broken clock, not of a fast one.
const maxAhead = 10 * time.Minute

// judge says whether the stamp, seen just now, is trusted. A file that is not
// there is: should it come, it has another stamp.
func (t *trust) judge(name string, s adapter.Stamp) bool {
	if s.Absent {
		return true
	}
	now := time.Now()
	newest := time.Unix(0, max(s.Mtime, s.Ctime))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.remote {
		// Only ctime is the mount's own clock; anyone can set mtime.
		if lead := time.Unix(0, s.Ctime).Sub(now); lead > t.ahead && lead < maxAhead {
			t.ahead = lead
		}
	}
	if age := now.Add(t.ahead).Sub(newest); age >= t.after {
		delete(t.racy, name)
		return true
	}
	seen, ok := t.racy[name]
	if ok && seen.stamp == s {
		return now.Sub(seen.first) >= t.after
	}
	if t.racy == nil || len(t.racy) >= maxRacy {
		t.racy = make(map[string]sighting)
	}
	t.racy[name] = sighting{stamp: s, first: now}
	return false
}
