package datacache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// ownKey is the key of what an adapter keeps under a name of its own.
func ownKey(name string) key {
	sum := sha256.Sum256([]byte(name))
	return key{adapter.ID(sum[:16]), ownValue}
}

// Get returns what was [Cache.Put] under name, if it is still held. The value
// is shared by all who ask and must not be written to.
func (c *Cache) Get(ctx context.Context, name string) (value any, ok bool) {
	return c.held(ctx, ownKey(name), name, true)
}

// Put offers a value that an adapter has computed. The name says all that the
// value depends on, the versions of its sources included: what changed must
// have another name, or be discarded first. bytes is the memory that it keeps
// alive, cost the time that it took. It may be refused, and given up at any
// time. The cache owns it from now on: nobody may write to it any more.
func (c *Cache) Put(name string, value any, bytes int64, cost time.Duration) {
	k := ownKey(name)
	c.keep(flightKey{k, c.memory.generation(k), true}, name, loaded{value, max(0, bytes), cost})
}

// Load returns what is held under name, or what load gives, which is then
// offered to the cache as in [Cache.Put]: one load runs, however many ask, under
// a context that outlives ctx and is cancelled when nobody waits any more. The
// cost is the time that load takes. Errors are load's, which are not kept, or
// ctx's.
func (c *Cache) Load(ctx context.Context, name string, load func(context.Context) (value any, bytes int64, err error)) (any, error) {
	k := ownKey(name)
	if value, ok := c.held(ctx, k, name, true); ok {
		return value, nil
	}
	value, _, err := c.fetch(ctx, k, name, true, func(ctx context.Context) (loaded, error) {
		began := time.Now()
		value, bytes, err := load(ctx)
		return loaded{value, max(0, bytes), time.Since(began)}, err
	})
	return value, err
}

// Discard gives up what is held under name. A load of it that runs is not kept,
// and is not joined by who asks from now on.
func (c *Cache) Discard(name string) {
	if e := c.memory.discard(ownKey(name)); e != nil {
		c.note(e.event(Dropped))
	}
}

// Entry is a value that is held.
type Entry struct {
	// Path is that of its node in the tree, or the name given to Put.
	Path string
	// ID names the state that it was read from. Column is that of a table,
	// -1 for a block of an array, -2 for what was Put.
	ID     string
	Column int
	// Bytes that it takes, with [Overhead].
	Bytes int64
	Cost  time.Duration
	Hits  int64
}

func entryOf(e *entry) Entry {
	return Entry{Path: e.path, ID: hex.EncodeToString(e.key.id[:]), Column: int(e.key.column), Bytes: e.size, Cost: e.cost, Hits: e.hits.Load()}
}

// Entries lists what is held, by path and then by bytes, the largest first.
func (c *Cache) Entries() []Entry {
	held := c.memory.snapshot()
	out := make([]Entry, len(held))
	for i, e := range held {
		out[i] = entryOf(e)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Column, b.Column))
	})
	return out
}

// DiscardWhere gives up all entries that match says, and returns how many.
// Loads that run now are not kept, whatever they load.
func (c *Cache) DiscardWhere(match func(Entry) bool) int {
	gone := c.memory.discardAll(func(e *entry) bool { return match(entryOf(e)) })
	for _, e := range gone {
		c.note(e.event(Dropped))
	}
	return len(gone)
}

// DiscardNode gives up the blocks and columns of the node at path and of all
// below it, as [Cache.DiscardWhere] does; an empty path is everything.
func (c *Cache) DiscardNode(path string) int {
	path = strings.Trim(path, "/")
	return c.DiscardWhere(func(e Entry) bool {
		return path == "" || e.Path == path || strings.HasPrefix(e.Path, path+"/")
	})
}
