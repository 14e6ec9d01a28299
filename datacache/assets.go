package datacache

import (
	"context"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// DiscardAsset gives up the blocks and columns of the nodes that a file is
// behind, or a file in a folder of that name, as [Cache.DiscardWhere] does, and
// of all that lies in them. file is a path on the server, or a file URI as
// [adapter.Asset] has it. root is the tree in which the paths given to
// [Cache.Wrap] lead; of each node that something is held of, the files are asked
// for there. Nodes that are gone, or cannot be asked, are given up too.
func (c *Cache) DiscardAsset(ctx context.Context, root adapter.Adapter, file string) int {
	file = assetPath(file)
	concerned := map[string]bool{}
	for _, e := range c.memory.snapshot() {
		if _, known := concerned[e.path]; !known {
			concerned[e.path] = e.key.column != ownValue && behind(ctx, root, e.path, file)
		}
	}
	return c.DiscardWhere(func(e Entry) bool { return e.Column != ownValue && concerned[e.Path] })
}

// behind says whether a file is behind the node at a path, or one above it.
func behind(ctx context.Context, root adapter.Adapter, at, file string) bool {
	node := root
	for key := range strings.SplitSeq(at, "/") {
		next, err := member(ctx, node, key)
		if err != nil {
			return true
		}
		node = next
		holder, ok := adapter.As[adapter.AssetHolder](node)
		if !ok {
			continue
		}
		assets, err := holder.Assets(ctx)
		if err != nil {
			return true
		}
		for _, a := range assets {
			if asset := assetPath(a.URI); within(asset, file) || within(file, asset) {
				return true
			}
		}
	}
	return false
}

func member(ctx context.Context, node adapter.Adapter, key string) (adapter.Adapter, error) {
	container, ok := adapter.As[adapter.Container](node)
	if !ok { // what a file holds is known once it was described
		if _, _, err := node.Describe(ctx); err != nil {
			return nil, err
		}
		if container, ok = adapter.As[adapter.Container](node); !ok {
			return node, nil // a column: its table's files are its own
		}
	}
	return container.Child(ctx, key)
}

// within says whether a path is folder or lies in it.
func within(folder, path string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// assetPath is a path, or that of a file URI, in one form.
func assetPath(file string) string {
	if u, err := url.Parse(file); err == nil && u.Scheme == "file" {
		file = u.Path
	}
	return path.Clean(filepath.ToSlash(file))
}
