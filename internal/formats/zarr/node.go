package zarr

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// maxMetadata bounds the metadata of one node, maxConsolidated those of
	// a whole hierarchy in one file.
	maxMetadata     = 4 << 20
	maxConsolidated = 32 << 20
	// maxKeys bounds the members of one group.
	maxKeys = 1 << 20
)

// node is the metadata of a group or an array.
type node struct {
	// format is the version of the format, 2 or 3.
	format int64
	group  bool
	// doc is the whole of .zarray, .zgroup or zarr.json.
	doc        map[string]any
	attributes map[string]any
}

// readNode reads the metadata of the group or array in a folder of src.
func readNode(ctx context.Context, src adapter.Source, where string) (*node, error) {
	n, err := readOwn(ctx, src, where)
	if !absent(err) {
		return n, err
	}
	if where == "." {
		return nil, fmt.Errorf("zarr: the folder holds no zarr.json, .zarray or .zgroup: %w", errdef.ErrUnprocessable)
	}
	n, err = readConsolidated(ctx, src, where)
	if absent(err) {
		err = fmt.Errorf("zarr: there is no member %q: %w", where, errdef.ErrNotFound)
	}
	return n, err
}

func readOwn(ctx context.Context, src adapter.Source, where string) (*node, error) {
	for _, name := range []string{"zarr.json", ".zarray", ".zgroup"} {
		file := path.Join(where, name)
		limit := int64(maxMetadata)
		if name == "zarr.json" {
			limit = maxConsolidated
		}
		text, err := readFile(ctx, src, file, limit)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n, err := parseNode(text)
		if err == nil && (n.format == 3) != (name == "zarr.json") {
			err = unprocessable("zarr_format is %d", n.format)
		}
		if err != nil {
			return nil, fmt.Errorf("zarr %s: %w", file, err)
		}
		if n.format == 2 {
			if n.attributes, err = readAttributes(ctx, src, path.Join(where, ".zattrs")); err != nil {
				return nil, err
			}
		}
		return n, nil
	}
	return nil, fmt.Errorf("zarr %s: %w", where, errdef.ErrNotFound)
}

// parseNode reads a zarr.json, .zarray or .zgroup.
func parseNode(text []byte) (*node, error) {
	v, err := parseJSON(text)
	if err != nil {
		return nil, unprocessable("%w", err)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, unprocessable("is no JSON object")
	}
	return nodeOf(doc)
}

func nodeOf(doc map[string]any) (*node, error) {
	n := &node{doc: doc, attributes: map[string]any{}}
	n.format, _ = doc["zarr_format"].(int64)
	switch {
	case n.format == 2:
		n.group = doc["chunks"] == nil && doc["shape"] == nil
	case n.format == 3 && doc["node_type"] == "group":
		n.group = true
		if err := understood(doc); err != nil {
			return nil, err
		}
	case n.format == 3 && doc["node_type"] == "array":
	default:
		return nil, unprocessable("expected zarr_format 2 or 3, and with 3 a node_type of array or group")
	}
	if attributes, ok := doc["attributes"].(map[string]any); ok {
		n.attributes = attributes
	} else if doc["attributes"] != nil {
		return nil, unprocessable("attributes: expected an object")
	}
	return n, nil
}

func (n *node) array() (*array, error) {
	if n.group {
		return nil, unprocessable("is a group")
	}
	if n.format == 2 {
		return parseV2(n.doc)
	}
	return parseV3(n.doc)
}

// readAttributes reads a .zattrs, which need not be there.
func readAttributes(ctx context.Context, src adapter.Source, file string) (map[string]any, error) {
	text, err := readFile(ctx, src, file, maxMetadata)
	if absent(err) {
		return map[string]any{}, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := parseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("zarr %s: %w: %w", file, err, errdef.ErrUnprocessable)
	}
	attributes, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("zarr %s: is no JSON object: %w", file, errdef.ErrUnprocessable)
	}
	return attributes, nil
}

// readFile reads a file of at most limit bytes.
func readFile(ctx context.Context, src adapter.Source, name string, limit int64) ([]byte, error) {
	f, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if f.Size() > limit {
		return nil, fmt.Errorf("zarr %s: %d bytes of metadata, at most %d are read: %w",
			name, f.Size(), limit, errdef.ErrUnprocessable)
	}
	text := make([]byte, f.Size())
	if err := adapter.ReadFull(f, text, 0); err != nil {
		return nil, fmt.Errorf("zarr %s: %w", name, err)
	}
	return text, nil
}

// keys are the members of a group: those of its consolidated metadata, or else
// the folders in it, of which none is opened.
func (n *node) keys(ctx context.Context, src adapter.Source, where string) ([]string, error) {
	all, err := n.consolidated(ctx, src, where)
	if err != nil {
		return nil, err
	}
	if all != nil {
		return children(all), nil
	}
	entries, err := src.ReadDir(ctx, where)
	if err != nil {
		return nil, err
	}
	keys := []string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.Type().IsRegular() {
			continue
		}
		keys = append(keys, e.Name())
	}
	if len(keys) > maxKeys {
		return nil, unsupported("a group of %d members", len(keys))
	}
	return keys, nil
}

// children are the first parts of the paths in consolidated metadata.
func children(all map[string]any) []string {
	keys := []string{}
	for name := range all {
		name, file, _ := strings.Cut(name, "/")
		if name == "" || strings.HasPrefix(name, ".z") && file == "" {
			continue
		}
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// consolidated returns what is said of the members of the group in one place,
// by their paths within it: documents in version 3, and in version 2 the
// files in which they would stand. It is nil if there is nothing.
func (n *node) consolidated(ctx context.Context, src adapter.Source, where string) (map[string]any, error) {
	if n.format == 3 {
		v, _ := n.doc["consolidated_metadata"].(map[string]any)
		all, _ := v["metadata"].(map[string]any)
		return all, nil
	}
	text, err := readFile(ctx, src, path.Join(where, ".zmetadata"), maxConsolidated)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := parseJSON(text)
	if err != nil {
		return nil, unprocessable(".zmetadata: %w", err)
	}
	doc, _ := v.(map[string]any)
	all, ok := doc["metadata"].(map[string]any)
	if !ok {
		return nil, unprocessable(".zmetadata: has no metadata")
	}
	return all, nil
}

// readConsolidated finds a member without metadata of its own in those of the
// root.
func readConsolidated(ctx context.Context, src adapter.Source, where string) (*node, error) {
	root, err := readOwn(ctx, src, ".")
	if err != nil {
		return nil, err
	}
	all, err := root.consolidated(ctx, src, ".")
	if err != nil {
		return nil, fmt.Errorf("zarr: %w", err)
	}
	names := []string{where}
	if root.format == 2 {
		names = []string{where + "/.zarray", where + "/.zgroup"}
	}
	for _, name := range names {
		doc, ok := all[name].(map[string]any)
		if !ok {
			continue
		}
		n, err := nodeOf(doc)
		if err != nil {
			return nil, fmt.Errorf("zarr %s: %w", name, err)
		}
		if attributes, ok := all[where+"/.zattrs"].(map[string]any); ok && n.format == 2 {
			n.attributes = attributes
		}
		return n, nil
	}
	return nil, fmt.Errorf("zarr %s: %w", where, errdef.ErrNotFound)
}
