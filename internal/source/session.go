package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// session is the source that one look into files, or one read, goes through.
// It implements [adapter.Source].
//
// While nothing is pinned it records the stamp of everything that is opened,
// looked at, listed or missed. With a pin it checks instead: what is not as
// pinned is errdef.ErrChanged.
type session struct {
	wall  *Wall
	dir   string // the folder that names are relative to
	names []string
	pin   *pin // nil while recording

	wait, bytes, opens atomic.Int64

	mu      sync.Mutex
	seen    map[string]adapter.Stamp
	order   []string
	open    map[*handle]struct{}
	changed string // the first file seen to change, or empty
}

func newSession(w *Wall, item Item, p *pin) *session {
	return &session{wall: w, dir: item.Dir, names: item.Names, pin: p}
}

// full is the name behind the wall of a name in the source.
func (s *session) full(name string) string { return within(s.dir, name) }

// within puts a name in a source behind the wall. One that starts with a slash
// is relative to the wall's folder already: see [adapter.Place].
func within(dir, name string) string {
	if name == "." {
		return dir
	}
	if rooted, ok := strings.CutPrefix(name, "/"); ok {
		return rooted
	}
	if !valid(name) {
		return path.Join(dir, name) // what that is, the wall says
	}
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// Names implements [adapter.Source].
func (s *session) Names() []string { return s.names }

// Open implements [adapter.Source].
func (s *session) Open(ctx context.Context, name string) (adapter.File, error) {
	defer s.waiting(time.Now())
	if err := s.expected(name); err != nil {
		return nil, err
	}
	var f *File
	var err error
	if s.pin != nil {
		f, err = s.wall.openSeen(ctx, s.full(name))
	} else {
		f, err = s.wall.Open(ctx, s.full(name))
	}
	if err != nil {
		return nil, s.missed(name, err)
	}
	s.opens.Add(1)
	if err := s.note(name, f.stamp); err != nil {
		_ = f.Close()
		return nil, err
	}
	h := &handle{File: f, session: s, name: name, ctxErr: ctx.Err}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*handle]struct{})
	}
	s.open[h] = struct{}{}
	return h, nil
}

// Stat implements [adapter.Source].
func (s *session) Stat(ctx context.Context, name string) (adapter.Stamp, error) {
	defer s.waiting(time.Now())
	if err := s.expected(name); err != nil {
		return adapter.Stamp{}, err
	}
	stamp, _, err := s.wall.Stat(ctx, s.full(name))
	if err != nil {
		return adapter.Stamp{}, s.missed(name, err)
	}
	return stamp, s.note(name, stamp)
}

// ReadDir implements [adapter.Source].
func (s *session) ReadDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	defer s.waiting(time.Now())
	if err := s.expected(name); err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	stamp, err := s.wall.ReadDir(ctx, s.full(name), func(e fs.DirEntry) { entries = append(entries, e) })
	if err != nil {
		return nil, s.missed(name, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, s.note(name, stamp)
}

func (s *session) waiting(since time.Time) { s.wait.Add(int64(time.Since(since))) }

// expected refuses a name that a pinned read did not say it touches: what is
// read from it would not be part of the block's name in the caches.
func (s *session) expected(name string) error {
	if !valid(name) && !strings.HasPrefix(name, "/") { // the wall looks at those
		return fmt.Errorf("%q: no path inside the source: %w", name, errdef.ErrNotFound)
	}
	if s.pin == nil {
		return nil
	}
	if _, ok := s.pin.stamps.of(name); !ok {
		return fmt.Errorf("%s: is read without having been named as touched, which is a fault in the format: %w", name, errdef.ErrUnprocessable)
	}
	return nil
}

// missed records that a name is not there, or checks that it was not.
func (s *session) missed(name string, err error) error {
	if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, errdef.ErrGone) {
		if changed := s.note(name, adapter.Stamp{Absent: true}); changed != nil {
			return changed
		}
	}
	return err
}

// note records or checks the stamp of a name.
func (s *session) note(name string, stamp adapter.Stamp) error {
	if s.pin != nil {
		if !s.pin.holds(name, stamp) {
			return fmt.Errorf("%s: %w", name, errdef.ErrChanged)
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.seen[name]
	if !ok {
		if s.seen == nil {
			s.seen = make(map[string]adapter.Stamp)
		}
		s.seen[name] = stamp
		s.order = append(s.order, name)
	} else if before != stamp && s.changed == "" {
		s.changed = name
	}
	return nil
}

// finish closes what was left open, and says whether all stayed as it was.
func (s *session) finish() error {
	s.mu.Lock()
	left := s.open
	s.open = nil
	s.mu.Unlock()
	for h := range left {
		_ = h.settle()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != "" {
		return fmt.Errorf("%s: changed while it was read: %w", s.changed, errdef.ErrChanged)
	}
	return nil
}

// files are the dependencies recorded, in the order they were met.
func (s *session) files() []adapter.Dependency {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]adapter.Dependency, len(s.order))
	for i, name := range s.order {
		out[i] = adapter.Dependency{Name: name, Stamp: s.seen[name]}
	}
	return out
}

// cost is what the session took out of the elapsed time.
func (s *session) cost(elapsed time.Duration) adapter.Cost {
	s.wall.recorder.Count(BytesRead, s.bytes.Load())
	wait := min(time.Duration(s.wait.Load()), elapsed) // waits may overlap
	return adapter.Cost{Wait: wait, CPU: elapsed - wait, Bytes: s.bytes.Load(), Opens: s.opens.Load()}
}

// handle is an open file of a session: it counts, and looks once more at the
// file before it closes it.
type handle struct {
	*File
	session *session
	name    string
	ctxErr  func() error // of the one who opened it
	once    sync.Once
	err     error
}

// ReadAt implements [io.ReaderAt]; it reads nothing for who has gone away.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if err := h.ctxErr(); err != nil {
		return 0, err
	}
	defer h.session.waiting(time.Now())
	n, err := h.File.ReadAt(p, off)
	h.session.bytes.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = named(h.name, err)
	}
	return n, err
}

// Close implements [io.Closer].
func (h *handle) Close() error {
	h.session.mu.Lock()
	delete(h.session.open, h)
	h.session.mu.Unlock()
	return h.settle()
}

func (h *handle) settle() error {
	h.once.Do(func() {
		defer h.session.waiting(time.Now())
		now, err := h.Stamp()
		fine := h.session.pin != nil && appended(h.session.pin.d, h.stamp, now)
		if err == nil && now != h.stamp && !fine {
			h.session.mu.Lock()
			if h.session.changed == "" {
				h.session.changed = h.name
			}
			h.session.mu.Unlock()
		}
		h.err = h.File.Close()
	})
	return h.err
}

// appended says whether a file that changed is still good for what d says.
func appended(d *adapter.Description, from, to adapter.Stamp) bool {
	if !d.AppendOnly {
		return false
	}
	return grown(from, to) || d.InPlace && !from.Absent && !to.Absent && from.Inode == to.Inode && from.Size == to.Size
}

// grown says whether one file only became longer, as far as stamps tell.
func grown(from, to adapter.Stamp) bool {
	return !from.Absent && !to.Absent && from.Inode == to.Inode && to.Size > from.Size
}
