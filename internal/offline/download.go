// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Wanted says what to download.
type Wanted struct {
	// Slice restricts arrays to the blocks that it touches.
	Slice string
	// Depth is how far below the node to go: 0 is the node alone, less is all the way.
	Depth int
	// Where restricts the members of the node itself, if it is a container.
	Where []client.Query
	// Assets fetches the files behind each node too.
	Assets bool
	// MetadataOnly leaves data out.
	MetadataOnly bool
	// Parallel is how many requests are under way at a time; 0 is 8.
	Parallel int
	// Report is told after each part and node; nil is nobody. It must be safe for concurrent
	// use.
	Report func(Progress)
}

// Progress is how far a download has come.
type Progress struct {
	Nodes, Parts, Same, Bytes int64
	// Path is the node at work, Skipped why one was left out, or "".
	Path, Skipped string
}

// download is one download.
type download struct {
	s                         *Server
	want                      Wanted
	nodes, parts, same, bytes atomic.Int64
}

// Download fetches a node, what lies below it and the way to it. What is held already is
// asked about with its entity tag and fetched only if it changed. Nodes of families that
// cannot be kept (sparse, awkward, ragged) are reported and left out.
func (s *Server) Download(ctx context.Context, c *client.Client, path []string, want Wanted) (Progress, error) {
	if want.Parallel <= 0 {
		want.Parallel = client.DefaultParallel
	}
	d := &download{s: s, want: want}
	for i := range path {
		above, err := c.OpenPath(ctx, path[:i])
		if err == nil {
			err = d.keep(above, func(rec *record) { rec.add(path[i]) })
		}
		if err != nil {
			return d.progress(""), err
		}
	}
	n, err := c.OpenPath(ctx, path)
	if err == nil {
		err = d.node(ctx, n, want.Depth)
	}
	return d.progress(""), err
}

func (d *download) progress(path string) Progress {
	return Progress{Nodes: d.nodes.Load(), Parts: d.parts.Load(), Same: d.same.Load(), Bytes: d.bytes.Load(), Path: path}
}

func (d *download) report(path, skipped string) {
	if d.want.Report != nil {
		p := d.progress(path)
		p.Skipped = skipped
		d.want.Report(p)
	}
}

// add notes a member.
func (r *record) add(key string) {
	if !slices.Contains(r.Children, key) {
		r.Children = append(r.Children, key)
	}
}

// keep writes the document of a node, with what is known of it from before.
func (d *download) keep(n *client.Node, change func(*record)) error {
	rec, err := d.s.load(n.Path)
	if err != nil {
		rec = &record{Path: slices.Clone(n.Path)}
		if rec.Path == nil {
			rec.Path = []string{}
		}
	}
	rec.node, rec.fetched = n, time.Now().UTC()
	if rec.document, err = media.AppendMsgpack(nil, n.Document); err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	change(rec)
	return d.s.save(rec)
}

// node fetches one node and depth levels below it.
func (d *download) node(ctx context.Context, n *client.Node, depth int) (err error) {
	switch n.Family {
	case structure.FamilyContainer:
		err = d.container(ctx, n, depth)
	case structure.FamilyArray:
		err = d.array(ctx, n)
	case structure.FamilyTable:
		err = d.table(ctx, n)
	case structure.FamilyBytes:
		err = d.keep(n, func(*record) {})
	default:
		d.report(n.String(), fmt.Sprintf("nodes of family %s cannot be kept", n.Family))
		return nil
	}
	if err == nil && (d.want.Assets || n.Family == structure.FamilyBytes) && !d.want.MetadataOnly {
		err = d.assets(ctx, n)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	d.nodes.Add(1)
	d.report(n.String(), "")
	return nil
}

func (d *download) container(ctx context.Context, n *client.Node, depth int) error {
	if depth == 0 {
		return d.keep(n, func(*record) {})
	}
	c, err := n.Container()
	if err != nil {
		return err
	}
	listing := c.Members()
	if len(d.want.Where) > 0 {
		listing, d.want.Where = c.Search(d.want.Where...), nil
	}
	var keys []string
	for member, err := range listing.All(ctx) {
		if err != nil {
			return err
		}
		if err := d.node(ctx, member, depth-1); err != nil {
			return err
		}
		if holds(filepath.Join(d.s.nodeDir(member.Path), nodeFile)) {
			keys = append(keys, member.Key())
		}
	}
	return d.keep(n, func(rec *record) {
		before := rec.Children
		rec.Children = keys
		for _, key := range before {
			rec.add(key)
		}
	})
}

// Sizes of blocks, in bytes.
const (
	smallBlock = 512 << 10
	largeBlock = 8 << 20
)

// blockOf chooses the grid in which an array is kept: its chunks, cut along the first
// axes if they are large, joined along the last if they are tiny.
func blockOf(a *structure.Array) []int64 {
	item := max(1, a.DataType.ItemSize)
	block := make([]int64, len(a.Shape))
	size := item
	for i, axis := range a.Chunks {
		block[i] = max(1, slices.Max(append([]int64{1}, axis...)))
		size *= block[i]
	}
	for i := 0; i < len(block) && size > largeBlock; i++ {
		rest := size / block[i]
		block[i] = max(1, min(block[i], largeBlock/max(1, rest)))
		size = rest * block[i]
	}
	for i := len(block) - 1; i >= 0 && size < smallBlock && size > 0; i-- {
		grown := max(block[i], min(a.Shape[i], block[i]*(smallBlock/size)))
		size = size / block[i] * grown
		block[i] = grown
	}
	return block
}

func (d *download) array(ctx context.Context, n *client.Node) error {
	a, err := n.Array()
	if err != nil {
		return err
	}
	sel, err := a.Select(d.want.Slice)
	if err != nil {
		sel = ndslice.All(a.Shape()) // a slice for other arrays than this one
		if len(a.Shape()) > 0 && errors.Is(err, errdef.ErrUnprocessable) {
			return err
		}
	}
	block := blockOf(a.ArrayStructure)
	err = d.keep(n, func(rec *record) {
		if !slices.Equal(rec.Block, block) {
			d.s.dropParts(rec.Path)
		}
		rec.Block = block
	})
	if err != nil || d.want.MetadataOnly {
		return err
	}
	grid := ndslice.Grid{Shape: a.Shape(), Block: block}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.want.Parallel)
	for p := range sel.Plan(grid) {
		index := slices.Clone(p.Block)
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return d.block(ctx, a, grid, index) })
	}
	return group.Wait()
}

