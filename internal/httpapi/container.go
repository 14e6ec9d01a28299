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
	if choice.Key == media.SpecDataset {
		return c.sendDataset(n, fields, choice)
	}
	tree, version, err := c.collect(n, fields)
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
// version. fields, if any, name the members that are wanted.
func (c *call) collect(n node, fields []string) (*media.Container, adapter.Version, error) {
	left := maxExport
	tree, version, err := c.collectBelow(n, &left, 0)
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

func (c *call) collectBelow(n node, left *int, depth int) (*media.Container, adapter.Version, error) {
	tree := &media.Container{Metadata: n.desc.Metadata}
	if n.desc.Family != structure.FamilyContainer {
		return tree, n.version, nil
	}
	version := n.version
	page, err := catalog.Search(c.ctx, n.adapter, catalog.Query{Limit: int64(*left) + 1, Describe: true})
	if err != nil {
		return nil, version, err
	}
	if *left -= len(page.Items); *left < 0 || depth > maxSearchDepth {
		return nil, version, invalid("container/full: more than %d nodes lie below this one; export its members one by one", maxExport)
	}
	version = catalog.Combine(version, page.Version)
	members := make([]media.Member, 0, len(page.Items))
	for _, item := range page.Items {
		if item.Err != nil {
			continue
		}
		below, v, err := c.collectBelow(node{path: childPath(n.path, item.Path), adapter: item.Adapter, desc: item.Description, version: item.Version}, left, depth+1)
		if err != nil {
			return nil, version, err
		}
		version = catalog.Combine(version, v)
		members = append(members, media.Member{Key: item.Key, Container: *below})
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
