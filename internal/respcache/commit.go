// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
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
	w, err := c.o.Store.Put(ctx, p.body, store.Meta{Size: p.size, Cost: p.cost, Groups: p.groups})
	if err != nil {
		return fmt.Errorf("response cache: body: %w", err)
	}
	defer w.Abort()
	if taker, ok := w.(store.Taker); ok {
		err = taker.Take(body)
	} else {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		return fmt.Errorf("response cache: body: %w", err)
	}
	return nil
}

// keepHead puts p first in the record of key, in place of what r selected before.
func (c *Cache) keepHead(ctx context.Context, key store.Key, r *http.Request, p *response) error {
	lock := c.lock(key)
	lock.Lock()
	defer lock.Unlock()
	kept, groups := [][]byte{p.encode()}, groupSet{}
	groups.add(p.groups)
	var gone []store.Key
	c.record(ctx, key, func(variants [][]byte) {
		for _, v := range variants {
			old, err := decode(v)
			switch {
			case err != nil || old.body == p.body:
			case len(kept) == maxVariants || c.matches(old.selectors, "", r):
				gone = append(gone, old.body)
			default:
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
		_ = c.o.Store.Delete(ctx, body)
	}
	return nil
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
	if c.purges.since(mark, p.groups) {
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
	c.o.Logger.Debug("response cache: not stored", "error", err.Error())
}
