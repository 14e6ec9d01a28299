package httpapi

import (
	"fmt"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/structure"
)

// node is a node that was looked up and described.
type node struct {
	path    []string
	adapter adapter.Adapter
	desc    *adapter.Description
	version adapter.Version
}

// lookup finds the node at the request's path.
func (c *call) lookup() (node, error) {
	a, err := catalog.Lookup(c.ctx, c.Root, c.path, c.Column)
	if err != nil {
		return node{}, err
	}
	return c.describe(c.path, a)
}

func (c *call) describe(path []string, a adapter.Adapter) (node, error) {
	d, v, err := a.Describe(c.ctx)
	if err != nil {
		return node{}, err
	}
	c.seen.note(func(s *Seen) { s.Family = string(d.Family) })
	return node{path: path, adapter: a, desc: d, version: v}, nil
}

// notFamily says that a route is for other nodes than this one.
func (c *call) notFamily(n node, want ...structure.Family) error {
	names := make([]string, len(want))
	for i, f := range want {
		names[i] = string(f)
	}
	return fmt.Errorf("the node at /%s is of structure family %q; this endpoint is for %s: %w",
		strings.Join(n.path, "/"), n.desc.Family, strings.Join(names, " or "), errdef.ErrNotFound)
}

// resource makes the document of one node as it stands in answers.
func (c *call) resource(n node, v *view, depth int) (document.Object, error) {
	attributes, err := c.attributes(n, v, depth)
	if err != nil {
		return nil, err
	}
	return c.envelope(n.path, attributes, n.desc, v), nil
}

// envelope puts attributes into a resource document; d is nil where only keys
// were asked for.
func (c *call) envelope(path []string, attributes document.Object, d *adapter.Description, v *view) document.Object {
	id := ""
	if len(path) > 0 {
		id = path[len(path)-1]
	}
	var linked any // null where links are not wanted
	if !v.omitLinks {
		base, at := c.base(), inLink(path)
		if d == nil {
			linked = map[string]any{"self": base + "/metadata/" + at}
		} else {
			ndim := 0
			if d.Array != nil {
				ndim = len(d.Array.Shape)
			}
			linked = links(base, at, d.Family, ndim)
		}
	}
	return document.Object{{Key: "id", Value: id}, {Key: "attributes", Value: attributes}, {Key: "links", Value: linked}, {Key: "meta", Value: nil}}
}

// attributes are the parts of a node that the view asks for; all keys are
// there, null where a part was not asked for.
func (c *call) attributes(n node, v *view, depth int) (document.Object, error) {
	d := n.desc
	var family, specs, metadata, form, sorting, sources any
	if v.fields.has("structure_family") || d.Family == structure.FamilyContainer {
		family = string(d.Family)
	}
	if v.fields.has("specs") {
		list := make([]any, len(d.Specs))
		for i, s := range d.Specs {
			list[i] = s.Document()
		}
		specs = list
	}
	if v.fields.has("metadata") {
		picked, err := v.selectMeta.of(d.Metadata)
		if err != nil {
			return nil, err
		}
		if picked == nil {
			picked = map[string]any{}
		}
		metadata = picked
	}
	form, err := c.structureOf(n, v, depth)
	if err != nil {
		return nil, err
	}
	if v.fields.has("sorting") && d.Family == structure.FamilyContainer {
		sorting = []any{map[string]any{"key": ownOrder(n), "direction": int64(1)}}
	}
	if v.dataSources {
		if sources, err = c.dataSources(n, v); err != nil {
			return nil, err
		}
	}
	out := document.Object{
		{Key: "ancestors", Value: ancestors(n.path)},
		{Key: "structure_family", Value: family},
		{Key: "specs", Value: specs},
		{Key: "metadata", Value: metadata},
		{Key: "structure", Value: form},
		{Key: "sorting", Value: sorting},
		{Key: "data_sources", Value: sources},
	}
	return append(out, c.accessTags(n, v)...), nil
}

// member tells whether the node lies inside a file.
func (n node) member() bool {
	m, ok := adapter.As[interface{ Member() bool }](n.adapter)
	return ok && m.Member()
}

// ownOrder is the key by which clients name a container's own order: "_" for
// one within a file, which is as it is, "" for one that can be listed both ways.
func ownOrder(n node) string {
	if _, ok := adapter.As[catalog.Searcher](n.adapter); ok {
		return ""
	}
	return "_"
}

