// Package zarr reads Zarr hierarchies, format versions 2 and 3: folders in
// which groups hold arrays, and arrays one file for each chunk, or for each
// shard of many.
//
// # Blocks
//
// What is decoded at once, a chunk or an inner chunk of a shard, is a block.
// Chunks that are very small are joined, those of a shard only with each
// other; see [Format.Describe]. The chunks that clients see are the array's.
//
// # Metadata
//
// Consolidated metadata give the keys of a group where there are any;
// otherwise each folder in it counts as a member, and nothing of the members is
// opened. A member is described by its own metadata, and by the root's
// consolidated ones if it lacks them.
package zarr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the Zarr format. [New] makes one.
type Format struct{ tools *tools }

// New returns the format with decoders that all its readers share.
func New() Format { return Format{tools: newTools()} }

// Kind says which folders are Zarr hierarchies.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "zarr", MediaType: "application/x-zarr", Extensions: []string{".zarr"}, Folder: true,
		Reads: "Terrazzo's own, pure Go",
	}
}

// Describe reads the metadata of a group or an array; no chunk is opened.
//
// A group has its attributes as Tiled gives them, beside zarr_format and
// node_type. An array has metadata only if it has attributes, under that name.
//
// Errors: errdef.ErrNotFound for a member that is not there, ErrUnsupported
// for a codec, data type or extension that is not known here, by its name, and
// for chunks over 1 GiB, ErrUnprocessable for metadata that make no sense.
func (f Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	where, err := folder(inside)
	if err != nil {
		return nil, err
	}
	n, err := readNode(ctx, src, where)
	if err != nil {
		return nil, err
	}
	d, err := n.describe(ctx, src, where)
	if err != nil {
		return nil, fmt.Errorf("zarr %s: %w", where, err)
	}
	d.MediaType = f.Kind().MediaType
	return d, nil
}

// folder is the path of a member in the source.
func folder(inside []string) (string, error) {
	for _, name := range inside {
		if name == "" || strings.Contains(name, "/") || !fs.ValidPath(name) || name == "." {
			return "", fmt.Errorf("zarr: there is no member %.40q: %w", name, errdef.ErrNotFound)
		}
	}
	return path.Join(append([]string{"."}, inside...)...), nil
}

func (n *node) describe(ctx context.Context, src adapter.Source, where string) (*adapter.Description, error) {
	if n.group {
		keys, err := n.keys(ctx, src, where)
		if err != nil {
			return nil, err
		}
		return &adapter.Description{
			Family: structure.FamilyContainer, Keys: keys, Inline: true,
			Metadata: map[string]any{"attributes": n.attributes, "zarr_format": n.format, "node_type": "group"},
		}, nil
	}
	a, err := n.array()
	if err != nil {
		return nil, err
	}
	if a.dims == nil {
		if a.dims, err = dimensions(n.attributes["_ARRAY_DIMENSIONS"], len(a.shape)); err != nil {
			a.dims = nil // an attribute like any other
		}
	}
	note, err := n.notes()
	if err != nil {
		return nil, err
	}
	metadata := map[string]any{}
	if len(n.attributes) > 0 {
		metadata["attributes"] = n.attributes
	}
	return &adapter.Description{
		Family:   structure.FamilyArray,
		Array:    &structure.Array{DataType: a.dtype, Shape: a.shape, Chunks: a.advertised(), Dims: a.dims},
		Grid:     ndslice.Grid{Shape: a.shape, Block: a.block()},
		Metadata: metadata, Notes: note,
	}, nil
}

// notes are the array's metadata without its attributes.
func (n *node) notes() ([]byte, error) {
	doc := make(map[string]any, len(n.doc))
	for key, v := range n.doc {
		if key != "attributes" && key != "consolidated_metadata" {
			doc[key] = finite(v)
		}
	}
	return json.Marshal(doc)
}

// finite writes the numbers that JSON lacks as a fill value may have them.
func finite(v any) any {
	f, ok := v.(float64)
	switch {
	case !ok:
		if list, isList := v.([]any); isList {
			out := slices.Clone(list)
			for i := range out {
				out[i] = finite(out[i])
			}
			return out
		}
		return v
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return v
}

// Open returns a reader of an array, nil for a group.
func (f Format) Open(src adapter.Source, inside []string, d *adapter.Description) (any, error) {
	where, err := folder(inside)
	if err != nil || d.Family == structure.FamilyContainer {
		return nil, err
	}
	live, err := d.Live(func() (any, error) {
		n, err := parseNode(d.Notes)
		if err != nil {
			return nil, err
		}
		return n.array()
	})
	if err != nil {
		return nil, fmt.Errorf("zarr %s: the description's notes: %w", where, err)
	}
	a, ok := live.(*array)
	if !ok || !slices.Equal(a.shape, d.Grid.Shape) {
		return nil, fmt.Errorf("zarr %s: the description's notes are of something else: %w", where, errdef.ErrUnprocessable)
	}
	return newReader(f.tools, src, where, a, d.Grid), nil
}

// absent says whether an error means that there is no such file.
func absent(err error) bool { return errors.Is(err, errdef.ErrNotFound) }
