// Package source is where files are touched: inside a wall, with the state of
// every file that was looked at kept beside what was learnt from it.
//
// A [Wall] opens what lies in the served folder, and in the folders that were
// allowed besides, and nothing else. A [Node] makes an adapter out of a format
// and files behind the wall. A [Memory] keeps what formats said of files, by
// the files' stamps, so that a look into files happens once per version.
//
// # Stamps and trust
//
// A file's state is its [adapter.Stamp]. Two states can have one stamp while
// the file system's clock has not moved on, so a stamp is trusted only when
// its newest time is old enough (two seconds, on a local disk) or when it was
// seen unchanged for as long by our own monotonic clock. What was read from a
// file with a stamp that is not trusted is given to those who asked before the
// reading began, and kept by nobody.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// WallOptions say what a wall is built of. The zero value is a wall around the
// folder alone, with the storage guessed.
type WallOptions struct {
	// Allow are folders that links in the tree may lead into.
	Allow []string
	// Storage says how far file attributes are to be believed; what is left
	// zero is guessed from the file system.
	Storage Storage
	// Recorder is told what is asked of the file system. Nil means nobody.
	Recorder Recorder
}

// Wall is a folder that nothing leads out of, except links into the folders
// that were allowed. Names are slash-separated paths relative to the folder,
// "." for itself, of any bytes but NUL.
//
// Its errors are those of [adapter.Source], and errdef.ErrGone for a link that
// leads nowhere. It is safe for concurrent use.
type Wall struct {
	rooms    []room // the folder, then the allowed ones
	storage  Storage
	trust    trust
	recorder Recorder
}

// room is one folder that may be reached.
type room struct {
	root        *os.Root
	given, real string // absolute paths: as named, and without links
}

// OpenWall opens the folder and those allowed besides. It looks at nothing in
// them. One that is no folder is errdef.ErrNotFound.
func OpenWall(dir string, opts WallOptions) (*Wall, error) {
	w := &Wall{recorder: opts.Recorder}
	if w.recorder == nil {
		w.recorder = nobody{}
	}
	for _, each := range append([]string{dir}, opts.Allow...) {
		r, err := openRoom(each)
		if err != nil {
			_ = w.Close()
			return nil, err
		}
		w.rooms = append(w.rooms, r)
	}
	w.storage = opts.Storage.settle(w.rooms[0].real)
	w.trust.after = w.storage.TrustAfter
	w.trust.remote = w.storage.Consistency != Local
	return w, nil
}

func openRoom(dir string) (room, error) {
	given, err := filepath.Abs(dir)
	if err != nil {
		return room{}, fmt.Errorf("folder %s: %w: %w", dir, err, errdef.ErrInvalid)
	}
	straight, err := filepath.EvalSymlinks(given)
	if err != nil {
		return room{}, fmt.Errorf("folder %s: %w", dir, fault(err))
	}
	if info, err := os.Stat(straight); err == nil && !info.IsDir() {
		return room{}, fmt.Errorf("folder %s: is a file, and no folder: %w", dir, errdef.ErrNotFound)
	}
	root, err := os.OpenRoot(straight)
	if err != nil {
		return room{}, fmt.Errorf("folder %s: %w", dir, fault(err))
	}
	return room{root: root, given: given, real: straight}, nil
}

// Close gives up the folders. Files that are open stay so.
func (w *Wall) Close() error {
	var errs []error
	for _, r := range w.rooms {
		errs = append(errs, r.root.Close())
	}
	return errors.Join(errs...)
}

// Storage says how file attributes are judged, guesses filled in.
func (w *Wall) Storage() Storage { return w.storage }

// Path is where a name lies on this machine, for those who may see that.
func (w *Wall) Path(name string) string {
	return filepath.Join(w.rooms[0].given, filepath.FromSlash(name))
}

// Trusted says whether the stamp that name was just seen to have tells its
// state from the next one.
func (w *Wall) Trusted(name string, s adapter.Stamp) bool { return w.trust.judge(name, s) }

// Stat looks at what a name leads to, without opening it unless the storage
// says that only opening tells.
func (w *Wall) Stat(ctx context.Context, name string) (adapter.Stamp, fs.FileMode, error) {
	info, _, err := w.stat(ctx, name)
	if err != nil {
		return adapter.Stamp{}, 0, err
	}
	if w.storage.Revalidate == RevalidateOpen && info.Mode().IsRegular() {
		f, err := w.Open(ctx, name)
		if err != nil {
			return adapter.Stamp{}, 0, err
		}
		defer func() { _ = f.Close() }()
		return f.stamp, info.Mode(), nil
	}
	return stampOf(info), info.Mode(), nil
}

func (w *Wall) stat(ctx context.Context, name string) (info fs.FileInfo, at place, err error) {
	w.recorder.Count(Stats, 1)
	at, err = w.reach(ctx, name, func(root *os.Root, rel string) (err error) {
		info, err = root.Stat(rel)
		return err
	})
	return info, at, err
}

