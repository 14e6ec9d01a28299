package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// MaxDepth is the deepest that [SearchDeep] goes.
const MaxDepth = 64

// maxVisited bounds the nodes that one deep search looks at.
const maxVisited = 100_000

// SearchDeep lists the descendants of a container that fulfil the filters, a
// member before its own members, each container in its own order. depth is how
// many levels it goes down, 1 for the members alone, at most [MaxDepth]. Items
// carry their whole Path, and are described.
//
// An order is errdef.ErrInvalid, as is a depth out of range. A tree too large
// to be looked at whole gives a page whose count is a lower bound.
func SearchDeep(ctx context.Context, c adapter.Adapter, q Query, depth int) (Page, error) {
	if len(q.Sort) > 0 {
		return Page{}, fmt.Errorf("sort: a deep search has no other order than the tree's: %w", errdef.ErrInvalid)
	}
	if depth < 1 || depth > MaxDepth {
		return Page{}, fmt.Errorf("max_depth: %d, expected 1 to %d: %w", depth, MaxDepth, errdef.ErrInvalid)
	}
	w := walk{query: q, page: Page{Exact: true, Next: -1, Version: VersionOf(true, "deep")}}
	if _, err := w.enter(ctx, c, nil, depth); err != nil {
		return Page{}, err
	}
	start := q.Start()
	if shown := start + int64(len(w.page.Items)); q.Limit > 0 && shown < w.page.Count {
		w.page.Next = shown
	}
	return w.page, nil
}

// walk is the state of one deep search.
type walk struct {
	query   Query
	page    Page
	visited int
}

// batch is how many members are described at a time.
const batch = 200

// enter goes through the members of c; more is false when it gave up.
func (w *walk) enter(ctx context.Context, c adapter.Adapter, above []string, depth int) (more bool, err error) {
	q := Query{Limit: batch, Describe: true}
	for {
		page, err := Search(ctx, c, q)
		if err != nil {
			return false, err
		}
		w.page.Version = Combine(w.page.Version, page.Version)
		for _, item := range page.Items {
			if more, err := w.visit(ctx, item, above, depth); err != nil || !more {
				return false, err
			}
		}
		if page.Next < 0 {
			return true, nil
		}
		q.Offset = page.Next
	}
}

func (w *walk) visit(ctx context.Context, item Item, above []string, depth int) (more bool, err error) {
	if w.visited++; w.visited > maxVisited {
		w.page.Exact = false
		return false, nil
	}
	if errors.Is(item.Err, errdef.ErrUnavailable) && needs(w.query.Filters, nil) {
		return false, item.Err // an answer is complete or is none
	}
	item.Path = append(slices.Clone(above), item.Key)
	if fulfils(Candidate{item.Key, item.Description}, w.query.Filters) {
		at := w.page.Count
		w.page.Count++
		if start := w.query.Start(); at >= start && int64(len(w.page.Items)) < w.query.Limit {
			w.page.Items = append(w.page.Items, item)
		}
	}
	if depth <= 1 || item.Err != nil || item.Description.Family != structure.FamilyContainer {
		return true, nil
	}
	return w.enter(ctx, item.Adapter, item.Path, depth-1)
}
