package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Item says which files make one thing, and what it is called.
type Item struct {
	// Tree and Path are its identity: the tree's name and the path in it. They
	// are the same on every machine that serves the tree.
	Tree, Path string
	// Dir is the folder, behind the wall, that Names are relative to. Names
	// are the files: one, the members of a sequence in order, or "." for a
	// folder as a whole.
	Dir   string
	Names []string
}

// Node makes an adapter of a format and the files of an item. It is cheap: it
// looks at nothing before it is described. After it has been described, an
// ability (adapter.Array, Table or Container, by the family) is found in it by
// adapter.As, which belongs to the description that was given last.
//
// It implements [adapter.Adapter] and [adapter.AssetHolder] and is safe for
// concurrent use.
type Node struct {
	wall   *Wall
	memory *Memory
	format adapter.Format
	item   Item
	inside []string
	key    adapter.ID
	view   atomic.Pointer[adapter.Adapter]
}

var (
	_ adapter.Adapter     = (*Node)(nil)
	_ adapter.AssetHolder = (*Node)(nil)
)

// New makes the node of an item, or, with inside not empty, of a member within
// its files. Slices are kept and must not be written to.
func New(w *Wall, m *Memory, f adapter.Format, item Item, inside []string) *Node {
	n := &Node{wall: w, memory: m, format: f, item: item, inside: inside}
	h := sha256.New()
	// Another library may read what this one refuses, or read it otherwise.
	kind := f.Kind()
	hashText(h, m.salt, item.Tree, item.Path, kind.Name, kind.Reads, kind.Missing, item.Dir)
	hashText(h, item.Names...)
	hashText(h, "")
	hashText(h, inside...)
	n.key = adapter.ID(h.Sum(nil)[:16])
	return n
}

// Describe implements [adapter.Adapter]. What the format said before is
// remembered as long as the files have the same stamps, errors about the files
// included; a look into them that takes longer than the memory's Wait goes on
// while who asked is told errdef.ErrUnavailable. With an error the version
// names the state that the error belongs to, trusted if it will stay so.
func (n *Node) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	r, err := n.memory.describe(ctx, n)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	version := adapter.Version{ID: r.id, Trusted: r.trusted, Modified: r.modified}
	if r.err != nil {
		return nil, version, r.err
	}
	view := n.seen(r)
	n.view.Store(&view)
	return r.d, version, nil
}

// Unwrap gives the view of the description that was given last, if any.
func (n *Node) Unwrap() adapter.Adapter {
	if view := n.view.Load(); view != nil {
		return *view
	}
	return nil
}

// seen is the node as what it was described to be.
func (n *Node) seen(r *record) adapter.Adapter {
	switch r.d.Family {
	case structure.FamilyArray:
		return array{n, r}
	case structure.FamilyTable:
		return table{n, r}
	case structure.FamilyContainer:
		return container{n, r}
	default:
		return nil
	}
}

// container is a node that was described as one.
type container struct {
	node *Node
	r    *record
}

var _ adapter.Container = container{}

// Describe implements [adapter.Adapter].
func (c container) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	return c.node.Describe(ctx)
}

// Child implements [adapter.Container].
func (c container) Child(_ context.Context, key string) (adapter.Adapter, error) {
	if !c.r.has(key) {
		return nil, fmt.Errorf("%s: has no member %q: %w", c.node.item.Path, key, errdef.ErrNotFound)
	}
	n := c.node
	return New(n.wall, n.memory, n.format, n.item, append(slices.Clone(n.inside), key)), nil
}

// shielded runs a format's code. A fault in it that panics is an error about
// the one file, and no harm to anybody else: what formats parse was written by
// others, and this is the only place where that is caught. What a format
// starts in goroutines of its own is its own to guard.
func (n *Node) shielded(run func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			n.memory.log.LogAttrs(context.Background(), slog.LevelError, "a format failed on a file",
				slog.String("format", n.format.Kind().Name), slog.String("path", n.item.Path), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("%s: the %s reader failed on this file: %w", n.item.Path, n.format.Kind().Name, errdef.ErrUnprocessable)
		}
	}()
	return run()
}

// Fork is a node of the same files that was not described yet. It saves making
// the name of the node again, which for a long sequence takes a while.
func (n *Node) Fork() *Node {
	return &Node{wall: n.wall, memory: n.memory, format: n.format, item: n.item, inside: n.inside, key: n.key}
}

// Member says whether the node lies inside its files.
func (n *Node) Member() bool { return len(n.inside) > 0 }
