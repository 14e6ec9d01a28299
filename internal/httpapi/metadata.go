package httpapi

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/structure"
)

// documentVersion is raised when documents of equal nodes change.
const documentVersion = "1"

// metadata answers GET /metadata/{path}.
func (c *call) metadata() error {
	return c.twice(func() error {
		v, err := c.view()
		if err != nil {
			return err
		}
		n, err := c.lookup()
		if err != nil {
			return err
		}
		version, err := c.shown(n, &v)
		if err != nil {
			return err
		}
		root, _ := c.one("root_path")
		check := c.validateDocument(version, "metadata", v.shape(), root)
		if err := c.freshDocument(check); err != nil {
			return err
		}
		resource, err := c.resource(n, &v, 0)
		if err != nil {
			return err
		}
		meta := map[string]any{}
		if wanted, err := c.truth("root_path"); err != nil {
			return err
		} else if wanted {
			meta["root_path"] = c.RootPath
			if c.RootPath == "" {
				meta["root_path"] = "/"
			}
		}
		return c.document(check, envelope(resource, nil, meta))
	})
}

// shown is the version of everything that a document of n shows: for a
// container also that of the members it counts or holds.
func (c *call) shown(n node, v *view) (adapter.Version, error) {
	if n.desc.Family != structure.FamilyContainer || !v.fields.has("structure") && !v.fields.has("count") {
		return n.version, nil
	}
	q := catalog.Query{}
	if n.desc.Inline {
		q.Limit, q.Describe = inlineMembers, true
	}
	page, err := catalog.Search(c.ctx, n.adapter, q)
	if err != nil {
		return adapter.Version{}, err
	}
	return catalog.Combine(n.version, page.Version), nil
}

// validateDocument is the validator of a document at the request's path.
func (c *call) validateDocument(v adapter.Version, parts ...string) validator {
	mediaType := media.DocumentType(c.r.Header.Get("Accept"))
	parts = append([]string{documentVersion, mediaType, c.base(), strings.Join(c.path, "/")}, parts...)
	return validate(v, parts...)
}

// asked is the query in one form, without the credentials.
func (c *call) asked() string {
	q := maps.Clone(c.query)
	q.Del("api_key")
	return q.Encode()
}

func envelope(data, links any, meta map[string]any) document.Object {
	return document.Object{{Key: "data", Value: data}, {Key: "error", Value: nil}, {Key: "links", Value: links}, {Key: "meta", Value: meta}}
}

// Bounds of a page.
const (
	defaultLimit = 100
	maxLimit     = 300
)

// listing is what search and search-deep are asked.
type listing struct {
	view  view
	query catalog.Query
	// limit is what the client asked for, and what links repeat.
	limit int64
}

func (c *call) listing() (listing, error) {
	var l listing
	var err error
	if l.view, err = c.view(); err != nil {
		return l, err
	}
	if l.query.Filters, err = catalog.ParseFilters(c.query); err != nil {
		return l, err
	}
	if l.query.Sort, err = catalog.ParseSort(c.query); err != nil {
		return l, err
	}
	if l.query.Offset, err = c.number("page[offset]", 0, 0); err != nil {
		return l, err
	}
	if l.query.Limit, err = c.number("page[limit]", defaultLimit, 0); err != nil {
		return l, err
	}
	// A client that slices keys asks for as many as it wants; it gets a
	// page, and a link to the next.
	l.query.Limit = min(l.query.Limit, maxLimit)
	l.limit = l.query.Limit
	if text, ok := c.one("page[cursor]"); ok && text != "" {
		if c.query.Has("page[offset]") {
			return l, invalid("parameters page[offset] and page[cursor]: only one of them can be given")
		}
		cursor, err := c.number("page[cursor]", 0, 0)
		if err != nil {
			return l, err
		}
		l.query.Cursor = &cursor
	}
	if l.view.fields.only("count") {
		l.query.Limit = 0
	}
	l.query.Describe = !l.view.fields.only("") && !l.view.fields.only("count")
	return l, nil
}

// search answers GET /search/{path}.
func (c *call) search() error {
	return c.twice(func() error { return c.searchIn("search", catalog.Search) })
}

func (c *call) searchIn(route string, search searchFunc) error {
	l, err := c.listing()
	if err != nil {
		return err
	}
	n, err := c.lookup()
	if err != nil {
		return err
	}
	if n.desc.Family != structure.FamilyContainer {
		return c.notFamily(n, structure.FamilyContainer)
	}
	page, err := search(c.ctx, n.adapter, l.query)
	if err != nil {
		return err
	}
	check := c.validateDocument(catalog.Combine(n.version, page.Version), route, l.view.shape(), c.asked())
	if err := c.freshDocument(check); err != nil {
		return err
	}
	data := make([]any, 0, len(page.Items))
	for _, item := range page.Items {
		doc, err := c.item(n, item, &l)
		if err != nil {
			return err
		}
		data = append(data, doc)
	}
	return c.document(check, envelope(data, c.pageLinks(route, &l, page.Next), map[string]any{"count": page.Count}))
}

// item is the document of one item of a page; where only keys were asked for
// it has no more than those.
func (c *call) item(n node, item catalog.Item, l *listing) (any, error) {
	path := childPath(n.path, item.Path)
	if !l.query.Describe || item.Description == nil {
		attributes := document.Object{{Key: "ancestors", Value: ancestors(path)}}
		for _, name := range []string{"structure_family", "specs", "metadata", "structure", "sorting", "data_sources"} {
			attributes = append(attributes, document.Pair{Key: name})
		}
		attributes = append(attributes, c.accessTags(node{}, &l.view)...)
		return c.envelope(path, attributes, nil, &l.view), nil
	}
	return c.resource(node{path: path, adapter: item.Adapter, desc: item.Description, version: item.Version}, &l.view, 0)
}

// pageLinks are absolute, and repeat no filters: clients add theirs again.
func (c *call) pageLinks(route string, l *listing, next int64) map[string]any {
	q := &l.query
	at := c.base() + "/" + route + "/" + inLink(c.path) + "?"
	limit := "page[limit]=" + strconv.FormatInt(l.limit, 10)
	doc := map[string]any{"self": at + limit, "first": at + limit, "next": nil}
	switch {
	case q.Cursor != nil:
		doc["self"] = fmt.Sprintf("%spage[cursor]=%d&%s", at, *q.Cursor, limit)
	case q.Offset > 0:
		doc["self"] = fmt.Sprintf("%spage[offset]=%d&%s", at, q.Offset, limit)
	}
	if next >= 0 && q.Limit > 0 {
		doc["next"] = fmt.Sprintf("%spage[cursor]=%d&%s", at, next, limit)
	}
	return doc
}

// revisions answers GET /revisions/{path}: files have no earlier metadata.
func (c *call) revisions() error {
	if _, err := c.lookup(); err != nil {
		return err
	}
	return fmt.Errorf("revisions: nodes that are files keep no earlier metadata: %w", errdef.ErrNotAllowed)
}
