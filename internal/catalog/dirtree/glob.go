package dirtree

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// Glob is the files of a tree that a pattern matches, as they are now. It is
// safe for concurrent use.
type Glob struct {
	tree   *Tree
	parts  []string
	inside []string

	mu    sync.Mutex
	names []string
	nodes []adapter.Adapter
}

// Glob finds files: pattern is a path in the tree, in each part of which
// `*`, `?` and `[a-z]` stand for what [path.Match] says. Hidden files are left
// out, as everywhere in the tree. inside names a member within each of the
// files and is empty for the file itself. A pattern that is none is
// errdef.ErrInvalid.
func (t *Tree) Glob(pattern string, inside []string) (*Glob, error) {
	if _, err := path.Match(pattern, ""); err != nil || !valid(pattern) {
		return nil, fmt.Errorf("tree %s: %q is no pattern of files in the folder, such as run*/scan_*.h5: %w", t.opts.Name, pattern, errdef.ErrInvalid)
	}
	return &Glob{tree: t, parts: strings.Split(pattern, "/"), inside: inside}, nil
}

// valid says whether a pattern stays in the folder.
func valid(pattern string) bool {
	return pattern != "" && pattern != "." && path.Clean(pattern) == pattern && pattern[0] != '/' &&
		!strings.HasPrefix(pattern+"/", "../")
}

// Members are the files in natural order, and their adapters. Nothing is
// opened: it costs a look at each folder that the pattern leads into. While
// the names stay the same the same slices are given; they are not written to.
// A file that nothing reads is errdef.ErrUnsupported.
func (g *Glob) Members(ctx context.Context) (names []string, nodes []adapter.Adapter, err error) {
	found, err := g.find(ctx, ".", g.parts)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(found, natural)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.nodes != nil && slices.Equal(found, g.names) {
		return g.names, g.nodes, nil
	}
	known := make(map[string]adapter.Adapter, len(g.names))
	for i, name := range g.names {
		known[name] = g.nodes[i]
	}
	nodes = make([]adapter.Adapter, len(found))
	for i, name := range found {
		node, ok := known[name]
		if !ok {
			if node, err = g.node(name); err != nil {
				return nil, nil, err
			}
		}
		nodes[i] = node
	}
	g.names, g.nodes = found, nodes
	return found, nodes, nil
}

// find lists what the rest of the pattern matches in a folder.
func (g *Glob) find(ctx context.Context, at string, parts []string) ([]string, error) {
	l, _, err := g.tree.list(ctx, at)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, it := range l.items {
		for _, name := range it.names {
			if ok, _ := path.Match(parts[0], name); !ok {
				continue
			}
			if len(parts) == 1 {
				found = append(found, under(at, name))
				continue
			}
			if it.what != aFolder {
				continue
			}
			more, err := g.find(ctx, under(at, name), parts[1:])
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	return found, nil
}

// node is the adapter of a file, or of a folder that is one item.
func (g *Glob) node(full string) (adapter.Adapter, error) {
	t, name := g.tree, path.Base(full)
	if f := t.rules.folder(name); f != nil {
		return source.New(t.wall, t.memory, f, source.Item{Tree: t.opts.Name, Path: full, Dir: full, Names: []string{"."}}, g.inside), nil
	}
	f, _ := t.rules.file(name)
	if f == nil {
		return nil, fmt.Errorf("%s: nothing here reads such a file; leave it out by the pattern, or name its type with 'ext': %w", full, errdef.ErrUnsupported)
	}
	return source.New(t.wall, t.memory, f, source.Item{Tree: t.opts.Name, Path: full, Dir: path.Dir(full), Names: []string{name}}, g.inside), nil
}

// Assets lists the files themselves, to be downloaded as they are.
func (g *Glob) assets(ctx context.Context) (*source.Node, error) {
	names, nodes, err := g.Members(ctx)
	if err != nil {
		return nil, err
	}
	mediaType := "application/octet-stream"
	if len(nodes) > 0 {
		if f, _ := g.tree.rules.file(path.Base(names[0])); f != nil {
			mediaType = f.Kind().MediaType
		}
	}
	return source.New(g.tree.wall, g.tree.memory, files{anyBytes{mediaType}}, source.Item{Tree: g.tree.opts.Name, Path: strings.Join(g.parts, "/"), Dir: ".", Names: names}, nil), nil
}

// files is the format of many files, which only their downloads need.
type files struct{ anyBytes }

// Kind implements [adapter.Format].
func (f files) Kind() adapter.Kind {
	k := f.anyBytes.Kind()
	k.Sequence = true
	return k
}

// Assets implements [adapter.AssetHolder].
func (g *Glob) Assets(ctx context.Context) ([]adapter.Asset, error) {
	n, err := g.assets(ctx)
	if err != nil {
		return nil, err
	}
	return n.Assets(ctx)
}

// OpenAsset implements [adapter.AssetHolder].
func (g *Glob) OpenAsset(ctx context.Context, id int, relative string) (adapter.File, adapter.Version, error) {
	n, err := g.assets(ctx)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	return n.OpenAsset(ctx, id, relative)
}

// Manifest implements [adapter.AssetHolder].
func (g *Glob) Manifest(ctx context.Context, id int) ([]string, error) {
	n, err := g.assets(ctx)
	if err != nil {
		return nil, err
	}
	return n.Manifest(ctx, id)
}