func ancestors(path []string) []any {
	out := make([]any, 0, len(path))
	for i := 0; i+1 < len(path); i++ {
		out = append(out, path[i])
	}
	return out
}

// accessTags is the part that clients before 0.2.19 know by another name.
// Nodes inside files have none at all.
func (c *call) accessTags(n node, v *view) document.Object {
	asked := v.fields.has("access_tags") && !n.member()
	switch {
	case v.oldTags && asked:
		return document.Object{{Key: "access_blob", Value: map[string]any{"tags": []any{}}}}
	case v.oldTags:
		return document.Object{{Key: "access_blob", Value: nil}}
	case asked:
		return document.Object{{Key: "access_tags", Value: []any{}}}
	}
	return document.Object{{Key: "access_tags", Value: nil}}
}

func (c *call) structureOf(n node, v *view, depth int) (any, error) {
	d := n.desc
	if d.Family == structure.FamilyContainer {
		if !v.fields.has("structure") && !v.fields.has("count") {
			return nil, nil //nolint:nilnil // null on the wire
		}
		return c.containerStructure(n, v, depth)
	}
	if !v.fields.has("structure") {
		return nil, nil //nolint:nilnil // null on the wire
	}
	switch {
	case d.Array != nil:
		return d.Array.Document(), nil
	case d.Table != nil:
		return d.Table.Document(), nil
	}
	return map[string]any{}, nil
}

// inlineMembers bounds how many members a container is sent with.
const inlineMembers = 500

// containerStructure counts a container's members, and shows them if the
// container wants that and they are few.
func (c *call) containerStructure(n node, v *view, depth int) (any, error) {
	q := catalog.Query{}
	inline := n.desc.Inline && depth < v.maxDepth && len(n.desc.Keys) <= inlineMembers
	if inline {
		q.Limit, q.Describe = inlineMembers, true
	}
	page, err := catalog.Search(c.ctx, n.adapter, q)
	if err != nil {
		return nil, err
	}
	form := document.Object{{Key: "contents", Value: nil}, {Key: "count", Value: page.Count}}
	if !inline {
		return form, nil
	}
	contents := make(document.Object, 0, len(page.Items))
	for _, item := range page.Items {
		var member any // null for a broken link
		if item.Err == nil {
			m := node{path: childPath(n.path, item.Path), adapter: item.Adapter, desc: item.Description, version: item.Version}
			if member, err = c.resource(m, v, depth+1); err != nil {
				return nil, err
			}
		}
		contents = append(contents, document.Pair{Key: item.Key, Value: member})
	}
	form[0].Value = contents
	return form, nil
}

func childPath(parent, below []string) []string {
	path := make([]string, 0, len(parent)+len(below))
	return append(append(path, parent...), below...)
}

// dataSources shows the files behind a node, as Tiled does.
func (c *call) dataSources(n node, v *view) (any, error) {
	if n.member() {
		return nil, nil //nolint:nilnil // null on the wire
	}
	holder, ok := adapter.As[adapter.AssetHolder](n.adapter)
	if !ok {
		return []any{}, nil
	}
	assets, err := holder.Assets(c.ctx)
	if err != nil || len(assets) == 0 {
		return []any{}, err
	}
	list := make([]any, len(assets))
	for i, a := range assets {
		asset := map[string]any{
			"data_uri": a.URI, "is_directory": a.Directory, "parameter": a.Parameter, "num": nil, "id": int64(i + 1),
		}
		if a.Num >= 0 {
			asset["num"] = int64(a.Num)
		}
		if !v.noSize {
			asset["size"] = nil
			if a.Size >= 0 {
				asset["size"] = a.Size
			}
		}
		list[i] = asset
	}
	form, err := c.sourceStructure(n)
	if err != nil {
		return nil, err
	}
	source := map[string]any{
		"id": int64(1), "structure_family": string(n.desc.Family), "structure": form, "mimetype": n.desc.MediaType,
		"parameters": map[string]any{}, "assets": list, "management": "external",
	}
	if !v.noProps {
		source["properties"] = map[string]any{}
	}
	return []any{source}, nil
}

// sourceStructure is the structure as a data source shows it: that of a
// container names its members.
func (c *call) sourceStructure(n node) (any, error) {
	if n.desc.Family == structure.FamilyContainer {
		return map[string]any{"keys": n.desc.Keys}, nil
	}
	return c.structureOf(n, &view{fields: fieldSet{"structure"}}, inlineDepth)
}
