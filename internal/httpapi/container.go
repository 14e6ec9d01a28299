package httpapi

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// maxExport bounds the nodes of one exported container: all their
// descriptions are held while it is written.
const maxExport = 10000

// containerFull answers GET and POST /container/full/{path}.
func (c *call) containerFull() error {
	fields, err := c.names("field")
	if err != nil {
		return err
	}
	return c.twice(func() error {
		n, err := c.lookup()
		if err != nil {
			return err
		}
		if n.desc.Family != structure.FamilyContainer {
			return c.notFamily(n, structure.FamilyContainer)
		}
		return c.sendContainer(n, fields)
	})
}

// nodeFull answers the deprecated GET and POST /node/full/{path}: a table or a
// container as a whole.
func (c *call) nodeFull() error {
	n, err := c.lookup()
	if err != nil {
		return err
	}
	switch n.desc.Family {
	case structure.FamilyTable:
		return c.tableOf([]string{"field"}, false)
	case structure.FamilyContainer:
		return c.containerFull()
	default:
		return c.notFamily(n, structure.FamilyTable, structure.FamilyContainer)
	}
}

func (c *call) sendContainer(n node, fields []string) error {
	format, _ := c.one("format")
	choice, err := c.Media.Negotiate(structure.FamilyContainer, n.desc.Specs, format, c.accept())
	if err != nil {
		return err
	}
	data := media.TakesData(choice.Encoder)
	if choice.Key == media.SpecDataset && !data {
		return c.sendDataset(n, fields, choice)
	}
	tree, version, err := c.collect(n, fields, data)
	if err != nil {
		return err
	}
	payload := media.Payload{Params: choice.Params, Container: tree}
	planned, err := choice.Encoder.Plan(payload)
	if err != nil {
		return err
	}
	chosen, err := c.negotiateCoding(choice.MediaType, planned)
	if err != nil {
		return err
	}
	check := validate(version, "container", strings.Join(n.path, "/"), fmt.Sprintf("%q", fields), choice.ContentType, strconv.Itoa(choice.Encoder.Version()))
	if err := c.notModified(check, chosen.Tag(), c.accepts); err != nil {
		return err
	}
	return c.send(check, body{
		contentType: choice.ContentType, size: planned, typeSize: 1, coding: chosen,
		encode: func(ctx context.Context, w io.Writer) error { return choice.Encoder.Encode(ctx, w, payload) },
	})
}

// collect gathers the descriptions of everything below a container, and their
// version. fields, if any, name the members that are wanted. With data, the
// arrays are there too, pinned and not yet read, and tables have their columns.
func (c *call) collect(n node, fields []string, data bool) (*media.Container, adapter.Version, error) {
	all := &collection{call: c, left: maxExport, data: data}
	tree, version, err := all.below(n, 0)
	if err != nil || len(fields) == 0 {
		return tree, version, err
	}
	missing := make(map[string]bool, len(fields))
	for _, f := range fields {
		missing[f] = true
	}
	wanted := maps.Clone(missing)
	var kept []media.Member
	for m, err := range tree.Members {
		if err != nil {
			return nil, version, err
		}
		if wanted[m.Key] {
			kept = append(kept, m)
			delete(missing, m.Key)
		}
	}
	for _, f := range fields {
		if missing[f] {
			return nil, version, invalid("parameter field: the container has no member %s", quoted(f))
		}
	}
	tree.Members = membersOf(kept)
	return tree, version, nil
}

// collection is what lies below a container, while it is gathered.
type collection struct {
	*call
	left int
	data bool
}

func (c *collection) below(n node, depth int) (*media.Container, adapter.Version, error) {
	tree := &media.Container{Metadata: n.desc.Metadata}
	switch {
	case n.desc.Family == structure.FamilyContainer:
	case n.desc.Family == structure.FamilyArray && c.data:
		return c.array(n, tree)
	case n.desc.Family == structure.FamilyTable && c.data:
		return c.columns(n, tree)
	default:
		return tree, n.version, nil
	}
	version := n.version
	page, err := catalog.Search(c.ctx, n.adapter, catalog.Query{Limit: int64(c.left) + 1, Describe: true})
	if err != nil {
		return nil, version, err
	}
	if c.left -= len(page.Items); c.left < 0 || depth > maxSearchDepth {
		return nil, version, invalid("container/full: more than %d nodes lie below this one; export its members one by one", maxExport)
	}
	version = catalog.Combine(version, page.Version)
	members := make([]media.Member, 0, len(page.Items))
	for _, item := range page.Items {
		if item.Err != nil {
			continue
		}
		below, v, err := c.below(node{path: childPath(n.path, item.Path), adapter: item.Adapter, desc: item.Description, version: item.Version}, depth+1)
		if err != nil {
			return nil, version, err
		}
		version = catalog.Combine(version, v)
		members = append(members, media.Member{Key: item.Key, Container: *below})
	}
	tree.Members = membersOf(members)
	return tree, version, nil
}

// array pins all of an array, to be read when its turn comes.
func (c *collection) array(n node, tree *media.Container) (*media.Container, adapter.Version, error) {
	source, ok := adapter.As[adapter.Array](n.adapter)
	if !ok {
		return tree, n.version, nil
	}
	sel := ndslice.All(n.desc.Array.Shape)
	v, err := source.Version(c.ctx, n.desc, sel)
	if err != nil {
		return nil, v, err
	}
	read := &arrayRead{source: source, desc: n.desc, version: v, sel: sel}
	tree.Array = &media.Array{Type: n.desc.Array.DataType, Shape: n.desc.Array.Shape, Data: c.windows(c.ctx, read)}
	tree.Dims, tree.Specs = n.desc.Array.Dims, n.desc.Specs
	return tree, catalog.Combine(n.version, v), nil
}

// columns are those of a table, as arrays.
func (c *collection) columns(n node, tree *media.Container) (*media.Container, adapter.Version, error) {
	table, ok := adapter.As[adapter.Table](n.adapter)
	if !ok || c.Column == nil {
		return tree, n.version, nil
	}
	names := n.desc.Table.Columns()
	if c.left -= len(names); c.left < 0 {
		return nil, n.version, invalid("container/full: more than %d nodes lie below this one; export its members one by one", maxExport)
	}
	version := n.version
	members := make([]media.Member, 0, len(names))
	for _, name := range names {
		column, err := c.Column(c.ctx, table, name)
		if err != nil {
			return nil, version, err
		}
		d, v, err := column.Describe(c.ctx)
		if err != nil {
			return nil, version, err
		}
		below, v, err := c.array(node{adapter: column, desc: d, version: v}, &media.Container{Metadata: d.Metadata})
		if err != nil {
			return nil, version, err
		}
		version = catalog.Combine(version, v)
		members = append(members, media.Member{Key: name, Container: *below})
	}
	tree.Members = membersOf(members)
	return tree, version, nil
}

func membersOf(members []media.Member) iter.Seq2[media.Member, error] {
	return func(yield func(media.Member, error) bool) {
		for _, m := range members {
			if !yield(m, nil) {
				return
			}
		}
	}
}
