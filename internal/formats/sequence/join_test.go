package sequence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// part is an array in memory, whose elements are bytes.
type part struct {
	data         []byte
	d            *adapter.Description
	v            byte // its version
	racy         bool
	looks, reads atomic.Int64
}

func newPart(shape, block []int64, seed byte) *part {
	n := int64(1)
	for _, extent := range shape {
		n *= extent
	}
	p := &part{data: make([]byte, n), v: seed}
	for i := range p.data {
		p.data[i] = seed + byte(i)*7
	}
	p.d = &adapter.Description{
		Family: structure.FamilyArray,
		Array: &structure.Array{
			DataType: structure.DType{Kind: 'u', ItemSize: 1}, Shape: shape, Chunks: structure.RegularChunks(shape, block),
		},
		Grid: ndslice.Grid{Shape: shape, Block: block}, Metadata: map[string]any{"seed": int64(seed)},
	}
	return p
}

func (p *part) version() adapter.Version {
	return adapter.Version{ID: adapter.ID{p.v}, Trusted: !p.racy, Pin: p.v}
}

func (p *part) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	p.looks.Add(1)
	return p.d, p.version(), nil
}

func (p *part) Version(_ context.Context, d *adapter.Description, _ ndslice.Selection) (adapter.Version, error) {
	if d != p.d {
		return adapter.Version{}, errdef.ErrChanged
	}
	return p.version(), nil
}

func (p *part) BlockID(v adapter.Version, block []int64) adapter.BlockID {
	return adapter.BlockID{ID: adapter.ID{v.ID[0], byte(block[0])}, Trusted: v.Trusted}
}

func (p *part) ReadBlock(_ context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	p.reads.Add(1)
	if v.Pin != p.v {
		return adapter.Block{}, errdef.ErrChanged
	}
	sel := p.d.Grid.Of(block)
	out := make([]byte, sel.Len())
	whole := ndslice.Grid{Shape: p.d.Grid.Shape, Block: atLeastOne(p.d.Grid.Shape)}
	for piece := range sel.Plan(whole) {
		if err := ndslice.Gather(out, sel, piece, p.data, piece.Shape, 1); err != nil {
			return adapter.Block{}, err
		}
	}
	return adapter.Block{Data: out, Shape: p.d.Grid.BlockShape(block)}, nil
}

func atLeastOne(shape []int64) []int64 {
	out := slices.Clone(shape)
	for i := range out {
		out[i] = max(out[i], 1)
	}
	return out
}

func join(stack bool, axis int, parts ...*part) *sequence.Joined {
	names, nodes := make([]string, len(parts)), make([]adapter.Adapter, len(parts))
	for i, p := range parts {
		names[i], nodes[i] = fmt.Sprintf("part%d", i), p
	}
	return sequence.Join(sequence.Joining{
		Name: "/joined", Stack: stack, Axis: axis,
		Members: func(context.Context) ([]string, []adapter.Adapter, error) { return names, nodes, nil },
	})
}

