// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Node is one node of the tree as the server described it: whatever it is, it has
// metadata. [Node.Array], [Node.Table] and [Node.Container] give what can be done with
// the node's family. A node is a snapshot: [Client.Open] it again to see changes.
type Node struct {
	client *Client
	// Path leads from the root of the tree to the node; it is empty for the root.
	Path []string
	// Family is the structure family.
	Family structure.Family
	// Metadata is the node's own, of plain values: nil, bool, int64, uint64, float64,
	// string, []byte, time.Time, []any and map[string]any. It is read-only.
	Metadata map[string]any
	Specs    []structure.Spec
	// ArrayStructure belongs to arrays, TableStructure to tables; else they are nil.
	ArrayStructure *structure.Array
	TableStructure *structure.Table
	// Count is how many members a container has, -1 for another node.
	Count int64
	// Sources are the files behind the node, if they were asked for.
	Sources []DataSource
	// Document is all that the server said, as plain values. It is read-only.
	Document map[string]any
}

// DataSource is where a node's data come from.
type DataSource struct {
	MediaType string
	Assets    []Asset
}

// Asset is a file, or a folder of files, behind a node.
type Asset struct {
	// ID names the asset in requests.
	ID int64
	// URI is where the asset lies on the server.
	URI       string
	Directory bool
	// Size in bytes, or -1 if it is not known.
	Size int64
}

// Key is the node's name in its container, "" for the root.
func (n *Node) Key() string {
	if len(n.Path) == 0 {
		return ""
	}
	return n.Path[len(n.Path)-1]
}

// String is the node's path, with a slash before each key.
func (n *Node) String() string { return "/" + strings.Join(n.Path, "/") }

// DecodeMetadata puts the metadata into target as [Decode] does.
func (n *Node) DecodeMetadata(target any) error {
	if err := Decode(n.Metadata, target); err != nil {
		return fmt.Errorf("%s: metadata: %w", n, err)
	}
	return nil
}

// Open asks for the node at path, which begins at the node that the URL of [Connect]
// named: keys with slashes between, "" for that node itself. A node that is not there,
// or may not be seen, is errdef.ErrNotFound.
func (c *Client) Open(ctx context.Context, path string) (*Node, error) {
	full := c.Start()
	for key := range strings.SplitSeq(path, "/") {
		if key != "" {
			full = append(full, key)
		}
	}
	return c.OpenPath(ctx, full)
}

// OpenPath is [Client.Open] for a path from the root of the tree, in which keys may
// hold slashes as far as the server can tell them apart.
func (c *Client) OpenPath(ctx context.Context, path []string) (*Node, error) {
	return c.open(ctx, path, nil)
}

func (c *Client) open(ctx context.Context, path []string, params url.Values) (*Node, error) {
	doc, err := c.document(ctx, c.at("metadata", path), params)
	if err != nil {
		return nil, err
	}
	return c.node(path, object(object(doc)["data"]))
}

// WithSources asks for the node again, with the files behind it.
func (n *Node) WithSources(ctx context.Context) (*Node, error) {
	return n.client.open(ctx, n.Path, url.Values{"include_data_sources": {"true"}})
}

// Again asks for the node as it is now.
func (n *Node) Again(ctx context.Context) (*Node, error) { return n.client.open(ctx, n.Path, nil) }

// Formats are the media types that the server offers for nodes of this family.
func (n *Node) Formats() []string { return n.client.about.Formats[string(n.Family)] }

// node makes a Node of a resource document. A structure of an array or table that
// cannot be read is errdef.ErrUnprocessable; of other families it is left alone.
func (c *Client) node(path []string, doc map[string]any) (*Node, error) {
	attributes := object(doc["attributes"])
	if attributes == nil {
		return nil, unprocessable("/%s: the answer describes no node", strings.Join(path, "/"))
	}
	n := &Node{
		client: c, Path: path, Family: structure.Family(text(attributes["structure_family"])),
		Metadata: object(attributes["metadata"]), Count: -1, Document: doc,
	}
	for _, s := range list(attributes["specs"]) {
		n.Specs = append(n.Specs, structure.Spec{Name: text(object(s)["name"]), Version: text(object(s)["version"])})
	}
	for _, s := range list(attributes["data_sources"]) {
		n.Sources = append(n.Sources, parseSource(object(s)))
	}
	form := object(attributes["structure"])
	if form == nil {
		return n, nil
	}
	var err error
	switch n.Family {
	case structure.FamilyArray, structure.FamilySparse:
		n.ArrayStructure, err = parseArray(form)
	case structure.FamilyTable:
		n.TableStructure, err = parseTable(form)
	case structure.FamilyContainer:
		if count, ok := form["count"].(int64); ok {
			n.Count = count
		}
	default:
	}
	if err != nil {
		return nil, fmt.Errorf("/%s: structure: %w", strings.Join(path, "/"), err)
	}
	return n, nil
}

func parseSource(doc map[string]any) DataSource {
	s := DataSource{MediaType: text(doc["mimetype"])}
	for _, a := range list(doc["assets"]) {
		asset := object(a)
		out := Asset{URI: text(asset["data_uri"]), Size: -1}
		out.ID, _ = asset["id"].(int64)
		out.Directory, _ = asset["is_directory"].(bool)
		if size, ok := asset["size"].(int64); ok {
			out.Size = size
		}
		s.Assets = append(s.Assets, out)
	}
	return s
}

func (n *Node) not(want structure.Family) error {
	return fmt.Errorf("%s: is of structure family %q, not %q: %w", n, n.Family, want, errdef.ErrNotAllowed)
}

// Array gives the node as an array, or errdef.ErrNotAllowed if it is none.
func (n *Node) Array() (*Array, error) {
	if n.Family != structure.FamilyArray || n.ArrayStructure == nil {
		return nil, n.not(structure.FamilyArray)
	}
	return &Array{Node: n}, nil
}

// Table gives the node as a table, or errdef.ErrNotAllowed if it is none.
func (n *Node) Table() (*Table, error) {
	if n.Family != structure.FamilyTable || n.TableStructure == nil {
		return nil, n.not(structure.FamilyTable)
	}
	return &Table{Node: n}, nil
}

// Container gives the node as a container, or errdef.ErrNotAllowed if it is none.
func (n *Node) Container() (*Container, error) {
	if n.Family != structure.FamilyContainer {
		return nil, n.not(structure.FamilyContainer)
	}
	return &Container{Node: n}, nil
}
