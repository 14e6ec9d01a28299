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
)

// StatAll takes the stamps of entries of a folder, in the order of their names,
// as [Wall.Stat] would one by one; one that is not there, or may not be looked
// at, is Absent. The folder itself is looked up once. The error is that of the
// folder, or ctx's.
func (w *Wall) StatAll(ctx context.Context, folder string, names []string) ([]adapter.Stamp, error) {
	var dir *os.File
	_, err := w.reach(ctx, folder, func(root *os.Root, rel string) (err error) {
		dir, err = root.OpenFile(rel, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	stamps := make([]adapter.Stamp, len(names))
	parts := min(runtime.GOMAXPROCS(0), len(names)/manyStats+1)
	var all sync.WaitGroup
	for part := range parts {
		all.Go(func() {
			for i := part * len(names) / parts; i < (part+1)*len(names)/parts && ctx.Err() == nil; i++ {
				stamps[i] = w.statEntry(ctx, dir, folder, names[i])
			}
		})
	}
	all.Wait()
	return stamps, ctx.Err()
}

// manyStats is how many looks are worth a goroutine.
const manyStats = 256

// statEntry looks at one entry of an open folder. A link is followed the long
// way, and what is to be opened for its stamp too.
func (w *Wall) statEntry(ctx context.Context, dir *os.File, folder, name string) adapter.Stamp {
	if w.storage.Revalidate != RevalidateOpen {
		stamp, mode, err := statAt(dir, name)
		if err == nil && mode&fs.ModeSymlink == 0 {
			w.recorder.Count(Stats, 1)
			return stamp
		}
		if errors.Is(err, fs.ErrNotExist) {
			w.recorder.Count(Stats, 1)
			return adapter.Stamp{Absent: true}
		}
	}
	stamp, _, err := w.Stat(ctx, within(folder, name))
	if err != nil {
		return adapter.Stamp{Absent: true}
	}
	return stamp
}
