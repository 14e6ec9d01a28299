package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// StatAll takes the stamps of entries of a folder, in the order of their names,
// as [Wall.Stat] would one by one; one that is not there, or may not be looked
// at, is Absent. The folder itself is looked up once. The error is that of the
// folder, or ctx's.
func (w *Wall) StatAll(ctx context.Context, folder string, names []string) ([]adapter.Stamp, error) {
	stamps := make([]adapter.Stamp, len(names))
	err := w.statEach(ctx, folder, len(names), func(i int) string { return names[i] }, func(i int, stamp adapter.Stamp, err error) {
		if err != nil {
			stamp = adapter.Stamp{Absent: true}
		}
		stamps[i] = stamp
	})
	return stamps, err
}

// statEach looks at n entries of a folder, and gives what it saw to got, from
// several goroutines: a stamp, Absent if there is no such entry, or an error.
func (w *Wall) statEach(ctx context.Context, folder string, n int, name func(i int) string, got func(i int, stamp adapter.Stamp, err error)) error {
	var dir *os.File
	_, err := w.reach(ctx, folder, func(root *os.Root, rel string) (err error) {
		dir, err = root.OpenFile(rel, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	parts := min(runtime.GOMAXPROCS(0), n/manyStats+1)
	var all sync.WaitGroup
	for part := range parts {
		all.Go(func() {
			for i := part * n / parts; i < (part+1)*n/parts && ctx.Err() == nil; i++ {
				stamp, err := w.statEntry(ctx, dir, folder, name(i))
				got(i, stamp, err)
			}
		})
	}
	all.Wait()
	return ctx.Err()
}

// manyStats is how many looks are worth a goroutine.
const manyStats = 256

// statEntry looks at one entry of an open folder. A link is followed the long
// way, and what is to be opened for its stamp too.
func (w *Wall) statEntry(ctx context.Context, dir *os.File, folder, name string) (adapter.Stamp, error) {
	if w.storage.Revalidate != RevalidateOpen {
		stamp, mode, err := statAt(dir, name)
		if err == nil && mode&fs.ModeSymlink == 0 {
			w.recorder.Count(Stats, 1)
			return stamp, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			w.recorder.Count(Stats, 1)
			return adapter.Stamp{Absent: true}, nil
		}
	}
	stamp, _, err := w.Stat(ctx, within(folder, name))
	return absent(stamp, err)
}

// absent makes a stamp of a name that is not there.
func absent(stamp adapter.Stamp, err error) (adapter.Stamp, error) {
	if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, errdef.ErrGone) {
		return adapter.Stamp{Absent: true}, nil
	}
	return stamp, err
}