// take reads a selection of the whole through its blocks.
func take(ctx context.Context, j *sequence.Joined, sel ndslice.Selection) ([]byte, error) {
	d, _, err := j.Describe(ctx)
	if err != nil {
		return nil, err
	}
	v, err := j.Version(ctx, d, sel)
	if err != nil {
		return nil, err
	}
	out := make([]byte, sel.Len())
	for piece := range sel.Plan(d.Grid) {
		block, err := j.ReadBlock(ctx, v, piece.Block)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(block.Shape, piece.Shape) {
			return nil, fmt.Errorf("block %v has shape %v, not %v", piece.Block, block.Shape, piece.Shape)
		}
		if id := j.BlockID(v, piece.Block); id.ID == (adapter.ID{}) {
			return nil, fmt.Errorf("block %v has no name", piece.Block)
		}
		if err := ndslice.Gather(out, sel, piece, block.Data, piece.Shape, 1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// element is what numpy.stack and numpy.concatenate put at an index.
func element(parts []*part, stack bool, axis int, index []int64) byte {
	at := slices.Clone(index)
	member := 0
	if stack {
		member = int(at[axis])
		at = slices.Delete(at, axis, axis+1)
	} else {
		for at[axis] >= parts[member].d.Array.Shape[axis] {
			at[axis] -= parts[member].d.Array.Shape[axis]
			member++
		}
	}
	flat := int64(0)
	for i, extent := range parts[member].d.Array.Shape {
		flat = flat*extent + at[i]
	}
	return parts[member].data[flat]
}

// TestJoinIsNumpys draws members, blocks, an axis and a selection, and compares
// each element.
func TestJoinIsNumpys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stack := rapid.Bool().Draw(t, "stack")
		axes := rapid.IntRange(1, 3).Draw(t, "axes")
		shape := make([]int64, axes)
		for i := range shape {
			shape[i] = rapid.Int64Range(1, 6).Draw(t, "extent")
		}
		all := axes
		if stack {
			all++
		}
		axis := rapid.IntRange(0, all-1).Draw(t, "axis")
		var parts []*part
		total := slices.Clone(shape)
		if stack {
			total = slices.Insert(total, axis, 0)
		} else {
			total[axis] = 0
		}
		for i := range rapid.IntRange(1, 5).Draw(t, "members") {
			own, block := slices.Clone(shape), make([]int64, axes)
			if !stack {
				own[axis] = rapid.Int64Range(0, 6).Draw(t, "length")
				total[axis] += own[axis]
			} else {
				total[axis]++
			}
			for k := range block {
				block[k] = rapid.Int64Range(1, 7).Draw(t, "block")
			}
			parts = append(parts, newPart(own, block, byte(i*31)))
		}
		sel := make(ndslice.Selection, all)
		for i, extent := range total {
			var s ndslice.Part
			start, stop := rapid.Int64Range(-8, 8).Draw(t, "start"), rapid.Int64Range(-40, 40).Draw(t, "stop")
			step := rapid.SampledFrom([]int64{1, 1, 2, 3, -1, -2, 7}).Draw(t, "step")
			s = ndslice.Part{Start: &start, Stop: &stop, Step: &step}
			one, err := ndslice.Slice{s}.Normalise([]int64{extent})
			if err != nil {
				t.Fatal(err)
			}
			sel[i] = one[0]
		}
		asked := axis
		if rapid.Bool().Draw(t, "from the end") {
			asked -= all
		}
		j := join(stack, asked, parts...)
		got, err := take(context.Background(), j, sel)
		if err != nil {
			t.Fatal(err)
		}
		d, _, _ := j.Describe(context.Background())
		if !slices.Equal(d.Array.Shape, total) {
			t.Fatalf("shape %v, want %v", d.Array.Shape, total)
		}
		var want []byte
		walk(sel, nil, func(index []int64) { want = append(want, element(parts, stack, axis, index)) })
		if !bytes.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func walk(sel ndslice.Selection, index []int64, yield func([]int64)) {
	if len(sel) == 0 {
		yield(index)
		return
	}
	for k := range sel[0].Count {
		walk(sel[1:], append(slices.Clone(index), sel[0].Start+k*sel[0].Step), yield)
	}
}

// TestJoinTouchesOnly: stacking looks at the first member and those read,
// concatenating at all; only those that are touched are read.
func TestJoinTouchesOnly(t *testing.T) {
	for _, stack := range []bool{true, false} {
		parts := make([]*part, 50)
		for i := range parts {
			parts[i] = newPart([]int64{2, 3}, []int64{1, 3}, byte(i))
		}
		j := join(stack, 0, parts...)
		d, _, err := j.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sel := ndslice.All(d.Array.Shape)
		sel[0] = ndslice.Axis{Start: 20, Step: 1, Count: 1}
		if _, err := take(t.Context(), j, sel); err != nil {
			t.Fatal(err)
		}
		member := 20
		if !stack {
			member = 10
		}
		for i, p := range parts {
			if looked := p.looks.Load() > 0; looked != (!stack || i == 0 || i == member) {
				t.Errorf("stack %v: member %d was looked at: %v", stack, i, looked)
			}
			if read := p.reads.Load() > 0; read != (i == member) {
				t.Errorf("stack %v: member %d was read: %v", stack, i, read)
			}
		}
	}
}

// TestJoinVersions: a version is of what is touched, and changes with it alone;
// what is not sure of its place is not trusted.
func TestJoinVersions(t *testing.T) {
	parts := []*part{newPart([]int64{2}, []int64{1}, 1), newPart([]int64{2}, []int64{1}, 2), newPart([]int64{2}, []int64{1}, 3)}
	version := func(start int64, parts ...*part) adapter.Version {
		t.Helper()
		j := join(false, 0, parts...)
		d, _, err := j.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v, err := j.Version(t.Context(), d, ndslice.Selection{{Start: start, Step: 1, Count: 1}})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first, second := version(0, parts...), version(2, parts...)
	if version(0, parts[:2]...).ID != first.ID || first.ID == second.ID {
		t.Error("a member that was added changed what was there")
	}
	parts[1].racy = true
	if !version(0, parts...).Trusted || version(2, parts...).Trusted || version(4, parts...).Trusted {
		t.Error("trust does not end at the member that may be changing")
	}
	parts[1].v = 9
	if version(0, parts...).ID != first.ID || version(2, parts...).ID == second.ID {
		t.Error("a change is not in the version of what it changed, alone")
	}
}

// TestJoinRefuses: what cannot be joined is an error that names it.
func TestJoinRefuses(t *testing.T) {
	one := newPart([]int64{2, 3}, []int64{1, 3}, 1)
	wide, deep := newPart([]int64{2, 4}, []int64{1, 4}, 2), newPart([]int64{2, 3, 1}, []int64{1, 3, 1}, 3)
	other := newPart([]int64{2, 3}, []int64{1, 3}, 4)
	other.d.Array.DataType.Kind = 'i'
	for name, test := range map[string]struct {
		j    *sequence.Joined
		want string
	}{
		"wide":       {join(true, 0, one, wide), "part1: has the shape [2 4]"},
		"deep":       {join(false, 0, one, deep), "part1: has the shape [2 3 1]"},
		"type":       {join(false, 0, one, other), "part1: has elements of type"},
		"axis":       {join(false, 2, one), "axis 2"},
		"axis below": {join(true, -4, one), "axis -4"},
		"scalars":    {join(false, 0, newPart(nil, nil, 1)), "axis 0"},
	} {
		d, _, err := test.j.Describe(t.Context())
		if err == nil {
			_, err = test.j.Version(t.Context(), d, ndslice.All(d.Array.Shape))
		}
		if !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := join(true, 0).Describe(t.Context()); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("nothing to join: got %v", err)
	}
}