// Open opens a regular file. Anything else is errdef.ErrUnprocessable, and is
// not opened: that could block for ever, or move a tape.
func (w *Wall) Open(ctx context.Context, name string) (*File, error) {
	info, at, err := w.stat(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := regular(name, info.Mode()); err != nil {
		return nil, err
	}
	f, err := w.openAt(at.root, at.rel, name)
	return f, named(name, err)
}

// openSeen opens what a look at the same name has just said is a regular file.
func (w *Wall) openSeen(ctx context.Context, name string) (f *File, err error) {
	_, err = w.reach(ctx, name, func(root *os.Root, rel string) (err error) {
		f, err = w.openAt(root, rel, name)
		return err
	})
	return f, err
}

// openAt opens one file; its error is still os.Root's own, which reach judges
// by. O_NONBLOCK: should a fifo have taken its place since
// it was looked at, opening it must not wait for a writer.
func (w *Wall) openAt(root *os.Root, rel, name string) (*File, error) {
	w.recorder.Count(Opens, 1)
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = regular(name, info.Mode())
	}
	if err != nil {
		_ = f.Close()
		return nil, named(name, err)
	}
	return &File{file: f, stamp: stampOf(info)}, nil
}

// place is where a name leads: a room, and a path in it without links out.
type place struct {
	root *os.Root
	rel  string
}

// reach does op to what name leads to. Links that stay inside are followed by
// os.Root itself; what it refuses (an absolute link, one out of the folder) is
// followed here, as far as the rooms go, and op is done there, again behind
// os.Root, so that a link changed in between leads nowhere new.
func (w *Wall) reach(ctx context.Context, name string, op func(*os.Root, string) error) (place, error) {
	if err := ctx.Err(); err != nil {
		return place{}, err
	}
	n, rel, ok := w.start(name)
	if !ok {
		return place{}, fmt.Errorf("%q: no path inside a folder: %w", name, errdef.ErrNotFound)
	}
	at := place{w.rooms[n].root, filepath.FromSlash(rel)}
	err := op(at.root, at.rel)
	if err == nil {
		return at, nil
	}
	if !escapes(err) {
		return place{}, w.explain(name, err)
	}
	if at, err = w.follow(name); err != nil {
		return place{}, err
	}
	if err = op(at.root, at.rel); err != nil {
		return place{}, w.explain(name, err)
	}
	return at, nil
}

// escapes says whether os.Root itself refused, and not the system or we.
func escapes(err error) bool {
	var number syscall.Errno
	return !errors.As(err, &number) && !ours(err)
}

// maxLinks is how many links one name may lead through.
const maxLinks = 40

// follow finds where a name leads whose links os.Root does not follow.
func (w *Wall) follow(name string) (place, error) {
	n, rel, _ := w.start(name)
	in, done, rest := w.rooms[n], "", strings.Split(rel, "/")
	for links := 0; len(rest) > 0; {
		next := filepath.Join(done, rest[0])
		rest = rest[1:]
		info, err := in.root.Lstat(next)
		if links > 0 && errors.Is(err, fs.ErrNotExist) {
			return place{}, fmt.Errorf("%s: is a link that leads nowhere: %w", name, errdef.ErrGone)
		}
		if err != nil {
			return place{}, named(name, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return place{}, fmt.Errorf("%s: links that lead to each other: %w", name, errdef.ErrUnprocessable)
		}
		target, err := in.root.Readlink(next)
		if err != nil {
			return place{}, named(name, err)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(in.real, done, target)
		}
		room, rel, ok := w.roomOf(filepath.Clean(target))
		if !ok {
			return place{}, fmt.Errorf("%s: is a link to %s, outside the served folder; to allow it, start with --allow-root %s: %w",
				name, target, toAllow(filepath.Clean(target), len(rest) > 0), errdef.ErrForbidden)
		}
		in, done = room, ""
		if rel != "." {
			rest = append(strings.Split(filepath.ToSlash(rel), "/"), rest...)
		}
	}
	if done == "" {
		done = "."
	}
	return place{in.root, done}, nil
}

// toAllow is the folder that would have to be allowed for a target, which is
// not looked at: the target if it is known to be a folder, else what it is in.
func toAllow(target string, folder bool) string {
	if above := filepath.Dir(target); !folder && above != string(filepath.Separator) {
		return above
	}
	return target
}

// roomOf finds the room that an absolute path lies in.
func (w *Wall) roomOf(target string) (room, string, bool) {
	for _, r := range w.rooms {
		for _, base := range []string{r.real, r.given} {
			rel, err := filepath.Rel(base, target)
			if err == nil && filepath.IsLocal(rel) {
				return r, rel, true
			}
		}
	}
	return room{}, "", false
}

// explain tells a link that leads nowhere from a name that is not there.
func (w *Wall) explain(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		n, rel, _ := w.start(name)
		if info, lerr := w.rooms[n].root.Lstat(filepath.FromSlash(rel)); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s: is a link that leads nowhere: %w", name, errdef.ErrGone)
		}
	}
	return named(name, err)
}

// valid is fs.ValidPath for names of any bytes.
func valid(name string) bool {
	if name == "." {
		return true
	}
	if name == "" || strings.IndexByte(name, 0) >= 0 || path.Clean(name) != name {
		return false
	}
	return name[0] != '/' && name != ".." && !strings.HasPrefix(name, "../")
}

func regular(name string, mode fs.FileMode) error {
	if mode.IsRegular() {
		return nil
	}
	what := "no regular file"
	switch {
	case mode.IsDir():
		what = "a folder, not a file"
	case mode&fs.ModeNamedPipe != 0:
		what = "a fifo, not a file"
	case mode&fs.ModeSocket != 0:
		what = "a socket, not a file"
	case mode&fs.ModeDevice != 0:
		what = "a device, not a file"
	}
	return fmt.Errorf("%s: is %s: %w", name, what, errdef.ErrUnprocessable)
}
