package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// Folder is an [adapter.Source] over a folder of a test. It counts what is
// asked of it, and can show files otherwise than they are. It is safe for
// concurrent use.
type Folder struct {
	files fs.FS
	names []string

	mu sync.Mutex
	// guards following
	opens   map[string]int
	stats   map[string]int
	bytes   int64
	views   map[string]view
	changed bool
}

// A view is how a file is shown: cut to size, and one byte turned around.
type view struct{ size, flip int64 }

// NewFolder returns a source of the files names below dir, closed at the end
// of the test. Without names it is the folder itself, as formats of
// whole folders get it.
func NewFolder(tb testing.TB, dir string, names ...string) *Folder {
	tb.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = root.Close() })
	return newFolder(root.FS(), names)
}

// NewMemory returns a source of files that are given by their contents.
func NewMemory(files map[string]string, names ...string) *Folder {
	all := fstest.MapFS{}
	for name, content := range files {
		all[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o600}
	}
	return newFolder(all, names)
}

func newFolder(files fs.FS, names []string) *Folder {
	if len(names) == 0 {
		names = []string{"."}
	}
	f := &Folder{files: files, names: names}
	f.Reset()
	return f
}

// maxMemory is how much of a folder is copied to be damaged.
const maxMemory = 16 << 20

// inMemory returns a source of the same files in memory, or the same source if
// they are large.
func (f *Folder) inMemory() *Folder {
	all, size := map[string]string{}, 0
	err := fs.WalkDir(f.files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := fs.ReadFile(f.files, name)
		if size += len(data); size > maxMemory {
			return fs.SkipAll
		}
		all[name] = string(data)
		return err
	})
	if err != nil || size > maxMemory {
		return f
	}
	return NewMemory(all, f.names...)
}

// Reset sets the counts to zero and shows all files as they are again.
func (f *Folder) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens, f.stats, f.views = map[string]int{}, map[string]int{}, map[string]view{}
	f.bytes, f.changed = 0, false
}

// Truncate shows a file as if it ended after size bytes.
func (f *Folder) Truncate(name string, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.views[name] = view{size: size, flip: -1}
}

// Corrupt shows a file with all bits of one byte turned around.
func (f *Folder) Corrupt(name string, at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.views[name] = view{size: -1, flip: at}
}

// Change makes every file look as if it had changed since it was pinned: it
// cannot be opened, with errdef.ErrChanged.
func (f *Folder) Change() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = true
}

// Opened returns how often each file was opened, or found absent when it was
// to be opened, since the last Reset.
func (f *Folder) Opened() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.opens)
}

// Bytes returns how many bytes were read since the last Reset.
func (f *Folder) Bytes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes
}

// Names are the names that NewFolder was given.
func (f *Folder) Names() []string { return slices.Clone(f.names) }

// Open opens a file, unless the context is done or the file has changed.
func (f *Folder) Open(ctx context.Context, name string) (adapter.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.opens[name]++
	seen, changed := view{size: -1, flip: -1}, f.changed
	if v, ok := f.views[name]; ok {
		seen = v
	}
	f.mu.Unlock()
	if changed {
		return nil, fmt.Errorf("%s: %w", name, errdef.ErrChanged)
	}
	// What is no regular file is not opened at all: a fifo would block.
	info, err := fs.Stat(f.files, name)
	if err != nil {
		return nil, translate(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file: %w", name, errdef.ErrUnprocessable)
	}
	file, err := f.files.Open(name)
	if err != nil {
		return nil, translate(name, err)
	}
	reader, ok := file.(io.ReaderAt)
	if !ok {
		_ = file.Close()
		return nil, fmt.Errorf("%s: cannot be read at random: %w", name, errdef.ErrUnprocessable)
	}
	if seen.size < 0 || seen.size > info.Size() {
		seen.size = info.Size()
	}
	return &openFile{Closer: file, data: reader, view: seen, folder: f}, nil
}

// Stat returns the stamp of a file, without times.
func (f *Folder) Stat(ctx context.Context, name string) (adapter.Stamp, error) {
	if err := ctx.Err(); err != nil {
		return adapter.Stamp{}, err
	}
	f.mu.Lock()
	f.stats[name]++
	seen, ok := f.views[name]
	f.mu.Unlock()
	info, err := fs.Stat(f.files, name)
	if err != nil {
		return adapter.Stamp{Absent: true}, translate(name, err)
	}
	stamp := adapter.Stamp{Inode: 1, Size: info.Size()}
	if ok && seen.size >= 0 {
		stamp.Size = min(stamp.Size, seen.size)
	}
	return stamp, nil
}

// ReadDir lists a folder by name.
func (f *Folder) ReadDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(f.files, name)
	if err != nil {
		return nil, translate(name, err)
	}
	return entries, nil
}

func translate(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s: %w", name, errdef.ErrNotFound)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w", name, errdef.ErrForbidden)
	default:
		return fmt.Errorf("%s: %w: %w", name, err, errdef.ErrUnavailable)
	}
}

type openFile struct {
	io.Closer
	data   io.ReaderAt
	view   view
	folder *Folder
}

func (o *openFile) Size() int64 { return o.view.size }

func (o *openFile) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= o.view.size {
		return 0, io.EOF
	}
	short := p
	if left := o.view.size - offset; int64(len(p)) > left {
		short = p[:left]
	}
	n, err := o.data.ReadAt(short, offset)
	if at := o.view.flip - offset; o.view.flip >= 0 && at >= 0 && at < int64(n) {
		p[at] ^= 0xff
	}
	o.folder.mu.Lock()
	o.folder.bytes += int64(n)
	o.folder.mu.Unlock()
	if err == nil && len(short) < len(p) {
		err = io.EOF
	}
	return n, err
}
