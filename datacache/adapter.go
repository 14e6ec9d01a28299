package datacache

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// Wrap returns an adapter that is the same, only faster: blocks of arrays and
// columns of tables come from the cache where it has them, and so it is for the
// members of containers. All other abilities of a are found by [adapter.As] as
// before. path is where a hangs in the tree, for listing and discarding. With a
// cache that is off, and where a was wrapped already, Wrap returns a itself.
//
// What is read keeps the errors and contracts of a, with one addition: the Cost
// of what was not loaded for this very read is zero.
func (c *Cache) Wrap(a adapter.Adapter, path ...string) adapter.Adapter {
	if w, ok := a.(*wrapped); c.Off() || a == nil || ok && w.cache == c {
		return a
	}
	return &wrapped{a, c, strings.Join(path, "/")}
}

// wrapped is an adapter of which it may not yet be known what it can do.
type wrapped struct {
	adapter.Adapter

	cache *Cache
	path  string
}

// Unwrap gives what a can do now, the cached abilities outermost.
func (w *wrapped) Unwrap() adapter.Adapter {
	view := w.Adapter
	if x, ok := adapter.As[adapter.Container](w.Adapter); ok {
		view = &container{x, layer{view, w.cache, w.path}}
	}
	if x, ok := adapter.As[adapter.Table](w.Adapter); ok {
		view = &table{x, layer{view, w.cache, w.path}}
	}
	if x, ok := adapter.As[adapter.Array](w.Adapter); ok {
		view = &array{x, layer{view, w.cache, w.path}}
	}
	return view
}

// layer is what the cached abilities have in common.
type layer struct {
	under adapter.Adapter
	cache *Cache
	path  string
}

// Unwrap gives the next ability, or the adapter itself.
func (l *layer) Unwrap() adapter.Adapter { return l.under }

type container struct {
	adapter.Container
	layer
}

// Child implements [adapter.Container].
func (c *container) Child(ctx context.Context, key string) (adapter.Adapter, error) {
	child, err := c.Container.Child(ctx, key)
	if err != nil {
		return nil, err
	}
	return c.cache.Wrap(child, strings.TrimPrefix(c.path+"/"+key, "/")), nil
}

type array struct {
	adapter.Array
	layer
}

// ReadBlock implements [adapter.Array].
func (a *array) ReadBlock(ctx context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	id := a.identify(ctx, v, block)
	if id.ID == (adapter.ID{}) { // it has no name, so it has no key
		return a.Array.ReadBlock(ctx, v, block)
	}
	a.cache.ahead.follow(ctx, a, block)
	k := key{id.ID, wholeBlock}
	value, ok := a.cache.held(ctx, k, a.path, id.Trusted)
	if ok {
		return shared(value), nil
	}
	block = slices.Clone(block) // the load may outlive this call
	value, mine, err := a.cache.fetch(ctx, k, a.path, id.Trusted, func(ctx context.Context) (loaded, error) {
		return a.load(ctx, v, block)
	})
	switch {
	case err != nil:
		return adapter.Block{}, err
	case mine:
		return value.(adapter.Block), nil
	}
	return shared(value), nil
}

// identify names the state of a block, by a look into the files if the source
// knows more that way.
func (a *array) identify(ctx context.Context, v adapter.Version, block []int64) adapter.BlockID {
	if x, ok := a.Array.(adapter.Identifier); ok {
		return x.IdentifyBlock(ctx, v, block)
	}
	return a.BlockID(v, block)
}

// shared is a block that cost this reader nothing.
func shared(value any) adapter.Block {
	b, _ := value.(adapter.Block)
	b.Cost = adapter.Cost{}
	return b
}

func (a *array) load(ctx context.Context, v adapter.Version, block []int64) (loaded, error) {
	began := time.Now()
	b, err := a.Array.ReadBlock(ctx, v, block)
	if err != nil {
		return loaded{}, err
	}
	return loaded{b, int64(cap(b.Data)), measured(b.Cost, began)}, nil
}

// measured is the cost as the adapter says, or by the clock if it says nothing.
func measured(c adapter.Cost, began time.Time) time.Duration {
	if cost := c.Wait + c.CPU; cost > 0 {
		return cost
	}
	return time.Since(began)
}

type table struct {
	adapter.Table
	layer
}

// ReadColumns implements [adapter.Table]. Only the columns that are lacking are
// read, in one call.
func (t *table) ReadColumns(ctx context.Context, v adapter.Version, partition int, columns []int) (adapter.Columns, error) {
	id := t.PartitionID(v, partition)
	if id.ID == (adapter.ID{}) || len(columns) == 0 {
		return t.Table.ReadColumns(ctx, v, partition, columns)
	}
	if !id.Trusted {
		return t.readRacy(ctx, v, partition, id.ID, columns)
	}
	have := make(map[int]arrow.Array, len(columns))
	var lacking []int
	for _, column := range columns {
		if _, ok := have[column]; ok {
			continue
		}
		value, ok := t.cache.held(ctx, key{id.ID, int32(column)}, t.path, true)
		if have[column], _ = value.(arrow.Array); !ok {
			lacking = append(lacking, column)
		}
	}
	cost, err := t.fetch(ctx, v, partition, id.ID, lacking, have)
	if err != nil {
		return adapter.Columns{}, err
	}
	out := adapter.Columns{Arrays: make([]arrow.Array, len(columns)), Rows: int64(have[columns[0]].Len()), Cost: cost}
	for i, column := range columns {
		out.Arrays[i] = have[column]
	}
	return out, nil
}

// readRacy reads all columns anew, with whoever asks for the same ones.
func (t *table) readRacy(ctx context.Context, v adapter.Version, partition int, id adapter.ID, columns []int) (adapter.Columns, error) {
	columns = slices.Clone(columns)
	k := key{derived(id, columns), allColumns}
	value, mine, err := t.cache.fetch(ctx, k, t.path, false, func(ctx context.Context) (loaded, error) {
		got, err := t.Table.ReadColumns(ctx, v, partition, columns)
		return loaded{value: got, cost: got.Cost.Wait + got.Cost.CPU}, err
	})
	if err != nil {
		return adapter.Columns{}, err
	}
	got, _ := value.(adapter.Columns)
	if !mine {
		got.Cost = adapter.Cost{}
	}
	return got, nil
}
