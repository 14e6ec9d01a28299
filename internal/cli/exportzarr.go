package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// zarrExport writes a Zarr 2 hierarchy of chunks that are not compressed. Tables have no
// place in it.
type zarrExport struct {
	root *os.Root
	g    *progress
}

func (z *zarrExport) container(path []string, n *client.Node) error {
	if len(path) > 0 {
		if err := z.root.MkdirAll(joined(path, ""), 0o755); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return z.documents(path, ".zgroup", map[string]any{"zarr_format": 2}, plainMetadata(n))
}

// documents writes what a folder is, and its attributes.
func (z *zarrExport) documents(path []string, name string, document, attributes map[string]any) error {
	for file, doc := range map[string]map[string]any{name: document, ".zattrs": attributes} {
		if len(doc) == 0 {
			continue
		}
		text, err := indented(doc)
		if err != nil {
			return fmt.Errorf("output: %w", err)
		}
		if err := z.root.WriteFile(filepath.Join(joined(path, ""), file), text, 0o644); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return nil
}

func (*zarrExport) table(_ context.Context, _ []string, t *client.Table) error {
	return fmt.Errorf("%s: a table cannot be in a Zarr folder: %w", t, errdef.ErrNotAcceptable)
}

// zarrChunks is the grid of an array's chunks in the folder: the array's own, if they
// are regular.
func zarrChunks(a *structure.Array) []int64 {
	out := make([]int64, len(a.Shape))
	for i, axis := range a.Chunks {
		out[i] = 1
		for _, n := range axis {
			out[i] = max(out[i], n)
		}
	}
	return out
}

func (z *zarrExport) array(ctx context.Context, path []string, a *client.Array) error {
	if a.DataType().Fields != nil {
		return fmt.Errorf("%s: a structured data type: export it to a folder: %w", a, errdef.ErrNotAcceptable)
	}
	if err := room(z.root.Name(), a.Size()); err != nil {
		return err
	}
	if len(path) > 0 {
		if err := z.root.MkdirAll(joined(path, ""), 0o755); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	grid := ndslice.Grid{Shape: a.Shape(), Block: zarrChunks(a.ArrayStructure)}
	attributes := plainMetadata(a.Node)
	if dims := a.ArrayStructure.Dims; dims != nil {
		if attributes == nil {
			attributes = map[string]any{}
		}
		attributes["_ARRAY_DIMENSIONS"] = dims
	}
	err := z.documents(path, ".zarray", map[string]any{
		"zarr_format": 2, "shape": grid.Shape, "chunks": grid.Block, "dtype": a.DataType().String(), "compressor": nil,
		"fill_value": nil, "order": "C", "filters": nil,
	}, attributes)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(client.DefaultParallel)
	for p := range ndslice.All(grid.Shape).Plan(grid) {
		index := append([]int64{}, p.Block...)
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return z.chunk(ctx, path, a, grid, index) })
	}
	return group.Wait()
}

// chunk writes one chunk, filled up at the end of an axis as Zarr wants it.
func (z *zarrExport) chunk(ctx context.Context, path []string, a *client.Array, grid ndslice.Grid, index []int64) error {
	where := grid.Of(index)
	b, err := a.ReadBytes(ctx, where.String())
	if err != nil {
		return err
	}
	data := b.Data
	full := ndslice.All(grid.Block)
	if item := a.DataType().ItemSize; !where.IsAll(grid.Shape) || full.Len() != where.Len() {
		data = make([]byte, full.Len()*item)
		if err := spread(data, b.Data, grid.Block, where.Shape(), int(item)); err != nil {
			return err
		}
	}
	name := "0"
	if len(index) > 0 {
		parts := make([]string, len(index))
		for i, n := range index {
			parts[i] = strconv.FormatInt(n, 10)
		}
		name = strings.Join(parts, ".")
	}
	z.g.show("%s %s", a, name)
	return z.root.WriteFile(filepath.Join(joined(path, ""), name), data, 0o644)
}

// spread copies an array of shape into the corner of a larger one.
func spread(dst, src []byte, outer, shape []int64, item int) error {
	if len(shape) == 0 {
		copy(dst, src)
		return nil
	}
	row := int(shape[len(shape)-1]) * item
	for at := 0; at < len(src); at += row {
		// The place of this row in the larger array.
		place, rest := 0, at/max(1, row)
		stride := int(outer[len(outer)-1]) * item
		for i := len(shape) - 2; i >= 0; i-- {
			place += rest % int(shape[i]) * stride
			rest /= int(shape[i])
			stride *= int(outer[i])
		}
		if place+row > len(dst) {
			return fmt.Errorf("chunk: %v does not fit into %v: %w", shape, outer, errdef.ErrUnprocessable)
		}
		copy(dst[place:place+row], src[at:at+row])
	}
	return nil
}
