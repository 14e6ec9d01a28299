package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/internal/hdf5"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// hdf5Export makes an HDF5 file here, for servers that make none: containers as groups,
// arrays as data sets, tables as groups of their columns, metadata as attributes.
type hdf5Export struct {
	p      *Program
	root   *hdf5.Node
	groups map[string]*hdf5.Node
	left   int64
}

func isHDF5(ext string) bool {
	switch strings.ToLower(ext) {
	case ".h5", ".hdf5", ".hdf", ".nxs":
		return true
	}
	return false
}

// locally writes the node and all below it to w.
func (c *exportCommand) locally(ctx context.Context, p *Program, n *client.Node, w *shownWriter) error {
	h := &hdf5Export{p: p, groups: map[string]*hdf5.Node{}}
	path := []string{}
	if n.Key() != "" && n.Count < 0 { // the file is a group: an array is a member of it
		h.root = &hdf5.Node{}
		h.groups[""] = h.root
		path = append(path, strings.ReplaceAll(n.Key(), "/", "_"))
	}
	if err := c.node(ctx, p, h, path, n, c.Depth); err != nil {
		return err
	}
	c.left += h.left
	file, err := hdf5.Plan(h.root)
	if err != nil {
		return err
	}
	if c.Output != "-" {
		if err := room(filepath.Dir(c.Output), file.Size()); err != nil {
			return err
		}
	}
	w.total = file.Size()
	return file.Write(ctx, w)
}

func (h *hdf5Export) add(path []string, n *hdf5.Node) {
	if len(path) == 0 {
		h.root = n
	} else {
		n.Name = path[len(path)-1]
		above := h.groups[strings.Join(path[:len(path)-1], "/")]
		above.Members = append(above.Members, n)
	}
	h.groups[strings.Join(path, "/")] = n
}

func attributesOf(n *client.Node) ([]hdf5.Attribute, error) {
	attributes, err := hdf5.AttributesOf(n.Metadata, func(v any) ([]byte, error) { return json.Marshal(v) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n, err)
	}
	return attributes, nil
}

func (h *hdf5Export) container(path []string, n *client.Node) error {
	attributes, err := attributesOf(n)
	if err == nil {
		h.add(path, &hdf5.Node{Attributes: attributes})
	}
	return err
}

func (h *hdf5Export) array(_ context.Context, path []string, a *client.Array) error {
	if kind := a.DataType().Kind; kind == 'O' || a.DataType().ItemSize == 0 {
		h.left++
		h.p.say("terrazzo: %s: left out: HDF5 has no elements of type %s\n", a, a.DataType())
		return nil
	}
	attributes, err := attributesOf(a.Node)
	if err == nil {
		h.add(path, &hdf5.Node{Attributes: attributes, Dataset: &hdf5.Dataset{Type: a.DataType(), Shape: a.Shape(), Data: elementsOf(a)}})
	}
	return err
}

func (h *hdf5Export) table(ctx context.Context, path []string, t *client.Table) error {
	if err := h.container(path, t.Node); err != nil {
		return err
	}
	for _, f := range t.Schema().Fields() {
		column, err := t.Column(ctx, f.Name)
		if err != nil && ctx.Err() == nil {
			h.left++
			h.p.say("terrazzo: %s: left out: the column %q as an array: %v\n", t, f.Name, err)
			continue
		}
		if err != nil {
			return err
		}
		name := strings.ReplaceAll(f.Name, "/", "_")
		if err := h.array(ctx, append(append([]string{}, path...), name), column); err != nil {
			return err
		}
	}
	return nil
}

// elementsOf reads an array a window at a time.
func elementsOf(a *client.Array) func(context.Context) iter.Seq2[[]byte, error] {
	return func(ctx context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for window := range ndslice.All(a.Shape()).Windows(a.DataType().ItemSize, windowBytes, chunkGrid(a)) {
				b, err := a.ReadBytes(ctx, window.String())
				if !yield(b.Data, err) || err != nil {
					return
				}
			}
		}
	}
}

// toHDF5 asks the server for the file, and makes it here if the server makes none or
// only a part is wanted.
func (c *exportCommand) toHDF5(ctx context.Context, p *Program, n *client.Node, w io.Writer, g *progress) error {
	shown := &shownWriter{w: w, g: g}
	if c.Depth < 0 && slices.Contains(n.Formats(), "application/x-hdf5") {
		return n.Export(ctx, shown, "application/x-hdf5", "")
	}
	if err := c.locally(ctx, p, n, shown); err != nil {
		return fmt.Errorf("%s: %w", c.Output, err)
	}
	return nil
}
