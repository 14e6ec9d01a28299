package dirtree

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/structure"
)

// folder is a container of what lies in a folder.
type folder struct {
	tree *Tree
	at   string
}

var (
	_ adapter.Container = (*folder)(nil)
	_ catalog.Searcher  = (*folder)(nil)
)

// Describe implements [adapter.Adapter]. It costs one stat; the members are
// not in it, since there may be very many.
func (f *folder) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	stamp, mode, err := f.tree.wall.Stat(ctx, f.at)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	if !mode.IsDir() {
		return nil, adapter.Version{}, fmt.Errorf("%s: is no folder any more: %w", f.at, errdef.ErrNotFound)
	}
	d := &adapter.Description{Family: structure.FamilyContainer, Metadata: map[string]any{}}
	return d, f.tree.version(f.at, stamp, f.tree.wall.Trusted(f.at, stamp)), nil
}

// Child implements [adapter.Container]. A link is followed to see what it is.
func (f *folder) Child(ctx context.Context, key string) (adapter.Adapter, error) {
	l, current, err := f.tree.list(ctx, f.at)
	if err != nil {
		return nil, err
	}
	it := l.byKey[key]
	if it == nil {
		it = l.byKey[text(key)] // the key's own %XX were taken for those of the address
	}
	if it == nil && !current {
		it = f.direct(ctx, key)
	}
	if it == nil {
		return nil, fmt.Errorf("no such node: %w", errdef.ErrNotFound)
	}
	node := f.tree.node(f.at, it)
	if l, ok := node.(*link); ok {
		return l.follow(ctx)
	}
	return node, nil
}

// direct looks for a key that a listing lacks which may be a moment old: a
// file of that name, or of that name and a suffix that a format reads.
func (f *folder) direct(ctx context.Context, key string) *item {
	if key == "" || strings.HasPrefix(key, ".") || strings.ContainsAny(key, "/\x00") {
		return nil
	}
	r := f.tree.rules
	try := func(name string) *item {
		_, mode, err := f.tree.wall.Stat(ctx, path.Join(f.at, name))
		if err != nil || r.key(name) != key && name != key || !r.shown(name, kindOf(mode)) {
			return nil
		}
		if _, _, numbered := r.sequence(name); numbered {
			return nil // its fellows would be missing
		}
		return &item{key: key, group: name, names: []string{name}, what: kindOf(mode)}
	}
	if it := try(key); it != nil {
		return it
	}
	for _, table := range []map[string]adapter.Format{r.files, r.folders} {
		for _, ext := range slices.Sorted(maps.Keys(table)) {
			if it := try(key + ext); it != nil {
				return it
			}
		}
	}
	return nil
}

// Search implements [catalog.Searcher].
func (f *folder) Search(ctx context.Context, q catalog.Query) (catalog.Page, error) {
	l, current, err := f.tree.list(ctx, f.at)
	if err != nil {
		return catalog.Page{}, err
	}
	version := f.tree.version(f.at, l.stamp, l.settled && current)
	keys, few := catalog.Keys(q.Filters)
	if few {
		items := f.named(ctx, l, current, keys)
		if q.NeedsDescriptions() {
			if err := f.ready(ctx, items); err != nil {
				return catalog.Page{}, err
			}
		}
		return catalog.Paginate(ctx, catalog.Select(items, q.Filters, q.Sort), version, q, f.tree.opts.PageTime)
	}
	if !q.NeedsDescriptions() {
		return f.page(ctx, l, version, q)
	}
	return f.found(ctx, q)
}

// maxSearches is how often a search is made while what it finds changes.
const maxSearches = 3

// found answers a query by metadata from the index. An item on the page is
// described anew, and may have changed since it was looked at: then it has to
// fulfil the filters still. What keeps changing is shown as it is, and by no
// cache again.
func (f *folder) found(ctx context.Context, q catalog.Query) (catalog.Page, error) {
	for try := 1; ; try++ {
		x, err := f.indexed(ctx)
		if err != nil {
			return catalog.Page{}, err
		}
		version := f.tree.version(f.at, x.l.stamp, x.l.settled && x.current)
		chosen := catalog.Choose(len(x.known), x.candidate, q.Filters, q.Sort)
		page, err := catalog.Window(ctx, int64(len(chosen)), func(i int64) catalog.Item {
			return f.item(x.l.items[chosen[i]])
		}, version, q, f.tree.opts.PageTime)
		if err != nil || !q.Describe || x.stillFound(page.Items, chosen[min(max(q.Start(), 0), int64(len(chosen))):], q.Filters) {
			return page, err
		}
		if try == maxSearches {
			page.Version.Trusted = false
			return page, nil
		}
	}
}

// stillFound says whether the items, described now, are what was found at the
// places, or would be found too.
func (x *index) stillFound(items []catalog.Item, places []int, filters []catalog.Filter) bool {
	for i, it := range items {
		if it.Version.ID != x.known[places[i]].id && !errors.Is(it.Err, errdef.ErrUnavailable) && len(catalog.Select(items[i:i+1], filters, nil)) == 0 {
			return false
		}
	}
	return true
}

// named are the members with the keys, in the folder's order.
func (f *folder) named(ctx context.Context, l *listing, current bool, keys []string) []catalog.Item {
	found := &listing{byKey: make(map[string]*item)}
	for _, key := range keys {
		it := l.byKey[key]
		if it == nil && !current {
			it = f.direct(ctx, key)
		}
		if it != nil {
			found.byKey[key] = it
		}
	}
	found.inOrder(&listing{})
	return f.all(found)
}

func (f *folder) all(l *listing) []catalog.Item {
	items := make([]catalog.Item, len(l.items))
	for i, it := range l.items {
		items[i] = f.item(it)
	}
	return items
}

func (f *folder) item(it *item) catalog.Item {
	return catalog.Item{Key: it.key, Path: []string{it.key}, Adapter: f.tree.node(f.at, it)}
}

// page cuts a page out of the listing without touching anything that is not
// on it. The first criterion of an order by keys decides it all.
func (f *folder) page(ctx context.Context, l *listing, version adapter.Version, q catalog.Query) (catalog.Page, error) {
	ordered, backwards := l.items, false
	if len(q.Sort) > 0 {
		backwards = q.Sort[0].Descending
		if q.Sort[0].Key == "id" {
			ordered = l.byID()
		}
	}
	return catalog.Window(ctx, int64(len(ordered)), func(i int64) catalog.Item {
		if backwards {
			i = int64(len(ordered)) - 1 - i
		}
		return f.item(ordered[i])
	}, version, q, f.tree.opts.PageTime)
}

// Distinct implements [catalog.Searcher].
func (f *folder) Distinct(ctx context.Context, q catalog.DistinctQuery) (catalog.Distinct, error) {
	x, err := f.indexed(ctx)
	if err != nil {
		return catalog.Distinct{}, err
	}
	items := x.items()
	version := f.tree.version(f.at, x.l.stamp, x.l.settled && x.current)
	for i := range items {
		version = catalog.Combine(version, items[i].Version)
	}
	return catalog.Count(catalog.Select(items, q.Filters, nil), version, q), nil
}
