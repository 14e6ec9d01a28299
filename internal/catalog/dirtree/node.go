package dirtree

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/structure"
)

// node makes the adapter of an item in a folder. Nothing is looked at, so a
// link is followed only when it is described.
func (t *Tree) node(at string, it *item) adapter.Adapter {
	full := under(at, it.names[0])
	switch {
	case it.format != nil:
		return t.leaf(at, it, it.format)
	case it.what == aThing:
		return refused{name: full}
	case it.what == aLink:
		return &link{tree: t, at: at, item: it}
	case it.what == aFolder:
		return t.inFolder(full, it)
	}
	return t.inFile(at, it)
}

// under is the name behind the wall of an entry of a folder.
func under(folder, entry string) string {
	if folder == "." {
		return entry
	}
	return folder + "/" + entry
}

// inFolder is the node of a folder: one item, or a container.
func (t *Tree) inFolder(full string, it *item) adapter.Adapter {
	if f := t.rules.folder(it.names[0]); f != nil {
		it.once.Do(func() {
			it.node = source.New(t.wall, t.memory, f, source.Item{Tree: t.opts.Name, Path: full, Dir: full, Names: []string{"."}}, nil)
		})
		return it.node.Fork()
	}
	return &folder{tree: t, at: full}
}

// inFile is the node of a file.
func (t *Tree) inFile(at string, it *item) adapter.Adapter {
	f, mediaType := t.rules.file(it.names[0])
	if f != nil {
		return t.leaf(at, it, f)
	}
	return blob{Node: t.leaf(at, it, anyBytes{mediaType}), tree: t, full: under(at, it.names[0]), mediaType: mediaType}
}

func (t *Tree) leaf(at string, it *item, f adapter.Format) *source.Node {
	it.once.Do(func() {
		// The identity of a sequence is its name: its members come and go.
		name := it.group
		if it.format != nil {
			name = strings.ReplaceAll(it.group, "\x00", "*")
		}
		it.node = source.New(t.wall, t.memory, f, source.Item{Tree: t.opts.Name, Path: under(at, name), Dir: at, Names: it.names}, nil)
	})
	return it.node.Fork()
}

// blob is any file that no format reads: its description is its stamp, and is
// not worth remembering.
type blob struct {
	*source.Node
	tree            *Tree
	full, mediaType string
}

// Describe implements [adapter.Adapter].
func (b blob) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	stamp, mode, err := b.tree.wall.Stat(ctx, b.full)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	if !mode.IsRegular() {
		return refused{b.full}.Describe(ctx)
	}
	d := &adapter.Description{Family: structure.FamilyBytes, Metadata: map[string]any{}, MediaType: b.mediaType}
	return d, stamped(b.tree.wall.Trusted(b.full, stamp), stamp, b.tree.opts.Name, b.full), nil
}

// anyBytes is the format of blobs, which only their downloads need.
type anyBytes struct{ mediaType string }

// Kind implements [adapter.Format].
func (a anyBytes) Kind() adapter.Kind { return adapter.Kind{Name: "bytes", MediaType: a.mediaType} }

// Describe implements [adapter.Format].
func (a anyBytes) Describe(ctx context.Context, src adapter.Source, _ []string) (*adapter.Description, error) {
	_, err := src.Stat(ctx, src.Names()[0])
	return &adapter.Description{Family: structure.FamilyBytes, MediaType: a.mediaType}, err
}

// Open implements [adapter.Format].
func (a anyBytes) Open(adapter.Source, []string, *adapter.Description) (any, error) {
	return nil, fmt.Errorf("files of any bytes have no parts to read: %w", errdef.ErrNotAllowed)
}

// refused is an entry that is no file and no folder.
type refused struct{ name string }

// Describe implements [adapter.Adapter].
func (r refused) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return nil, catalog.VersionOf(true, "refused", r.name),
		fmt.Errorf("%s: is a fifo, a socket or a device, which is not opened: %w", r.name, errdef.ErrUnprocessable)
}

// link is an entry that leads elsewhere; what it is shows when it is followed.
type link struct {
	tree *Tree
	at   string
	item *item

	mu     sync.Mutex
	target adapter.Adapter
}

// follow looks where the link leads, and makes the node of that.
func (l *link) follow(ctx context.Context) (adapter.Adapter, error) {
	full := under(l.at, l.item.names[0])
	_, mode, err := l.tree.wall.Stat(ctx, full)
	if errors.Is(err, errdef.ErrNotFound) {
		err = fmt.Errorf("%s: is a link that leads nowhere: %w", full, errdef.ErrGone)
	}
	if err != nil {
		return nil, err
	}
	var target adapter.Adapter
	// The node is not kept in the item: the link may lead elsewhere next time.
	own := &item{key: l.item.key, group: l.item.group, names: l.item.names, what: kindOf(mode)}
	switch kindOf(mode) {
	case aFolder:
		target = l.tree.inFolder(full, own)
	case aFile:
		target = l.tree.inFile(l.at, own)
	default:
		target = refused{full}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = target
	return target, nil
}

// Describe implements [adapter.Adapter].
func (l *link) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	target, err := l.follow(ctx)
	if err != nil {
		return nil, catalog.VersionOf(false, "link", l.at, l.item.key), err
	}
	return target.Describe(ctx)
}

// Unwrap is what the link led to when it was described last.
func (l *link) Unwrap() adapter.Adapter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target
}

// stamped is the version of something that is what its stamp says.
func stamped(trusted bool, s adapter.Stamp, parts ...string) adapter.Version {
	number := func(n int64) string { return strconv.FormatInt(n, 36) }
	parts = append(parts, number(int64(s.Inode)), number(s.Size), number(s.Mtime), number(s.Ctime)) //nolint:gosec // any bijection will do
	v := catalog.VersionOf(trusted, parts...)
	v.Modified = s.Modified()
	return v
}
