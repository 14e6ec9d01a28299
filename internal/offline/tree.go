// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Tree is what is held of the server as a tree to serve.
func (s *Server) Tree() adapter.Adapter { return &node{s: s, path: []string{}} }

// node is a node of which nobody has looked yet what it is.
type node struct {
	s    *Server
	path []string
}

// Describe implements [adapter.Adapter].
func (n *node) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	rec, err := n.s.load(n.path)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	d := &adapter.Description{
		Family: rec.node.Family, Metadata: rec.node.Metadata, Specs: rec.node.Specs, Keys: rec.Children,
		Inline: object(object(rec.node.Document["attributes"])["structure"])["contents"] != nil,
	}
	if d.Metadata == nil {
		d.Metadata = map[string]any{}
	}
	if len(rec.Assets) > 0 {
		d.MediaType = rec.Assets[0].MediaType
	}
	switch rec.node.Family {
	case structure.FamilyArray:
		d.Array, d.Grid = rec.node.ArrayStructure, rec.grid()
		if err := d.Grid.Validate(); err != nil {
			return nil, adapter.Version{}, err
		}
	case structure.FamilyTable:
		d.Table, d.Partitions = rec.node.TableStructure, rec.Partitions
		if len(d.Partitions) != d.Table.NPartitions {
			return nil, adapter.Version{}, fmt.Errorf("downloads: %s: %d partitions of %d: %w", rec.node, len(d.Partitions), d.Table.NPartitions, errdef.ErrUnprocessable)
		}
	default:
	}
	return d, n.version(rec), nil
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

// version names the state of a node: what is held of it was fetched at one time.
func (n *node) version(rec *record) adapter.Version {
	v := catalog.VersionOf(true, append([]string{"offline", rec.fetched.String(), rec.Set, fmt.Sprint(rec.Children)}, rec.Path...)...)
	v.Modified = rec.fetched
	return v
}

// kind gives the node the abilities of its family.
func (n *node) kind() (adapter.Adapter, error) {
	rec, err := n.s.load(n.path)
	if err != nil {
		return nil, err
	}
	switch rec.node.Family {
	case structure.FamilyArray:
		return &arrayNode{n}, nil
	case structure.FamilyTable:
		return &tableNode{n}, nil
	case structure.FamilyContainer:
		return n, nil
	default:
		return &fileNode{n}, nil
	}
}

// Child implements [adapter.Container].
func (n *node) Child(_ context.Context, key string) (adapter.Adapter, error) {
	rec, err := n.s.load(n.path)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(rec.Children, key) {
		return nil, notHeld(child(n.path, key), "the node")
	}
	return (&node{s: n.s, path: child(n.path, key)}).kind()
}

// place is where a file of the node lies.
func (n *node) place(name string) string { return filepath.Join(n.s.nodeDir(n.path), name) }

// pinned is the record of the state v. If a download put another in its place meanwhile
// that is errdef.ErrChanged: the request begins anew, or is broken off.
func (n *node) pinned(v adapter.Version) (*record, error) {
	rec, err := n.s.load(n.path)
	if err == nil && n.version(rec).ID != v.ID {
		return nil, fmt.Errorf("downloads: %s: downloaded anew meanwhile: %w", rec.node, errdef.ErrChanged)
	}
	return rec, err
}

// part reads a part of the state v.
func (n *node) part(rec *record, v adapter.Version, name, what string) ([]byte, error) {
	_, body, err := readPart(filepath.Join(n.s.setDir(rec), name))
	if rec.Set == "" || errors.Is(err, fs.ErrNotExist) {
		if _, err := n.pinned(v); err != nil {
			return nil, err
		}
		return nil, notHeld(n.path, what)
	}
	return body, err
}

// arrayNode, tableNode and fileNode are nodes of those families.
type (
	arrayNode struct{ *node }
	tableNode struct{ *node }
	fileNode  struct{ *node }
)

// leaf hides that node has members: a leaf is no container.
func (arrayNode) Child() {}
func (tableNode) Child() {}
func (fileNode) Child()  {}

var (
	_ adapter.Container   = (*node)(nil)
	_ adapter.Array       = (*arrayNode)(nil)
	_ adapter.Table       = (*tableNode)(nil)
	_ adapter.AssetHolder = (*fileNode)(nil)
)

// Version implements [adapter.Array]. It looks whether all of the selection is held, so
// that an answer that could not be finished is not begun.
func (n *arrayNode) Version(_ context.Context, d *adapter.Description, sel ndslice.Selection) (adapter.Version, error) {
	rec, err := n.s.load(n.path)
	if err != nil {
		return adapter.Version{}, err
	}
	dir := n.s.setDir(rec)
	for p := range sel.Plan(d.Grid) {
		if rec.Set == "" || !holds(filepath.Join(dir, blockFile(p.Block))) {
			return adapter.Version{}, notHeld(n.path, "a part of this slice")
		}
	}
	return n.version(rec), nil
}

// BlockID implements [adapter.Array].
func (*arrayNode) BlockID(v adapter.Version, _ []int64) adapter.BlockID {
	return adapter.BlockID{ID: v.ID, Trusted: true}
}