// dropParts forgets the data of a node whose grid is another now.
func (s *Server) dropParts(path []string) {
	entries, err := os.ReadDir(s.nodeDir(path))
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Name() != nodeFile && !strings.HasPrefix(e.Name(), "a") {
			_ = os.Remove(filepath.Join(s.nodeDir(path), e.Name())) // what stays has another checksum or size
		}
	}
}

func (d *download) block(ctx context.Context, a *client.Array, grid ndslice.Grid, index []int64) error {
	where := grid.Of(index)
	shape := "scalar"
	if len(index) > 0 {
		shape = strings.ReplaceAll(blockFile(where.Shape()), ".", ",")
	}
	params := url.Values{"expected_shape": {shape}}
	if !where.IsAll(grid.Shape) {
		params.Set("slice", where.String())
	}
	size := where.Len() * a.DataType().ItemSize
	return d.part(ctx, a.Node, blockFile(index), client.Question{
		Route: "array/full", Params: params, Accept: "application/octet-stream", Limit: max(1, size),
	}, func(body []byte) error {
		if int64(len(body)) != size {
			return fmt.Errorf("block %v: %d bytes, expected %d: %w", index, len(body), size, errdef.ErrUnprocessable)
		}
		return nil
	})
}

// part fetches a body if it is another than what is held. Bodies are checked before
// they are kept.
func (d *download) part(ctx context.Context, n *client.Node, name string, q client.Question, check func([]byte) error) error {
	path := filepath.Join(d.s.nodeDir(n.Path), name)
	before, _, err := readPart(path)
	if err == nil {
		q.Held = before.ETag
	}
	reply, err := n.Ask(ctx, q)
	if err != nil {
		return err
	}
	if reply.Same {
		d.same.Add(1)
	} else {
		if err := check(reply.Body); err != nil {
			return err
		}
		if err := writePart(path, partHeader{ETag: reply.ETag, ContentType: reply.ContentType, Fetched: time.Now().UTC()}, reply.Body); err != nil {
			return err
		}
		d.bytes.Add(int64(len(reply.Body)))
	}
	d.parts.Add(1)
	d.report(n.String(), "")
	return nil
}

