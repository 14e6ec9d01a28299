package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

var _ adapter.Locator = (*session)(nil)

// Locate implements [adapter.Locator].
func (s *session) Locate(ctx context.Context, from, target string) (adapter.Place, error) {
	defer s.waiting(time.Now())
	name := target
	if from != "" {
		var err error
		if name, err = s.called(from, target); err != nil {
			return adapter.Place{}, err
		}
	}
	if err := s.expected(name); err != nil {
		return adapter.Place{}, err
	}
	stamp, mode, err := s.wall.Stat(ctx, s.full(name))
	if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, errdef.ErrGone) {
		gone := adapter.Stamp{Absent: true}
		return adapter.Place{Name: name, Stamp: gone}, s.note(name, gone)
	}
	if err == nil {
		err = s.note(name, stamp)
	}
	if err == nil {
		err = regular(name, mode)
	}
	if err != nil {
		return adapter.Place{}, err
	}
	where, err := s.wall.where(s.full(name))
	if err != nil {
		return adapter.Place{}, err
	}
	return adapter.Place{Name: name, Path: where, Stamp: stamp}, nil
}

// called is the name in the source of what a file of the source calls target.
func (s *session) called(from, target string) (string, error) {
	full, ok := s.wall.called(s.full(from), target)
	if target == "" || strings.IndexByte(target, 0) >= 0 || !ok {
		return "", fmt.Errorf("%s: names the file %q, which is outside the served folder: %w", from, target, errdef.ErrForbidden)
	}
	if s.dir == "." && !strings.HasPrefix(full, "/") {
		return full, nil
	}
	if name, beneath := strings.CutPrefix(full, s.dir+"/"); beneath {
		return name, nil
	}
	return "/" + full, nil
}

// start says in which of the folders a name begins, and how it goes on: /2/a
// is a in the second of those allowed besides.
func (w *Wall) start(name string) (n int, rel string, ok bool) {
	rest, other := strings.CutPrefix(name, "/")
	if !other {
		return 0, name, valid(name)
	}
	number, rel, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n >= len(w.rooms) || !valid(rel) {
		return 0, "", false
	}
	return n, rel, true
}

// called is the name of what the file called from names target.
func (w *Wall) called(from, target string) (string, bool) {
	n, rel, ok := w.start(from)
	if !ok {
		return "", false
	}
	if path.IsAbs(target) {
		return w.nameOf(filepath.FromSlash(target))
	}
	if beside := path.Join(path.Dir(rel), target); valid(beside) {
		return w.name(n, beside), true
	}
	// Up and out of the folder, and perhaps into another.
	return w.nameOf(filepath.Join(w.rooms[n].real, filepath.FromSlash(path.Join(path.Dir(rel), target))))
}

func (w *Wall) name(n int, rel string) string {
	if n == 0 {
		return rel
	}
	return "/" + strconv.Itoa(n) + "/" + rel
}

// nameOf is the name behind the wall of an absolute path.
func (w *Wall) nameOf(target string) (string, bool) {
	for n, r := range w.rooms {
		for _, base := range []string{r.real, r.given} {
			rel, err := filepath.Rel(base, target)
			if err == nil && filepath.IsLocal(rel) {
				return w.name(n, filepath.ToSlash(rel)), true
			}
		}
	}
	return "", false
}

// where is the absolute path, without links, of a name that was just seen to
// lie behind the wall. A link that has come to lead out since is refused.
func (w *Wall) where(name string) (string, error) {
	n, rel, _ := w.start(name)
	straight, err := filepath.EvalSymlinks(filepath.Join(w.rooms[n].real, filepath.FromSlash(rel)))
	if err != nil {
		return "", named(name, err)
	}
	if _, _, ok := w.roomOf(straight); !ok {
		return "", fmt.Errorf("%s: leads out of the served folder: %w", name, errdef.ErrForbidden)
	}
	return straight, nil
}
