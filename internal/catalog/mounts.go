package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Mount is a tree and where it hangs: "/" or "a/b".
type Mount struct {
	Path string
	Root adapter.Adapter
}

// NewMounts makes one tree of several. A single one at "/" is its own root;
// otherwise the folders on the way are containers in the order of the mounts.
// One mount below or at another is errdef.ErrInvalid.
func NewMounts(mounts []Mount) (adapter.Adapter, error) {
	top := &branch{}
	for _, m := range mounts {
		path := strings.FieldsFunc(m.Path, func(r rune) bool { return r == '/' })
		if len(path) == 0 {
			if len(mounts) > 1 {
				return nil, fmt.Errorf("trees: one hangs at %q, where the others would lie below it: %w", m.Path, errdef.ErrInvalid)
			}
			return m.Root, nil
		}
		if err := top.add(path, m.Root); err != nil {
			return nil, fmt.Errorf("trees: %q: %w", m.Path, err)
		}
	}
	top.settle("")
	return top, nil
}

// branch is a container that exists only because trees hang below it.
type branch struct {
	members     map[string]adapter.Adapter
	keys        []string
	description *adapter.Description
	version     adapter.Version
}

func (b *branch) add(path []string, root adapter.Adapter) error {
	key := path[0]
	have, taken := b.members[key]
	if b.members == nil {
		b.members = map[string]adapter.Adapter{}
	}
	below, isBranch := have.(*branch)
	switch {
	case !taken && len(path) == 1:
		b.members[key] = root
	case !taken:
		below = &branch{}
		b.members[key] = below
		b.keys = append(b.keys, key)
		return below.add(path[1:], root)
	case isBranch && len(path) > 1:
		return below.add(path[1:], root)
	default:
		return fmt.Errorf("another tree hangs there, above or below: %w", errdef.ErrInvalid)
	}
	b.keys = append(b.keys, key)
	return nil
}

func (b *branch) settle(at string) {
	b.description = &adapter.Description{Family: structure.FamilyContainer, Keys: slices.Clone(b.keys), Metadata: map[string]any{}}
	b.version = VersionOf(true, append([]string{"mounts", at}, b.keys...)...)
	for key, member := range b.members {
		if below, ok := member.(*branch); ok {
			below.settle(at + "/" + key)
		}
	}
}

// Describe implements [adapter.Adapter].
func (b *branch) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return b.description, b.version, nil
}

// Child implements [adapter.Container].
func (b *branch) Child(_ context.Context, key string) (adapter.Adapter, error) {
	if member, ok := b.members[key]; ok {
		return member, nil
	}
	return nil, fmt.Errorf("no tree is called %q: %w", key, errdef.ErrNotFound)
}
