package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// ReadDir gives each entry of a folder to add, in the order of the disk, and
// returns the stamp that the folder had before. Nothing in it is looked at,
// unless the file system does not say what kind of thing an entry is; so
// entries have a name and a kind, and no Info.
func (w *Wall) ReadDir(ctx context.Context, name string, add func(fs.DirEntry)) (adapter.Stamp, error) {
	w.recorder.Count(ReadDirs, 1)
	var f *os.File
	_, err := w.reach(ctx, name, func(root *os.Root, rel string) (err error) {
		f, err = root.OpenFile(rel, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return adapter.Stamp{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return adapter.Stamp{}, named(name, err)
	}
	names, err := withoutRoot(f)
	if err != nil {
		return adapter.Stamp{}, named(name, err)
	}
	defer func() { _ = names.Close() }()
	for ctx.Err() == nil {
		entries, err := names.ReadDir(1024)
		for _, e := range entries {
			add(dirEntry{e.Name(), e.Type()})
		}
		if errors.Is(err, io.EOF) {
			return stampOf(info), nil
		}
		if err != nil {
			return adapter.Stamp{}, named(name, err)
		}
	}
	return adapter.Stamp{}, ctx.Err()
}

// withoutRoot is the same open folder, forgetting that it was opened behind an
// os.Root: a folder that was has every single entry looked at when it is read
// (os.newUnixDirent), which for 100,000 files is what a listing must not do.
func withoutRoot(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), ""), nil //nolint:gosec // a descriptor is not negative
}

// dirEntry is what a folder says of an entry.
type dirEntry struct {
	name string
	mode fs.FileMode
}

// Name implements [fs.DirEntry].
func (e dirEntry) Name() string { return e.name }

// IsDir implements [fs.DirEntry].
func (e dirEntry) IsDir() bool { return e.mode.IsDir() }

// Type implements [fs.DirEntry].
func (e dirEntry) Type() fs.FileMode { return e.mode }

// Info implements [fs.DirEntry]; who wants to know more asks the source.
func (e dirEntry) Info() (fs.FileInfo, error) {
	return nil, fmt.Errorf("%s: a listing says no more than the kind of an entry: %w", e.name, errdef.ErrUnsupported)
}
