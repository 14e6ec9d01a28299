// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// lookup finds the stored response that r selects. A store that fails is a miss (law 5).
// another tells that the URL has variants, but not this one.
func (c *Cache) lookup(ctx context.Context, key store.Key, r *http.Request) (found *response, another bool) {
	c.record(ctx, key, func(variants [][]byte) {
		another = len(variants) > 0
		for _, v := range variants {
			if !c.glance(v, r) {
				continue
			}
			p, err := decode(v)
			if err != nil {
				c.counts.storeErrors.Add(1)
				return
			}
			found = p
			return
		}
	})
	return found, another && found == nil
}

// record lends the variants of a record to use, for as long as it runs.
func (c *Cache) record(ctx context.Context, key store.Key, use func([][]byte)) {
	v, err := c.o.Store.Get(ctx, key)
	if err != nil {
		if !errors.Is(err, errdef.ErrNotFound) {
			c.counts.storeErrors.Add(1)
		}
		return
	}
	defer v.Release()
	variants, err := splitRecord(v.Header)
	if err != nil {
		c.counts.storeErrors.Add(1)
		return
	}
	use(variants)
}

// lock is the lock of one record's changes in this process.
func (c *Cache) lock(key store.Key) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return &c.locks[h.Sum32()%uint32(len(c.locks))]
}

// newBodyKey names a body that has not been before.
func (c *Cache) newBodyKey() store.Key {
	return store.Key(c.o.Prefix + "b:" + c.nonce + strconv.FormatUint(c.serial.Add(1), 36))
}

// keepBody stores a whole body under p.body.
func (c *Cache) keepBody(ctx context.Context, p *response, body []byte) error {
	meta := store.Meta{Size: p.size, Cost: p.cost, Groups: p.groups}
	if err := putBody(ctx, c.o.Store, p.body, meta, body); err != nil {
		return fmt.Errorf("response cache: body: %w", err)
	}
	if c.o.Front != nil {
		c.front(ctx, p.body, meta, body)
	}
	return nil
}

// front puts a copy of a body before the store. A failure is a slower hit, and counted.
func (c *Cache) front(ctx context.Context, key store.Key, meta store.Meta, body []byte) {
	if err := putBody(ctx, c.o.Front, key, meta, body); err != nil {
		c.storeFailed(err)
	}
}

func putBody(ctx context.Context, s store.Store, key store.Key, meta store.Meta, body []byte) error {
	w, err := s.Put(ctx, key, meta)
	if err != nil {
		return err
	}
	defer w.Abort()
	if taker, ok := w.(store.Taker); ok {
		err = taker.Take(body)
	} else {
		_, err = w.Write(body)
	}
	if err != nil {
		return err
	}
	return w.Commit()
}

// body gets the body of p, or says that it is gone.
func (c *Cache) body(ctx context.Context, p *response) (store.Value, bool) {
	if c.o.Front != nil {
		if v, ok := c.bodyFrom(ctx, c.o.Front, p); ok {
			return v, true
		}
	}
	v, ok := c.bodyFrom(ctx, c.o.Store, p)
	if ok && c.o.Front != nil && v.Bytes != nil {
		copied := v.Bytes
		if v.Owner != nil {
			copied = bytes.Clone(copied)
		}
		c.front(ctx, p.body, store.Meta{Size: p.size, Cost: p.cost, Groups: p.groups}, copied)
	}
	return v, ok
}

func (c *Cache) bodyFrom(ctx context.Context, s store.Store, p *response) (store.Value, bool) {
	v, err := s.Get(ctx, p.body)
	switch {
	case err == nil && v.Size == p.size:
		return v, true
	case err == nil:
		v.Release()
		c.counts.storeErrors.Add(1)
	case !errors.Is(err, errdef.ErrNotFound):
		c.counts.storeErrors.Add(1)
	}
	return store.Value{}, false
}

// keepHead puts p first in the record of key, in place of what r selected before.
func (c *Cache) keepHead(ctx context.Context, key store.Key, r *http.Request, p *response) error {
	lock := c.lock(key)
	lock.Lock()
	defer lock.Unlock()
	kept, groups := [][]byte{p.encode()}, groupSet{}
	room := maxRecord - len(kept[0])
	groups.add(p.groups)
	var gone []store.Key
	c.record(ctx, key, func(variants [][]byte) {
		for _, v := range variants {
			old, err := decode(v)
			switch {
			case err != nil || old.body == p.body:
			case len(kept) == maxVariants || len(v) > room || c.matches(old.selectors, "", r):
				gone = append(gone, old.body)
			default:
				room -= len(v)
				kept = append(kept, bytes.Clone(v))
				groups.add(old.groups)
			}
		}
	})
	meta := store.Meta{Header: appendRecord(kept), Cost: p.cost, Groups: groups.list}
	w, err := c.o.Store.Put(ctx, key, meta)
	if err != nil {
		return fmt.Errorf("response cache: record: %w", err)
	}
	defer w.Abort()
	if err := w.Commit(); err != nil {
		return fmt.Errorf("response cache: record: %w", err)
	}
	for _, body := range gone {
		c.deleteBody(ctx, body)
	}
	return nil
}

// deleteBody frees a body that no record names any more. One that stays is given up in
// time like all others.
func (c *Cache) deleteBody(ctx context.Context, body store.Key) {
	_ = c.o.Store.Delete(ctx, body)
	if c.o.Front != nil {
		_ = c.o.Front.Delete(ctx, body)
	}
}

// groupSet gathers group names without repeats, as many as a store takes.
type groupSet struct {
	seen map[string]bool
	list []string
}

func (g *groupSet) add(names []string) {
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	for _, name := range names {
		if !g.seen[name] && len(g.list) < store.MaxGroups {
			g.seen[name] = true
			g.list = append(g.list, name)
		}
	}
}

// keep stores a response that was fetched since mark: body first (nil if it is stored
// already), then head. It tells whether it did; what was purged meanwhile is not stored.
func (c *Cache) keep(key store.Key, r *http.Request, p *response, body []byte, mark uint64) bool {
	// Whoever asked may be gone by now; what was fetched is worth keeping all the same.
	ctx := context.WithoutCancel(r.Context())
	c.purges.mu.RLock()
	defer c.purges.mu.RUnlock()
	if c.purges.since(mark, p.groups) || !p.bounded() {
		return false
	}
	if body != nil {
		if err := c.keepBody(ctx, p, body); err != nil {
			c.storeFailed(err)
			return false
		}
	}
	if err := c.keepHead(ctx, key, r, p); err != nil {
		c.storeFailed(err)
		return false
	}
	return true
}

func (c *Cache) storeFailed(err error) {
	c.counts.storeErrors.Add(1)
	c.o.Logger.LogAttrs(c.ctx, slog.LevelDebug, "response not stored", slog.String("error", err.Error()))
}
