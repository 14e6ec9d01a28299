// Package demo is a small tree made on the fly: what `terrazzo serve demo`
// shows. It has no files, and is the shortest example of adapters that compute
// what they serve.
package demo

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Tree returns the root of the tree: a detector stack, a table of spectra, an
// image and folders. It never changes.
func Tree() adapter.Adapter {
	return folder("", map[string]any{"title": "Terrazzo demo"}, map[string]adapter.Adapter{
		"scan": folder("scan", map[string]any{"sample": "nickel", "temperature": 295.5, "plan": "count"}, map[string]adapter.Adapter{
			"detector": detector(),
			"spectra":  spectra(),
		}),
		"image": image(),
		"nested": folder("nested", map[string]any{"depth": int64(1)}, map[string]adapter.Adapter{
			"deeper": folder("deeper", map[string]any{"depth": int64(2)}, map[string]adapter.Adapter{"line": line()}),
		}),
	})
}

// revision is part of every version here: raise it when the demo changes.
const revision = "1"

func version(name string) adapter.Version {
	sum := sha256.Sum256([]byte(revision + " " + name))
	return adapter.Version{ID: adapter.ID(sum[:16]), Trusted: true}
}

// container is a folder with members that are all there.
type container struct {
	desc    *adapter.Description
	version adapter.Version
	members map[string]adapter.Adapter
}

func folder(name string, metadata map[string]any, members map[string]adapter.Adapter) adapter.Adapter {
	return &container{
		desc:    &adapter.Description{Family: structure.FamilyContainer, Metadata: metadata, Keys: slices.Sorted(maps.Keys(members))},
		version: version("folder " + name), members: members,
	}
}

func (f *container) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return f.desc, f.version, nil
}

func (f *container) Child(_ context.Context, key string) (adapter.Adapter, error) {
	if member, ok := f.members[key]; ok {
		return member, nil
	}
	return nil, fmt.Errorf("%q: no such member: %w", key, errdef.ErrNotFound)
}

// computed is an array whose elements are a function of their place.
type computed struct {
	desc    *adapter.Description
	version adapter.Version
	// put writes the element at index into its bytes.
	put func(out []byte, index []int64)
}

func newArray(name string, t structure.DType, shape, block []int64, dims []string, metadata map[string]any, put func([]byte, []int64)) adapter.Adapter {
	return &computed{
		desc: &adapter.Description{
			Family: structure.FamilyArray, Metadata: metadata, MediaType: "application/octet-stream",
			Array: &structure.Array{DataType: t, Shape: shape, Chunks: structure.RegularChunks(shape, block), Dims: dims},
			Grid:  ndslice.Grid{Shape: shape, Block: block},
		},
		version: version("array " + name), put: put,
	}
}

func (a *computed) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return a.desc, a.version, nil
}

func (a *computed) Version(context.Context, *adapter.Description, ndslice.Selection) (adapter.Version, error) {
	return a.version, nil
}

func (a *computed) BlockID(v adapter.Version, _ []int64) adapter.BlockID {
	return adapter.BlockID{ID: v.ID, Trusted: true}
}

// ReadBlock computes the block element by element, in C order.
func (a *computed) ReadBlock(ctx context.Context, _ adapter.Version, block []int64) (adapter.Block, error) {
	if !a.desc.Grid.Contains(block) {
		return adapter.Block{}, fmt.Errorf("demo: block %v: %w", block, errdef.ErrNotFound)
	}
	shape := a.desc.Grid.BlockShape(block)
	item := int(a.desc.Array.DataType.ItemSize)
	index := make([]int64, len(shape))
	for i := range index {
		index[i] = block[i] * a.desc.Grid.Block[i]
	}
	first := slices.Clone(index)
	data := make([]byte, ndslice.All(shape).Len()*int64(item))
	for at := 0; at < len(data); at += item {
		if at%(1<<16) == 0 && ctx.Err() != nil {
			return adapter.Block{}, ctx.Err()
		}
		a.put(data[at:at+item], index)
		for axis := len(index) - 1; axis >= 0; axis-- {
			if index[axis]++; index[axis] < first[axis]+shape[axis] {
				break
			}
			index[axis] = first[axis]
		}
	}
	return adapter.Block{Data: data, Shape: shape}, nil
}