// ReadBlock implements [adapter.Array].
func (n *arrayNode) ReadBlock(_ context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	rec, err := n.pinned(v)
	if err != nil {
		return adapter.Block{}, err
	}
	grid := rec.grid()
	if !grid.Contains(block) {
		return adapter.Block{}, fmt.Errorf("downloads: block %v: %w", block, errdef.ErrNotFound)
	}
	body, err := n.part(rec, v, blockFile(block), "a part of this slice")
	if err != nil {
		return adapter.Block{}, err
	}
	shape := grid.BlockShape(block)
	if want := ndslice.All(shape).Len() * rec.node.ArrayStructure.DataType.ItemSize; int64(len(body)) != want {
		return adapter.Block{}, fmt.Errorf("downloads: block %v has %d bytes, expected %d: %w", block, len(body), want, errdef.ErrUnprocessable)
	}
	return adapter.Block{Data: body, Shape: shape}, nil
}

// Version implements [adapter.Table].
func (n *tableNode) Version(_ context.Context, _ *adapter.Description, partitions []int) (adapter.Version, error) {
	rec, err := n.s.load(n.path)
	if err != nil {
		return adapter.Version{}, err
	}
	for _, p := range partitions {
		if rec.Set == "" || !holds(filepath.Join(n.s.setDir(rec), blockFile([]int64{int64(p)}))) {
			return adapter.Version{}, notHeld(n.path, "a partition")
		}
	}
	return n.version(rec), nil
}

// PartitionID implements [adapter.Table].
func (*tableNode) PartitionID(v adapter.Version, _ int) adapter.BlockID {
	return adapter.BlockID{ID: v.ID, Trusted: true}
}

// ReadColumns implements [adapter.Table].
func (n *tableNode) ReadColumns(ctx context.Context, v adapter.Version, partition int, wanted []int) (adapter.Columns, error) {
	rec, err := n.pinned(v)
	if err != nil {
		return adapter.Columns{}, err
	}
	body, err := n.part(rec, v, blockFile([]int64{int64(partition)}), "a partition")
	if err != nil {
		return adapter.Columns{}, err
	}
	return columns(ctx, rec.node.TableStructure, body, wanted)
}

// columns reads columns, by their index in the structure's schema, of a partition that
// was kept as an Arrow file of one or more batches.
func columns(ctx context.Context, t *structure.Table, file []byte, wanted []int) (adapter.Columns, error) {
	batches, err := client.ParseArrow(ctx, file)
	if err != nil {
		return adapter.Columns{}, err
	}
	var out adapter.Columns
	for _, b := range batches {
		out.Rows += b.NumRows()
	}
	for _, column := range wanted {
		name := t.Schema.Field(column).Name
		pieces := make([]arrow.Array, 0, len(batches))
		for _, b := range batches {
			at := b.Schema().FieldIndices(name)
			if len(at) == 0 {
				return adapter.Columns{}, fmt.Errorf("downloads: the partition has no column %q: %w", name, errdef.ErrUnprocessable)
			}
			pieces = append(pieces, b.Column(at[0]))
		}
		joined := pieces[0]
		if len(pieces) > 1 {
			if joined, err = array.Concatenate(pieces, memory.DefaultAllocator); err != nil {
				return adapter.Columns{}, fmt.Errorf("downloads: column %q: %w: %w", name, err, errdef.ErrUnprocessable)
			}
		}
		if want := t.Schema.Field(column).Type; !arrow.TypeEqual(joined.DataType(), want) {
			return adapter.Columns{}, fmt.Errorf("downloads: column %q: %s here, %s in the first partition: %w", name, joined.DataType(), want, errdef.ErrUnprocessable)
		}
		out.Arrays = append(out.Arrays, joined)
	}
	return out, nil
}

// Assets implements [adapter.AssetHolder].
func (n *node) Assets(context.Context) ([]adapter.Asset, error) {
	rec, err := n.s.load(n.path)
	if err != nil {
		return nil, err
	}
	out := make([]adapter.Asset, len(rec.Assets))
	for i, a := range rec.Assets {
		out[i] = adapter.Asset{URI: a.URI, Directory: a.Directory, Size: a.Size, Parameter: "data_uris", Num: i}
	}
	return out, nil
}

// Manifest implements [adapter.AssetHolder].
func (n *node) Manifest(_ context.Context, id int) ([]string, error) {
	rec, err := n.s.load(n.path)
	if err != nil {
		return nil, err
	}
	if id < 1 || id > len(rec.Assets) {
		return nil, notHeld(n.path, "the file")
	}
	return rec.Assets[id-1].Files, nil
}

// OpenAsset implements [adapter.AssetHolder].
func (n *node) OpenAsset(_ context.Context, id int, relative string) (adapter.File, adapter.Version, error) {
	f, h, at, err := openPart(n.place(assetFile(id, relative)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, adapter.Version{}, notHeld(n.path, "the file "+strings.TrimSpace(relative))
	}
	if err != nil {
		return nil, adapter.Version{}, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s %d", n.path, id, h.Size, relative, h.Fetched.UnixNano()))
	version := adapter.Version{ID: adapter.ID(sum[:16]), Trusted: true, Modified: h.Fetched}
	return &partFile{SectionReader: io.NewSectionReader(f, at, h.Size), f: f}, version, nil
}

// partFile is the body of a part as a file.
type partFile struct {
	*io.SectionReader
	f *os.File
}

func (p *partFile) Close() error { return p.f.Close() }
