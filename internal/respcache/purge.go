// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// maxPurges is how many purges are remembered for the sake of fetches under way. A
// fetch older than the oldest of them is not stored.
const maxPurges = 1024

// purgeLog keeps a fetch that began before a purge from putting back what was purged.
// Storing holds mu for reading, purging for writing, so the two never cross.
type purgeLog struct {
	mu     sync.RWMutex
	seq    uint64
	floor  uint64
	recent []purged
}

type purged struct {
	seq   uint64
	group string
}

// mark is the moment at which a fetch begins.
func (p *purgeLog) mark() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.seq
}

// outdates is since for those who do not hold p.mu.
func (p *purgeLog) outdates(mark uint64, groups []string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.seq != mark && p.since(mark, groups)
}

// since tells whether one of groups was purged after mark. p.mu is held.
func (p *purgeLog) since(mark uint64, groups []string) bool {
	if mark < p.floor {
		return true
	}
	for i := len(p.recent) - 1; i >= 0 && p.recent[i].seq > mark; i-- {
		if slices.Contains(groups, p.recent[i].group) {
			return true
		}
	}
	return false
}

// purge forgets the groups, also those that are being fetched now.
func (c *Cache) purge(ctx context.Context, groups []string) error {
	c.purges.mu.Lock()
	defer c.purges.mu.Unlock()
	var failed error
	for _, group := range groups {
		c.purges.seq++
		c.purges.recent = append(c.purges.recent, purged{seq: c.purges.seq, group: group})
		c.counts.purged.Add(1)
		if err := c.o.Store.DeleteGroup(ctx, group); err != nil {
			c.counts.storeErrors.Add(1)
			failed = fmt.Errorf("response cache: purge: %w", err)
		}
		if c.o.Front != nil {
			// What stays there is named by no record.
			_ = c.o.Front.DeleteGroup(ctx, group)
		}
	}
	if extra := len(c.purges.recent) - maxPurges; extra > 0 {
		c.purges.floor = c.purges.recent[extra-1].seq
		c.purges.recent = slices.Clone(c.purges.recent[extra:])
	}
	return failed
}

// PurgeURL forgets every variant of an absolute URL, given without credentials.
func (c *Cache) PurgeURL(ctx context.Context, absolute string) error {
	return c.purge(ctx, []string{c.urlGroup(absolute)})
}

// PurgeAll forgets everything.
func (c *Cache) PurgeAll(ctx context.Context) error {
	return c.purge(ctx, []string{c.everything()})
}

// PurgePrefix forgets every URL below a folder, an absolute URL that ends in "/"; else it
// is errdef.ErrInvalid. Folders more than sixteen deep cannot be purged by themselves.
func (c *Cache) PurgePrefix(ctx context.Context, folder string) error {
	u, err := url.Parse(folder)
	if err != nil || u.Host == "" || !strings.HasSuffix(folder, "/") || strings.Count(u.Path, "/") > maxFolders {
		return fmt.Errorf("response cache: purge %q: want an absolute URL that ends in a slash: %w", folder, errdef.ErrInvalid)
	}
	return c.purge(ctx, []string{c.folderGroup(folder)})
}

// PurgeGroup forgets a cache group (RFC 9875) of the origin with this base URL.
func (c *Cache) PurgeGroup(ctx context.Context, base, group string) error {
	return c.purge(ctx, c.named(base, []string{group}))
}

// PurgeNamed forgets what Options.Groups put under name, at every address.
func (c *Cache) PurgeNamed(ctx context.Context, name string) error {
	return c.purge(ctx, []string{c.ownGroup(name)})
}

// invalidate forgets what a successful unsafe request made untrue (RFC 9111 §4.4).
func (c *Cache) invalidate(r *http.Request, id identity, h http.Header) {
	groups := []string{c.urlGroup(id.url)}
	if target, err := url.Parse(id.url); err == nil {
		for _, u := range rfc9111.InvalidatedURLs(target, h) {
			groups = append(groups, c.urlGroup(u.String()))
		}
	}
	groups = append(groups, c.named(id.base, rfc9111.InvalidatedGroups(h))...)
	if c.o.Invalidates != nil {
		for _, name := range c.o.Invalidates(r) {
			groups = append(groups, c.ownGroup(name))
		}
	}
	// A write that succeeded is answered even if the client has gone meanwhile.
	if err := c.purge(context.WithoutCancel(r.Context()), groups); err != nil {
		c.o.Logger.LogAttrs(r.Context(), slog.LevelWarn, "what a write made untrue may still be served", slog.String("error", err.Error()))
	}
}
