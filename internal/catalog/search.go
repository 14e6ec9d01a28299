package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Search lists the members of a container: by its own way if it is a
// [Searcher], else by describing as many members as the query needs, in
// parallel. What is no container is errdef.ErrNotFound. Otherwise errors are
// those of [Searcher] and of the container's Describe; a member that cannot be
// read is an item with an Err, not an error.
func Search(ctx context.Context, c adapter.Adapter, q Query) (Page, error) {
	if s, ok := adapter.As[Searcher](c); ok {
		return s.Search(ctx, q)
	}
	items, version, err := members(ctx, c)
	if err != nil {
		return Page{}, err
	}
	if needs(q.Filters, q.Sort) {
		if err := Describe(ctx, items, 0); err != nil {
			return Page{}, err
		}
		for _, item := range items {
			if errors.Is(item.Err, errdef.ErrUnavailable) {
				return Page{}, fmt.Errorf("search: %s: %w", item.Key, item.Err)
			}
		}
	}
	return Paginate(ctx, Select(items, q.Filters, q.Sort), version, q, 0)
}

// FindDistinct says which values occur among the members of a container that
// fulfil the filters. Errors as in [Search].
func FindDistinct(ctx context.Context, c adapter.Adapter, q DistinctQuery) (Distinct, error) {
	if s, ok := adapter.As[Searcher](c); ok {
		return s.Distinct(ctx, q)
	}
	items, version, err := members(ctx, c)
	if err != nil {
		return Distinct{}, err
	}
	if err := Describe(ctx, items, 0); err != nil {
		return Distinct{}, err
	}
	for _, item := range items {
		if errors.Is(item.Err, errdef.ErrUnavailable) {
			return Distinct{}, fmt.Errorf("distinct: %s: %w", item.Key, item.Err)
		}
		version = Combine(version, item.Version)
	}
	return Count(Select(items, q.Filters, nil), version, q), nil
}

// members are all members of a container inside a file, not described.
func members(ctx context.Context, c adapter.Adapter) ([]Item, adapter.Version, error) {
	d, version, err := c.Describe(ctx)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	container, ok := adapter.As[adapter.Container](c)
	if !ok || d.Family != structure.FamilyContainer {
		return nil, adapter.Version{}, fmt.Errorf("the node is no container, it has no members to search: %w", errdef.ErrNotFound)
	}
	items := make([]Item, len(d.Keys))
	for i, key := range d.Keys {
		child, err := container.Child(ctx, key)
		if err != nil {
			return nil, adapter.Version{}, err
		}
		items[i] = Item{Key: key, Path: []string{key}, Adapter: child}
	}
	return items, version, nil
}

func needs(filters []Filter, sorts []Sort) bool {
	for _, f := range filters {
		if f.NeedsDescription() {
			return true
		}
	}
	for _, s := range sorts {
		if s.NeedsDescription() {
			return true
		}
	}
	return false
}

// NeedsDescriptions says whether filters and order of the query ask for more
// than the members' keys.
func (q Query) NeedsDescriptions() bool { return needs(q.Filters, q.Sort) }

// Start is the place of the first item asked for.
func (q Query) Start() int64 {
	if q.Cursor != nil {
		return *q.Cursor
	}
	return q.Offset
}

// Paginate cuts the page that q asks for out of a whole result, and describes
// what is on it if q says so, within limit (0 for none). version is that of
// the listing. Offsets behind the end give an empty page.
func Paginate(ctx context.Context, all []Item, version adapter.Version, q Query, limit time.Duration) (Page, error) {
	return Window(ctx, int64(len(all)), func(i int64) Item { return all[i] }, version, q, limit)
}

// Window is [Paginate] for a result of count items that is not all in memory:
// at makes the one at place i, and is asked for those on the page alone.
func Window(ctx context.Context, count int64, at func(i int64) Item, version adapter.Version, q Query, limit time.Duration) (Page, error) {
	start := min(max(q.Start(), 0), count)
	end := start + min(max(q.Limit, 0), count-start)
	page := Page{Items: make([]Item, 0, end-start), Count: count, Exact: true, Next: -1}
	for i := start; i < end; i++ {
		page.Items = append(page.Items, at(i))
	}
	if end < count && q.Limit > 0 {
		page.Next = end
	}
	if q.Describe {
		if err := Describe(ctx, page.Items, limit); err != nil {
			return Page{}, err
		}
	}
	// What a filter chose depends on more than the listing: the version names
	// what was chosen.
	parts := make([]string, 0, len(page.Items)+1)
	parts = append(parts, strconv.FormatInt(count, 10))
	for _, item := range page.Items {
		parts = append(parts, item.Key)
	}
	page.Version = Combine(version, VersionOf(true, parts...))
	for _, item := range page.Items {
		if item.Description != nil {
			page.Version = Combine(page.Version, item.Version)
		}
	}
	return page, nil
}

// parallel is how many items of a page are described at a time.
const parallel = 16

// Describe fills in the description of each item that has none, in parallel.
// An item that cannot be read, or that is not ready within limit (0 for no
// limit but ctx's), gets a stand-in and its Err. The error is ctx's, when that
// is done.
func Describe(ctx context.Context, items []Item, limit time.Duration) error {
	within := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	work := make(chan *Item)
	var workers sync.WaitGroup
	for range min(parallel, len(items)) {
		workers.Go(func() {
			for item := range work {
				describe(within, item)
			}
		})
	}
	for i := range items {
		if items[i].Description == nil {
			work <- &items[i]
		}
	}
	close(work)
	workers.Wait()
	return ctx.Err()
}

func describe(ctx context.Context, item *Item) {
	d, version, err := item.Adapter.Describe(ctx)
	if err == nil {
		item.Description, item.Version = d, version
		return
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%s: still being looked into, ask again: %w", item.Key, errdef.ErrUnavailable)
	}
	// The version of an error names it, so that a page with it can be
	// validated; the adapter says with it whether it is to be trusted.
	item.Description, item.Version, item.Err = Unreadable(err), failed(version, err), err
}

func failed(version adapter.Version, err error) adapter.Version {
	sum := sha256.Sum256(append(version.ID[:], err.Error()...))
	version.ID = adapter.ID(sum[:16])
	version.Trusted = version.Trusted && !errors.Is(err, errdef.ErrUnavailable)
	return version
}

// Unreadable is the description that stands in a listing for what cannot be
// read: of the family bytes, with the reason in its metadata under "error".
func Unreadable(err error) *adapter.Description {
	return &adapter.Description{
		Family:   structure.FamilyBytes,
		Metadata: map[string]any{"error": err.Error()},
	}
}

// Combine is the version of two things seen together, in their order. It is
// trusted if both are.
func Combine(a, b adapter.Version) adapter.Version {
	var both [32]byte
	copy(both[:16], a.ID[:])
	copy(both[16:], b.ID[:])
	sum := sha256.Sum256(both[:])
	out := adapter.Version{ID: adapter.ID(sum[:16]), Trusted: a.Trusted && b.Trusted, Modified: a.Modified}
	if b.Modified.After(out.Modified) {
		out.Modified = b.Modified
	}
	return out
}

// VersionOf is a version that is always the same, of something with no other
// state than its parts.
func VersionOf(trusted bool, parts ...string) adapter.Version {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(p)))
		_, _ = h.Write(n[:])
		_, _ = h.Write([]byte(p))
	}
	return adapter.Version{ID: adapter.ID(h.Sum(nil)[:16]), Trusted: trusted}
}
