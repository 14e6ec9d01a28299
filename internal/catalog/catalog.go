// Package catalog is the vocabulary of trees: finding a node by its path,
// listing a container, and the queries, orders and counts of a listing.
//
// A tree is its root, an adapter.Container. Everything here works on any
// container; one that knows a better way (an index, a database) says so by
// being a [Searcher]. Nothing here does I/O of its own.
package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// ColumnFunc makes a node of one column of a table. A column that is not there
// is errdef.ErrNotFound.
type ColumnFunc func(ctx context.Context, table adapter.Table, key string) (adapter.Adapter, error)

// Lookup walks from root to the node at path, member by member; an empty path
// is root itself. A table's members are its columns, by way of column, which
// may be nil. The node itself is not looked into, the ones above it are as far
// as their kind of container needs.
//
// A step that leads nowhere is errdef.ErrNotFound, naming the path so far.
// Errors of the containers on the way are passed on.
func Lookup(ctx context.Context, root adapter.Adapter, path []string, column ColumnFunc) (adapter.Adapter, error) {
	node := root
	for i, key := range path {
		next, err := step(ctx, node, key, column)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(path[:i+1], "/"), err)
		}
		node = next
	}
	return node, nil
}

func step(ctx context.Context, node adapter.Adapter, key string, column ColumnFunc) (adapter.Adapter, error) {
	if c, ok := adapter.As[adapter.Container](node); ok {
		return c.Child(ctx, key)
	}
	// What a file holds is known once it was described.
	if _, _, err := node.Describe(ctx); err != nil {
		return nil, err
	}
	if c, ok := adapter.As[adapter.Container](node); ok {
		return c.Child(ctx, key)
	}
	if t, ok := adapter.As[adapter.Table](node); ok && column != nil {
		return column(ctx, t, key)
	}
	return nil, fmt.Errorf("no such node: %w", errdef.ErrNotFound)
}
