package httpapi

import (
	"context"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/structure"
)

type searchFunc func(ctx context.Context, a adapter.Adapter, q catalog.Query) (catalog.Page, error)

// searchDeep answers GET /search-deep/{path}: members at any depth, children
// behind their parent.
func (c *call) searchDeep() error {
	depth, err := c.number("max_depth", maxSearchDepth, 1)
	if err != nil {
		return err
	}
	if depth > maxSearchDepth {
		return c.parameter("max_depth", "%d is more than %d", depth, maxSearchDepth)
	}
	if len(c.query["sort"]) > 0 {
		return invalid("parameter sort: a deep search has one order, parents before their children")
	}
	c.query.Del("max_depth") // here it bounds the search, not the inlining
	return c.twice(func() error {
		return c.searchIn("search-deep", func(ctx context.Context, a adapter.Adapter, q catalog.Query) (catalog.Page, error) {
			return catalog.SearchDeep(ctx, a, q, int(depth))
		})
	})
}

const (
	maxSearchDepth = 64
	// maxDistinct bounds the keys whose values one request counts: each goes
	// through all members.
	maxDistinct = 100
)

// distinct answers GET /distinct/{path}.
func (c *call) distinct() error {
	return c.twice(func() error {
		q := catalog.DistinctQuery{Metadata: c.query["metadata"]}
		if len(q.Metadata) > maxDistinct {
			return invalid("parameter metadata: %d keys, at most %d are counted at a time", len(q.Metadata), maxDistinct)
		}
		var err error
		if q.Filters, err = catalog.ParseFilters(c.query); err != nil {
			return err
		}
		if q.Families, err = c.truth("structure_families"); err != nil {
			return err
		}
		if q.Specs, err = c.truth("specs"); err != nil {
			return err
		}
		if q.Counts, err = c.truth("counts"); err != nil {
			return err
		}
		n, err := c.lookup()
		if err != nil {
			return err
		}
		if n.desc.Family != structure.FamilyContainer {
			return c.notFamily(n, structure.FamilyContainer)
		}
		found, err := catalog.FindDistinct(c.ctx, n.adapter, q)
		if err != nil {
			return err
		}
		check := c.validateDocument(catalog.Combine(n.version, found.Version), "distinct", c.asked())
		if err := c.freshDocument(check); err != nil {
			return err
		}
		return c.document(check, distinctDocument(&q, &found))
	})
}

func distinctDocument(q *catalog.DistinctQuery, found *catalog.Distinct) document.Object {
	values := func(list []catalog.Value) []any {
		out := make([]any, len(list))
		for i, v := range list {
			entry := document.Object{{Key: "value", Value: v.Value}, {Key: "count", Value: nil}}
			if q.Counts {
				entry[1].Value = v.Count
			}
			out[i] = entry
		}
		return out
	}
	doc := document.Object{{Key: "metadata", Value: nil}, {Key: "structure_families", Value: nil}, {Key: "specs", Value: nil}}
	if len(q.Metadata) > 0 {
		byKey := make(document.Object, 0, len(q.Metadata))
		for _, key := range q.Metadata {
			byKey = append(byKey, document.Pair{Key: key, Value: values(found.Metadata[key])})
		}
		doc[0].Value = byKey
	}
	if q.Families {
		doc[1].Value = values(found.Families)
	}
	if q.Specs {
		doc[2].Value = values(found.Specs)
	}
	return doc
}