func (d *download) table(ctx context.Context, n *client.Node) error {
	t, err := n.Table()
	if err != nil {
		return err
	}
	partitions, schemas := make([]adapter.Partition, t.Partitions()), make([]*arrow.Schema, t.Partitions())
	if !d.want.MetadataOnly {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(d.want.Parallel)
		if err := os.MkdirAll(d.s.nodeDir(n.Path), 0o700); err != nil {
			return fmt.Errorf("downloads: %w", err)
		}
		for p := range partitions {
			group.Go(func() (err error) {
				partitions[p], schemas[p], err = d.partition(ctx, t, p)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return d.keep(n, func(rec *record) {
		if d.want.MetadataOnly && len(rec.Partitions) == len(partitions) {
			return
		}
		rec.Partitions, rec.Schema = partitions, nil
		if len(schemas) > 0 && schemas[0] != nil {
			rec.Schema = structure.SchemaMessage(schemas[0])
		}
	})
}

// partition fetches a partition, and says what it has.
func (d *download) partition(ctx context.Context, t *client.Table, p int) (adapter.Partition, *arrow.Schema, error) {
	name := blockFile([]int64{int64(p)})
	err := d.part(ctx, t.Node, name, client.Question{
		Route: "table/partition", Params: url.Values{"partition": {strconv.Itoa(p)}}, Accept: "application/vnd.apache.arrow.file",
	}, func(body []byte) error {
		_, err := client.ParseArrow(ctx, body)
		return err
	})
	if err != nil {
		return adapter.Partition{}, nil, err
	}
	_, body, err := readPart(filepath.Join(d.s.nodeDir(t.Path), name))
	if err != nil {
		return adapter.Partition{}, nil, err
	}
	batches, err := client.ParseArrow(ctx, body)
	if err != nil || len(batches) == 0 {
		return adapter.Partition{}, nil, err
	}
	out := adapter.Partition{}
	for _, b := range batches {
		out.Rows += b.NumRows()
	}
	schema, err := sent(t.Schema(), batches[0].Schema())
	return out, schema, err
}

// sent is the advertised schema with the types that were sent.
func sent(advertised, came *arrow.Schema) (*arrow.Schema, error) {
	fields := make([]arrow.Field, advertised.NumFields())
	for i, f := range advertised.Fields() {
		at := came.FieldIndices(f.Name)
		if len(at) == 0 {
			return nil, fmt.Errorf("the partition has no column %q: %w", f.Name, errdef.ErrUnprocessable)
		}
		fields[i] = came.Field(at[0])
	}
	metadata := advertised.Metadata()
	return arrow.NewSchema(fields, &metadata), nil
}

// assets fetches the files behind a node. A server that does not give them out is no
// error: it is reported.
func (d *download) assets(ctx context.Context, n *client.Node) error {
	with, err := n.WithSources(ctx)
	if err != nil {
		return err
	}
	var out []asset
	for _, source := range with.Sources {
		for _, a := range source.Assets {
			kept := asset{URI: a.URI, Directory: a.Directory, Size: a.Size, MediaType: source.MediaType}
			names := []string{""}
			if a.Directory {
				if names, err = with.Manifest(ctx, a.ID); err != nil {
					break
				}
				kept.Files = names
			}
			for _, name := range names {
				if err = d.file(ctx, with, a.ID, len(out)+1, name); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
			out = append(out, kept)
		}
	}
	if errors.Is(err, errdef.ErrForbidden) || errors.Is(err, errdef.ErrNotFound) {
		d.report(n.String(), "its files are not given out: "+err.Error())
		err = nil
	}
	if err != nil {
		return err
	}
	return d.keep(n, func(rec *record) { rec.Assets = out })
}

// maxFile bounds a file that is kept.
const maxFile = 1 << 31

func (d *download) file(ctx context.Context, n *client.Node, id int64, place int, relative string) error {
	params := url.Values{"id": {strconv.FormatInt(id, 10)}}
	if relative != "" {
		params.Set("relative_path", relative)
	}
	return d.part(ctx, n, assetFile(place, relative), client.Question{
		Route: "asset/bytes", Params: params, Accept: "*/*", Limit: maxFile,
	}, func([]byte) error { return nil })
}

// Refresh asks about everything that is held of a server, as [Server.Download] does, and
// fetches what changed. Nodes that are gone are reported and kept.
func (s *Server) Refresh(ctx context.Context, c *client.Client, want Wanted) (Progress, error) {
	d := &download{s: s, want: want}
	if d.want.Parallel <= 0 {
		d.want.Parallel = client.DefaultParallel
	}
	err := s.Walk(ctx, func(h Held) error {
		n, err := c.OpenPath(ctx, h.Path)
		if errors.Is(err, errdef.ErrNotFound) {
			d.report("/"+strings.Join(h.Path, "/"), "the server has it no more; it is kept")
			return nil
		}
		if err != nil {
			return err
		}
		return d.refresh(ctx, n)
	})
	return d.progress(""), err
}

// refresh asks about the parts of a node that are held.
func (d *download) refresh(ctx context.Context, n *client.Node) error {
	rec, err := d.s.load(n.Path)
	if err != nil {
		return err
	}
	if err := d.keep(n, func(*record) {}); err != nil {
		return err
	}
	d.nodes.Add(1)
	switch {
	case rec.Block != nil && n.ArrayStructure != nil:
		a, err := n.Array()
		if err != nil {
			return err
		}
		grid := ndslice.Grid{Shape: a.Shape(), Block: rec.Block}
		if !slices.Equal(grid.Shape, rec.node.ArrayStructure.Shape) {
			d.s.dropParts(n.Path) // what was asked for then is another array's
			return d.array(ctx, n)
		}
		for p := range ndslice.All(a.Shape()).Plan(grid) {
			if holds(filepath.Join(d.s.nodeDir(n.Path), blockFile(p.Block))) {
				if err := d.block(ctx, a, grid, slices.Clone(p.Block)); err != nil {
					return err
				}
			}
		}
	case rec.Partitions != nil && n.TableStructure != nil:
		return d.table(ctx, n)
	}
	return nil
}
