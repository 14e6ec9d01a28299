// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/stores/disk"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
)

// Place says where a cache lies. The zero value is 256 MiB of memory.
type Place struct {
	// Memory is the bytes held in memory (default 256 MiB); before the disk, if there is one.
	Memory int64
	// Dir is a folder on a local disk that any number of processes may share; "" is none.
	// It is made with mode 0700.
	Dir string
	// Capacity bounds the files in Dir; 0 is the least of 20 GiB and a tenth of what is free
	// there and held already.
	Capacity int64
}

// DefaultMemory is the memory of a [Place] that does not say.
const DefaultMemory = 256 << 20

// Open makes the stores for a place and a transport over them, which closes them. A
// folder that cannot be used (a network file system, no right to write, a lock that is
// not to be had) is left alone with one warning, and the cache is in memory.
// errdef.ErrInvalid says what is wrong with the arguments.
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
	d, err := openDisk(p)
	if d != nil {
		o.Store, o.Front = d, m
	}
	t, failed := New(o)
	if failed != nil {
		if d != nil {
			failed = errors.Join(failed, d.Close())
		}
		return nil, failed
	}
	if d != nil {
		t.closers = append(t.closers, d.Close)
	}
	if err != nil {
		t.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "the folder of the http cache cannot be used; caching in memory", slog.String("folder", p.Dir), slog.String("error", err.Error()))
	}
	return t, nil
}

func openDisk(p Place) (*disk.Store, error) {
	if p.Dir == "" {
		return nil, nil //nolint:nilnil // none was asked for
	}
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, err
	}
	if p.Capacity == 0 {
		p.Capacity = capacity(p.Dir)
	}
	return disk.Open(disk.Options{Dir: p.Dir, Capacity: p.Capacity})
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
	return min(mostCapacity, max(leastCapacity, (free(dir)+held)/10))
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
	id := t.identify(r)
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
