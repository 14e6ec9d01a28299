package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// errNeeded says that the format needs a file that the request did not name.
// Whoever meets it may go on to find what else is needed.
var errNeeded = fmt.Errorf("a file that has to be asked for: %w", errdef.ErrUnavailable)

// table is the source that a format sees in a host: the files of one request.
// It implements [adapter.Locator].
type table struct {
	names []string
	files map[string]File
	links map[link]Link
	ids   map[int]string

	wait, bytes, opens atomic.Int64

	mu     sync.Mutex
	needed map[link]struct{}
	needs  []Need
	seen   map[int]adapter.Stamp
}

// link is a path as it is written in a file of that name.
type link struct{ from, target string }

var _ adapter.Locator = (*table)(nil)

func newTable(r *Request) (*table, error) {
	t := &table{
		files: make(map[string]File, len(r.Files)), links: make(map[link]Link, len(r.Links)), ids: make(map[int]string, len(r.Files)),
		needed: make(map[link]struct{}), seen: make(map[int]adapter.Stamp),
	}
	for i, f := range r.Files {
		if i < r.Items {
			t.names = append(t.names, string(f.Name))
		}
		t.files[string(f.Name)] = f
		t.ids[f.ID] = string(f.Name)
	}
	for _, l := range r.Links {
		from, ok := t.ids[l.From]
		if !ok {
			return nil, fmt.Errorf("host protocol: a link from file %d, which is not in the table: %w", l.From, errdef.ErrInvalid)
		}
		t.links[link{from, string(l.Target)}] = l
	}
	if len(t.names) == 0 && r.Op != opPing {
		return nil, fmt.Errorf("host protocol: a request about no file: %w", errdef.ErrInvalid)
	}
	return t, nil
}

// Names implements [adapter.Source].
func (t *table) Names() []string { return t.names }

func (t *table) find(name string) (File, error) {
	f, ok := t.files[name]
	if !ok {
		return File{}, fmt.Errorf("%s: is not among the files of the request: %w", name, errdef.ErrForbidden)
	}
	if f.Absent {
		return File{}, fmt.Errorf("%s: no such file: %w", name, errdef.ErrNotFound)
	}
	return f, nil
}

// Stat implements [adapter.Source]: it says what the server has seen.
func (t *table) Stat(_ context.Context, name string) (adapter.Stamp, error) {
	f, err := t.find(name)
	return f.stamp(), err
}

// ReadDir implements [adapter.Source]. Folders are not read in hosts.
func (t *table) ReadDir(_ context.Context, name string) ([]fs.DirEntry, error) {
	return nil, fmt.Errorf("%s: folders are not listed in a host: %w", name, errdef.ErrUnsupported)
}

// Open implements [adapter.Source].
func (t *table) Open(ctx context.Context, name string) (adapter.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := t.find(name)
	if err != nil {
		return nil, err
	}
	defer t.waiting(time.Now())
	t.opens.Add(1)
	file, err := os.OpenFile(string(f.Path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, opening(err))
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w: %w", name, err, errdef.ErrUnavailable)
	}
	now := stampOf(info)
	if !same(f, now) || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", name, errdef.ErrChanged)
	}
	t.mu.Lock()
	t.seen[f.ID] = now
	t.mu.Unlock()
	return &open{File: file, table: t, size: info.Size()}, nil
}

func opening(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("is not there any more: %w", errdef.ErrChanged)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the server may not read it: %w", errdef.ErrForbidden)
	}
	return fmt.Errorf("%w: %w", err, errdef.ErrUnavailable)
}

// same says whether a file with this stamp is the one in the request.
func same(f File, now adapter.Stamp) bool {
	return now == f.stamp() || f.Grows && now.Inode == f.Inode && now.Size >= f.Size
}

// Locate implements [adapter.Locator]. What the request does not say is noted,
// and becomes part of the reply.
func (t *table) Locate(ctx context.Context, from, target string) (adapter.Place, error) {
	if err := ctx.Err(); err != nil {
		return adapter.Place{}, err
	}
	if from == "" {
		f, ok := t.files[target]
		if !ok {
			return adapter.Place{}, fmt.Errorf("%s: is not among the files of the request: %w", target, errdef.ErrForbidden)
		}
		return f.place(), nil
	}
	l, ok := t.links[link{from, target}]
	if !ok {
		return adapter.Place{}, t.need(from, target)
	}
	if l.Error != "" {
		return adapter.Place{}, errorOf(l.Error, l.Message)
	}
	name, ok := t.ids[l.File]
	if !ok {
		return adapter.Place{}, fmt.Errorf("host protocol: a link to file %d, which is not in the table: %w", l.File, errdef.ErrInvalid)
	}
	return t.files[name].place(), nil
}

func (t *table) need(from, target string) error {
	f, ok := t.files[from]
	if !ok {
		return fmt.Errorf("%s: is not among the files of the request: %w", from, errdef.ErrForbidden)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := link{from, target}
	if _, ok := t.needed[key]; !ok {
		t.needed[key] = struct{}{}
		t.needs = append(t.needs, Need{From: f.ID, Target: []byte(target)})
	}
	return fmt.Errorf("%s: names the file %s: %w", from, target, errNeeded)
}

// lacks returns what was found to be needed.
func (t *table) lacks() []Need {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.needs
}

// opened are the files that were opened, as they were.
func (t *table) opened() []File {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]File, 0, len(t.seen))
	for id, s := range t.seen {
		out = append(out, File{ID: id, Inode: s.Inode, Size: s.Size, Mtime: s.Mtime, Ctime: s.Ctime})
	}
	return out
}

func (t *table) waiting(since time.Time) { t.wait.Add(int64(time.Since(since))) }

func (t *table) cost(elapsed time.Duration) adapter.Cost {
	wait := min(time.Duration(t.wait.Load()), elapsed)
	return adapter.Cost{Wait: wait, CPU: elapsed - wait, Bytes: t.bytes.Load(), Opens: t.opens.Load()}
}

// open is an open file that counts.
type open struct {
	*os.File
	table *table
	size  int64
}

// Size implements [adapter.File].
func (o *open) Size() int64 { return o.size }

// ReadAt implements [io.ReaderAt].
func (o *open) ReadAt(p []byte, off int64) (int, error) {
	defer o.table.waiting(time.Now())
	n, err := o.File.ReadAt(p, off)
	o.table.bytes.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", err, errdef.ErrUnavailable)
	}
	return n, err
}
