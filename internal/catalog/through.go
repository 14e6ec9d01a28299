package catalog

import (
	"context"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// WrapFunc makes a node that is the same with something added, such as a cache.
// path is where the node hangs. To wrap what it has wrapped changes nothing.
type WrapFunc func(node adapter.Adapter, path ...string) adapter.Adapter

// Through is the tree below node with each node wrapped, however it is come by:
// as somebody's child, or as an item of a search. The node's other abilities are
// found as before.
func Through(node adapter.Adapter, wrap WrapFunc, path ...string) adapter.Adapter {
	if node == nil {
		return nil
	}
	return &through{wrap(node, path...), wrap, path}
}

// through is a node of which it may not yet be known what it can do.
type through struct {
	adapter.Adapter

	wrap WrapFunc
	path []string
}

// Unwrap gives what the node can do now.
func (t *through) Unwrap() adapter.Adapter {
	view := t.Adapter
	if s, ok := adapter.As[Searcher](t.Adapter); ok {
		view = &throughSearcher{view, s, t}
	}
	if c, ok := adapter.As[adapter.Container](t.Adapter); ok {
		view = &throughContainer{c, view, t}
	}
	return view
}

// at wraps a node that lies at path below t.
func (t *through) at(node adapter.Adapter, path ...string) adapter.Adapter {
	return Through(node, t.wrap, slices.Concat(t.path, path)...)
}

type throughContainer struct {
	adapter.Container

	under adapter.Adapter
	of    *through
}

// Unwrap gives the next ability.
func (c *throughContainer) Unwrap() adapter.Adapter { return c.under }

// Child implements [adapter.Container].
func (c *throughContainer) Child(ctx context.Context, key string) (adapter.Adapter, error) {
	child, err := c.Container.Child(ctx, key)
	if err != nil {
		return nil, err
	}
	return c.of.at(child, key), nil
}

// throughSearcher is no adapter of its own: it is found on the way to one.
type throughSearcher struct {
	adapter.Adapter

	searcher Searcher
	of       *through
}

var _ Searcher = (*throughSearcher)(nil)

// Unwrap gives the node.
func (s *throughSearcher) Unwrap() adapter.Adapter { return s.Adapter }

// Search implements [Searcher].
func (s *throughSearcher) Search(ctx context.Context, q Query) (Page, error) {
	page, err := s.searcher.Search(ctx, q)
	page.Items = slices.Clone(page.Items) // they may be remembered
	for i := range page.Items {
		page.Items[i].Adapter = s.of.at(page.Items[i].Adapter, page.Items[i].Path...)
	}
	return page, err
}

// Distinct implements [Searcher].
func (s *throughSearcher) Distinct(ctx context.Context, q DistinctQuery) (Distinct, error) {
	return s.searcher.Distinct(ctx, q)
}
