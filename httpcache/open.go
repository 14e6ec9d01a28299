// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/stores/disk"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
	"github.com/terrazzo-data/terrazzo/store"
)

// Place says where a cache lies. The zero value is 256 MiB of memory.
type Place struct {
	// Memory is the bytes held in memory (default 256 MiB); before the disk, if there is one.
	Memory int64
	// Dir is a folder on a local disk that any number of processes may share; "" is none.
	// It is made with mode 0700.
	Dir string
	// Capacity bounds the files in Dir; 0 is the least of 20 GiB, a tenth of what is free
	// there and held already, and what the user's quota allows.
	Capacity int64
}

// DefaultMemory is the memory of a [Place] that does not say.
const DefaultMemory = 256 << 20

// Open makes the stores for a place and a transport over them, which closes them. What
// is held beyond the capacity is given up at once. A folder on a network file system is
// left alone with one warning, and one of this user's own for temporary files is used;
// one that cannot be used at all (no right to write, a lock that is not to be had)
// likewise, and the cache is in memory. A disk that fails later, because it is full, say,
// is read but not written for a minute, and memory is used. errdef.ErrInvalid says what
// is wrong with the arguments.
func Open(p Place, o Options) (*Transport, error) {
	if p.Memory < 0 || p.Capacity < 0 || o.Store != nil {
		return nil, fmt.Errorf("http cache: sizes are not negative, and Open makes the store: %w", errdef.ErrInvalid)
	}
	if p.Memory == 0 {
		p.Memory = DefaultMemory
	}
	m, err := memory.New(memory.Options{Capacity: p.Memory})
	if err != nil {
		return nil, fmt.Errorf("http cache: %w", err)
	}
	o.Store = m
	t, failed := New(o)
	if failed != nil {
		return nil, failed
	}
	d, used, err := openDisk(p, disk.Open)
	if d != nil {
		t.o.Store, t.o.Front = &sheltered{disk: d, memory: m, failed: t.storeFailed, begun: time.Now()}, m
		t.closers = append(t.closers, d.Close)
	}
	if err != nil {
		if used == "" {
			used = "memory"
		}
		t.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "the folder of the http cache cannot be used; another place is",
			slog.String("folder", p.Dir), slog.String("place", used), slog.String("error", err.Error()))
	}
	return t, nil
}

// openDisk opens the folder of p, or, if that is on a network file system, one for
// temporary files. err says why p.Dir is not used, dir what is.
func openDisk(p Place, open func(disk.Options) (*disk.Store, error)) (d *disk.Store, dir string, err error) {
	if p.Dir == "" {
		return nil, "", nil
	}
	d, err = openFolder(p, open)
	if !errors.Is(err, errdef.ErrUnsupported) {
		return d, p.Dir, err
	}
	if p.Dir, dir = temporary(), ""; p.Dir != "" {
		var failed error
		if d, failed = openFolder(p, open); failed == nil {
			dir = p.Dir
		}
	}
	return d, dir, err
}

func openFolder(p Place, open func(disk.Options) (*disk.Store, error)) (*disk.Store, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, err
	}
	if p.Capacity == 0 {
		p.Capacity = capacity(p.Dir)
	}
	d, err := open(disk.Options{Dir: p.Dir, Capacity: p.Capacity})
	if err != nil {
		return nil, err
	}
	// Asking for room for nothing gives up what is beyond the bound.
	if w, err := d.Put(context.Background(), "cull", store.Meta{}); err == nil {
		w.Abort()
	}
	return d, nil
}

// temporary is a folder of this user's own among the temporary files, or "" if another
// user has taken its name.
func temporary() string {
	dir := filepath.Join(os.TempDir(), "terrazzo-http-"+strconv.Itoa(os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return ""
	}
	if about, err := os.Lstat(dir); err != nil || !about.IsDir() || about.Mode().Perm() != 0o700 || !owned(about) {
		return ""
	}
	return dir
}

// Bounds of the default capacity.
const (
	mostCapacity  = 20 << 30
	leastCapacity = 16 << 20
)

// capacity is the default: what is held already counts as free.
func capacity(dir string) int64 {
	held := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if about, err := d.Info(); err == nil {
				held += about.Size()
			}
		}
		return nil // what cannot be looked at is not counted
	})
	most := int64(mostCapacity)
	if left := quota(dir); left < most-held {
		most = max(0, left+held)
	}
	return max(leastCapacity, min(most, (free(dir)+held)/10))
}

// Entry is what is held of a URL.
type Entry struct {
	// URL is without credentials.
	URL string
	// MediaType and Coding are those of the body, Size its bytes as they are kept.
	MediaType, Coding string
	Size              int64
	// Received is when the server sent it or last confirmed it; Fresh is until when it may be
	// used without asking.
	Received, Fresh time.Time
}

// Inspect lists the representations that are held of what r asks for, by whoever r's
// credentials or Options.Principal name. It sends nothing.
func (t *Transport) Inspect(r *http.Request) []Entry {
	id := t.identify(r, false)
	rec := t.load(r.Context(), recordKey(id))
	if rec == nil {
		return nil
	}
	out := make([]Entry, 0, len(rec.Variants))
	for _, v := range rec.Variants {
		e := Entry{
			URL: rec.URL, MediaType: v.Header.Get("Content-Type"), Coding: v.Header.Get("Content-Encoding"), Size: v.Size,
			Received: v.Received, Fresh: v.Received.Add(v.Lifetime - v.InitialAge),
		}
		out = append(out, e)
	}
	return out
}

// Clear forgets everything that is held from origin ("https://host:port"), or from
// everywhere if it is "". It is for all who share the store.
func (t *Transport) Clear(ctx context.Context, origin string) error {
	group := groupAll
	if origin != "" {
		group = groupOrigin(origin)
	}
	t.purges.purge(group)
	err := t.o.Store.DeleteGroup(ctx, group)
	if t.o.Front != nil {
		err = errors.Join(err, t.o.Front.DeleteGroup(ctx, group))
	}
	if err != nil {
		return fmt.Errorf("http cache: clear: %w", err)
	}
	return nil
}

var _ io.Closer = (*Transport)(nil)
