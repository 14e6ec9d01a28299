package source

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
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
	full, ok := path.Join(path.Dir(s.full(from)), target), true
	if path.IsAbs(target) {
		full, ok = s.wall.nameOf(filepath.FromSlash(target))
	}
	if target == "" || !ok || !valid(full) {
		return "", fmt.Errorf("%s: names the file %q, which is outside the served folder: %w", from, target, errdef.ErrForbidden)
	}
	if s.dir == "." {
		return full, nil
	}
	if name, beneath := strings.CutPrefix(full, s.dir+"/"); beneath {
		return name, nil
	}
	return "/" + full, nil
}

// nameOf is the name behind the wall of an absolute path in its first folder.
func (w *Wall) nameOf(target string) (string, bool) {
	for _, base := range []string{w.rooms[0].real, w.rooms[0].given} {
		name, err := filepath.Rel(base, target)
		if err == nil && filepath.IsLocal(name) {
			return filepath.ToSlash(name), true
		}
	}
	return "", false
}

// where is the absolute path, without links, of a name that was just seen to
// lie behind the wall. A link that has come to lead out since is refused.
func (w *Wall) where(name string) (string, error) {
	straight, err := filepath.EvalSymlinks(filepath.Join(w.rooms[0].real, filepath.FromSlash(name)))
	if err != nil {
		return "", named(name, err)
	}
	if _, _, ok := w.roomOf(straight); !ok {
		return "", fmt.Errorf("%s: leads out of the served folder: %w", name, errdef.ErrForbidden)
	}
	return straight, nil
}
