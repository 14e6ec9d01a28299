// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strconv"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Container is a node with members.
type Container struct{ *Node }

// Get asks for a member by its key.
func (c *Container) Get(ctx context.Context, key string) (*Node, error) {
	return c.client.OpenPath(ctx, below(c.Path, key))
}

func below(path []string, keys ...string) []string {
	out := make([]string, 0, len(path)+len(keys))
	return append(append(out, path...), keys...)
}

// Members are all members in the container's order.
func (c *Container) Members() *Listing { return &Listing{container: c} }

// Search are the members that fulfil all of the queries.
func (c *Container) Search(queries ...Query) *Listing { return c.Members().Where(queries...) }

// Listing is a search and an order. It asks nothing until it is gone through, is
// immutable and may be used again.
type Listing struct {
	container *Container
	queries   []Query
	sort      []string
	deep      int
}

// Where narrows the listing to what fulfils these queries too.
func (l *Listing) Where(queries ...Query) *Listing {
	out := *l
	out.queries = append(append([]Query{}, l.queries...), queries...)
	return &out
}

// Sort orders the listing by metadata keys with dots ("start.time"), by "id", or, with
// "" alone, by the container's own order; the most significant first, a minus before a
// key for descending.
func (l *Listing) Sort(keys ...string) *Listing {
	out := *l
	out.sort = keys
	if len(keys) == 1 && keys[0] == "" {
		out.sort = nil
	}
	return &out
}

// Deep lists what lies up to depth levels below, not the members alone; the server
// needs to know how (0.2.20 or later). Such a listing has no order of one's own.
func (l *Listing) Deep(depth int) *Listing {
	out := *l
	out.deep = depth
	return &out
}

func (l *Listing) address() string {
	if l.deep > 0 {
		return l.container.client.at("search-deep", l.container.Path)
	}
	return l.container.client.at("search", l.container.Path)
}

// params are the parameters of a page.
func (l *Listing) params(fields ...string) (url.Values, error) {
	params := url.Values{}
	for _, q := range l.queries {
		if q.err != nil {
			return nil, q.err
		}
		for _, f := range q.fields {
			params.Add("filter["+q.kind+"][condition]["+f[0]+"]", f[1])
		}
	}
	if len(l.sort) > 0 {
		params["sort"] = l.sort
	}
	if l.deep > 0 {
		params.Set("max_depth", strconv.Itoa(l.deep))
	}
	if len(fields) > 0 {
		params["fields"] = fields
	}
	return params, nil
}

// Count is how many there are.
func (l *Listing) Count(ctx context.Context) (int64, error) {
	params, err := l.params("count")
	if err != nil {
		return 0, err
	}
	page, err := l.ask(ctx, params)
	if err != nil {
		return 0, err
	}
	count, ok := object(page["meta"])["count"].(int64)
	if !ok {
		return 0, unprocessable("%s: the listing has no count", l.container)
	}
	return count, nil
}

func (l *Listing) ask(ctx context.Context, params url.Values) (map[string]any, error) {
	doc, err := l.container.client.document(ctx, l.address(), params)
	return object(doc), err
}

// Page returns up to limit members from offset on (at most 300 are given at once).
func (l *Listing) Page(ctx context.Context, offset, limit int64) ([]*Node, error) {
	params, err := l.params()
	if err != nil {
		return nil, err
	}
	params.Set("page[offset]", strconv.FormatInt(offset, 10))
	params.Set("page[limit]", strconv.FormatInt(min(limit, maxPage), 10))
	page, err := l.ask(ctx, params)
	if err != nil {
		return nil, err
	}
	return l.nodes(page)
}

// maxPage is the most that servers give at once.
const maxPage = 300

// All goes through the listing, asking for pages as it needs them, and ends after an
// error.
func (l *Listing) All(ctx context.Context) iter.Seq2[*Node, error] { return l.pages(ctx) }

// Keys goes through the keys alone, which servers know without looking into anything.
func (l *Listing) Keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for n, err := range l.pages(ctx, "") {
			if err != nil {
				yield("", err)
				return
			}
			if !yield(n.Key(), nil) {
				return
			}
		}
	}
}

func (l *Listing) pages(ctx context.Context, fields ...string) iter.Seq2[*Node, error] {
	return func(yield func(*Node, error) bool) {
		where := url.Values{"page[limit]": {strconv.Itoa(maxPage)}}
		for {
			params, err := l.params(fields...)
			if err != nil {
				yield(nil, err)
				return
			}
			for name, values := range where {
				params[name] = values
			}
			page, err := l.ask(ctx, params)
			if err != nil {
				yield(nil, err)
				return
			}
			nodes, err := l.nodes(page)
			for _, n := range nodes {
				if !yield(n, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			next, more := nextPage(page, where)
			if !more {
				return
			}
			where = next
		}
	}
}

// nextPage reads from the link to the next page where that begins; the rest of the link
// is not followed. A link to the same page again is none: it would never end.
func nextPage(page map[string]any, where url.Values) (url.Values, bool) {
	link, err := url.Parse(text(object(page["links"])["next"]))
	if err != nil || link.RawQuery == "" {
		return nil, false
	}
	next := url.Values{}
	for name, values := range link.Query() {
		if name == "page[cursor]" || name == "page[offset]" || name == "page[limit]" {
			next[name] = values
		}
	}
	return next, next.Encode() != where.Encode()
}

// nodes makes nodes of the documents on a page. One that cannot be read ends it.
func (l *Listing) nodes(page map[string]any) ([]*Node, error) {
	items := list(page["data"])
	out := make([]*Node, 0, len(items))
	for _, item := range items {
		doc := object(item)
		path := below(l.container.Path, text(doc["id"]))
		if ancestors := list(object(doc["attributes"])["ancestors"]); l.deep > 0 && ancestors != nil {
			path = below(texts(ancestors), text(doc["id"]))
		}
		n, err := l.container.client.node(path, doc)
		if err != nil {
			return out, err
		}
		out = append(out, n)
	}
	return out, nil
}

// Distinct says which values occur under metadata keys with dots among what is listed,
// and how often.
func (l *Listing) Distinct(ctx context.Context, keys ...string) (map[string][]Value, error) {
	params, err := l.params()
	if err != nil {
		return nil, err
	}
	if l.deep > 0 {
		return nil, fmt.Errorf("distinct values of a deep listing: %w", errdef.ErrInvalid)
	}
	params["metadata"] = keys
	params.Set("counts", "true")
	doc, err := l.container.client.document(ctx, l.container.client.at("distinct", l.container.Path), params)
	if err != nil {
		return nil, err
	}
	out := map[string][]Value{}
	for key, values := range object(object(doc)["metadata"]) {
		for _, v := range list(values) {
			value := Value{Value: object(v)["value"]}
			value.Count, _ = object(v)["count"].(int64)
			out[key] = append(out[key], value)
		}
	}
	return out, nil
}

// Value is a value that occurs among metadata, and how often.
type Value struct {
	Value any
	Count int64
}
