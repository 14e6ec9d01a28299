package sequence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// layout is how members make a whole. It is immutable once arranged.
type layout struct {
	j     *Joined
	names []string
	nodes []adapter.Adapter
	// arrays are the members that were looked at: all, or the first.
	arrays []array
	axis   int
	// ends are where each member ends along the axis; nil for a stack.
	ends []int64
	// exact says that each block is a block of one member.
	exact bool
	d     *adapter.Description
}

// pin is a version: the members that it is of, and theirs.
type pin struct {
	l       *layout
	touched []touch
	arrays  []array // one for each touched
}

// touch is a member and what is wanted of it.
type touch struct {
	member int
	sel    ndslice.Selection // nil for all
}

func layoutOf(d *adapter.Description) (*layout, error) {
	live, err := d.Live(func() (any, error) {
		return nil, errors.New("the description is another's")
	})
	l, ok := live.(*layout)
	if err != nil || !ok {
		return nil, fmt.Errorf("joined arrays: %w: %w", err, errdef.ErrInvalid)
	}
	return l, nil
}

// same says whether another look found what this is of.
func (l *layout) same(names []string, arrays []array) bool {
	return &l.names[0] == &names[0] && len(l.names) == len(names) &&
		slices.EqualFunc(l.arrays, arrays, func(a, b array) bool {
			return a.d == b.d && a.v.ID == b.v.ID && a.v.Trusted == b.v.Trusted
		})
}

func (l *layout) stacked() int {
	if l.j.o.Stack {
		return 1
	}
	return 0
}

// arrange checks the members against the first and describes the whole.
func (l *layout) arrange() error {
	one := l.arrays[0].d
	axes := len(one.Array.Shape) + l.stacked()
	l.axis = l.j.o.Axis
	if l.axis < 0 {
		l.axis += axes
	}
	if l.axis < 0 || l.axis >= axes || axes > maxAxes {
		return fmt.Errorf("%s: axis %d: the result has %d axes, and may have 1 to %d: %w", l.j.o.Name, l.j.o.Axis, axes, maxAxes, errdef.ErrUnprocessable)
	}
	for i := range l.arrays {
		if err := l.compare(l.names[i], l.arrays[i].d); err != nil {
			return err
		}
		l.arrays[i].grid = l.grid(l.arrays[i].d)
	}
	length := int64(len(l.names))
	if !l.j.o.Stack {
		var ok bool
		l.ends = make([]int64, len(l.names))
		length = 0
		for i, a := range l.arrays {
			if length, ok = sum(length, a.d.Array.Shape[l.axis]); !ok {
				return fmt.Errorf("%s: %s: the files together are too long: %w", l.j.o.Name, l.names[i], errdef.ErrUnprocessable)
			}
			l.ends[i] = length
		}
	}
	return l.describe(one, length)
}

// grid is that of a member, with the new axis if there is one.
func (l *layout) grid(d *adapter.Description) ndslice.Grid {
	if !l.j.o.Stack {
		return d.Grid
	}
	return ndslice.Grid{
		Shape: slices.Insert(slices.Clone(d.Grid.Shape), l.axis, 1),
		Block: slices.Insert(slices.Clone(d.Grid.Block), l.axis, 1),
	}
}

// describe makes the description of the whole.
func (l *layout) describe(one *adapter.Description, length int64) error {
	g := l.grid(one)
	shape, block := slices.Clone(g.Shape), slices.Clone(g.Block)
	shape[l.axis] = length
	if !l.j.o.Stack {
		block[l.axis] = l.step(block)
	}
	if _, ok := structure.DataSize(shape, one.Array.DataType.ItemSize); !ok {
		return fmt.Errorf("%s: the files together have more bytes than can be counted: %w", l.j.o.Name, errdef.ErrUnprocessable)
	}
	l.exact = true
	for i, end := range l.ends {
		l.exact = l.exact && slices.Equal(l.arrays[i].grid.Block, block) && (end%block[l.axis] == 0 || i == len(l.ends)-1)
	}
	d := &adapter.Description{
		Family: structure.FamilyArray,
		Array: &structure.Array{
			DataType: one.Array.DataType, Shape: shape, Chunks: l.chunks(one), Dims: slices.Clone(one.Array.Dims),
		},
		Grid: ndslice.Grid{Shape: shape, Block: block}, Metadata: one.Metadata, MediaType: one.MediaType,
	}
	if l.j.o.Stack && d.Array.Dims != nil {
		d.Array.Dims = slices.Insert(d.Array.Dims, l.axis, "file")
	}
	l.d = d
	_, err := d.Live(func() (any, error) { return l, nil })
	return err
}

// wholeFile is up to which size the files themselves are the blocks.
const wholeFile = 8 << 20

// step is the extent of blocks along the axis: that of the first file's blocks,
// or the file's own, if blocks would else reach over the ends of files.
func (l *layout) step(block []int64) int64 {
	rows := l.arrays[0].d.Array.Shape[l.axis]
	step := max(block[l.axis], 1)
	if rows == 0 || rows%step == 0 {
		return step
	}
	whole := slices.Clone(block)
	whole[l.axis] = rows
	if size, ok := structure.DataSize(whole, l.arrays[0].d.Array.DataType.ItemSize); ok && size <= wholeFile {
		return rows
	}
	return step
}

// chunks are those of the files, as they follow each other.
func (l *layout) chunks(one *adapter.Description) [][]int64 {
	if l.j.o.Stack {
		each := slices.Repeat([]int64{1}, len(l.names))
		return slices.Insert(slices.Clone(one.Array.Chunks), l.axis, each)
	}
	chunks := slices.Clone(one.Array.Chunks)
	chunks[l.axis] = nil
	for _, a := range l.arrays {
		chunks[l.axis] = append(chunks[l.axis], a.d.Array.Chunks[l.axis]...)
	}
	return chunks
}

// compare says what makes a member one that cannot be joined to the first.
func (l *layout) compare(name string, d *adapter.Description) error {
	one := l.arrays[0].d
	want, got := slices.Clone(one.Array.Shape), slices.Clone(d.Array.Shape)
	if !l.j.o.Stack && len(want) == len(got) {
		want[l.axis], got[l.axis] = -1, -1
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("%s: %s: has the shape %v, which does not go with %v of the first file, %s: %w",
			l.j.o.Name, name, d.Array.Shape, one.Array.Shape, l.names[0], errdef.ErrUnprocessable)
	}
	if got, want := d.Array.DataType.String(), one.Array.DataType.String(); got != want {
		return fmt.Errorf("%s: %s: has elements of type %.200s, the first file, %s, has %.200s: %w",
			l.j.o.Name, name, got, l.names[0], want, errdef.ErrUnprocessable)
	}
	return nil
}

// trusted says whether it is sure where the members from first to last lie.
func (l *layout) trusted(a, b int) bool {
	if l.j.o.Stack {
		return l.arrays[0].v.Trusted
	}
	for _, m := range l.arrays[:max(a, b)] {
		if !m.v.Trusted {
			return false
		}
	}
	return true
}

// offset is where a member begins along the axis.
func (l *layout) offset(member int) int64 {
	switch {
	case l.j.o.Stack:
		return int64(member)
	case member == 0:
		return 0
	}
	return l.ends[member-1]
}

func (l *layout) end(member int) int64 {
	if l.j.o.Stack {
		return int64(member) + 1
	}
	return l.ends[member]
}

// at is the member that has an element along the axis.
func (l *layout) at(position int64) int {
	if l.j.o.Stack {
		return int(position)
	}
	return sort.Search(len(l.ends), func(i int) bool { return l.ends[i] > position })
}

// touched are the members whose blocks are read for a selection.
func (l *layout) touched(sel ndslice.Selection) []touch {
	if sel.Len() == 0 {
		return nil
	}
	along := sel[l.axis]
	if !l.exact {
		along = l.widened(along)
	}
	var out []touch
	for k := int64(0); k < along.Count; {
		position := along.Start + k*along.Step
		t := touch{member: l.at(position)}
		from, to := l.offset(t.member), l.end(t.member)
		n := (to - 1 - position) / max(along.Step, 1)
		if along.Step < 0 {
			n = (position - from) / -along.Step
		}
		n = min(n+1, along.Count-k)
		if l.exact {
			t.sel = slices.Clone(sel)
			t.sel[l.axis] = ndslice.Axis{Start: position - from, Step: along.Step, Count: n}
			t.sel = l.without(t.sel)
		}
		out = append(out, t)
		k += n
	}
	return out
}

// widened is all of the blocks that an axis takes something of.
func (l *layout) widened(a ndslice.Axis) ndslice.Axis {
	low, high := a.Start, a.Start+(a.Count-1)*a.Step
	if low > high {
		low, high = high, low
	}
	step := l.d.Grid.Block[l.axis]
	low = low / step * step
	high = min((high/step+1)*step, l.d.Grid.Shape[l.axis])
	return ndslice.Axis{Start: low, Step: 1, Count: high - low}
}

func (l *layout) without(sel ndslice.Selection) ndslice.Selection {
	if !l.j.o.Stack {
		return sel
	}
	return slices.Delete(sel, l.axis, l.axis+1)
}

// within is the index in the member's own grid.
func (l *layout) within(block []int64) []int64 {
	if !l.j.o.Stack {
		return block
	}
	return slices.Delete(slices.Clone(block), l.axis, l.axis+1)
}

// pinned is a member with its version of what is wanted. One that was not
// looked at yet is.
func (l *layout) pinned(ctx context.Context, t touch) (a array, err error) {
	if t.member < len(l.arrays) {
		a = l.arrays[t.member]
	} else {
		if a, err = l.j.describe(ctx, l.names[t.member], l.nodes[t.member]); err != nil {
			return array{}, err
		}
		if err := l.compare(l.names[t.member], a.d); err != nil {
			return array{}, err
		}
		a.grid = l.grid(a.d)
	}
	sel := t.sel
	if sel == nil || !slices.Equal(a.grid.Block, l.d.Grid.Block) {
		sel = ndslice.All(a.d.Grid.Shape)
	}
	if a.v, err = a.Version(ctx, a.d, sel); err != nil {
		return array{}, l.j.lacking(ctx, l.names[t.member], err)
	}
	return a, nil
}

// find looks for a member among those touched, which follow one direction.
func (p *pin) find(member int) (int, bool) {
	n := len(p.touched)
	if n == 0 {
		return 0, false
	}
	down := p.touched[0].member > p.touched[n-1].member
	return sort.Find(n, func(i int) int {
		if down {
			return p.touched[i].member - member
		}
		return member - p.touched[i].member
	})
}

// each yields the pieces of members' blocks that a block of the whole is made
// of; their targets are places in it.
func (p *pin) each(block []int64, yield func(array, ndslice.Piece) error) error {
	l := p.l
	sel := l.d.Grid.Of(block)
	start, count := sel[l.axis].Start, sel[l.axis].Count
	for position := start; position < start+count; {
		member := l.at(position)
		i, ok := p.find(member)
		if !ok {
			return fmt.Errorf("%s: block %v is not part of the version: %w", l.j.o.Name, block, errdef.ErrInvalid)
		}
		end := min(l.end(member), start+count)
		part := slices.Clone(sel)
		part[l.axis] = ndslice.Axis{Start: position - l.offset(member), Step: 1, Count: end - position}
		for piece := range part.Plan(p.arrays[i].grid) {
			piece.Target = slices.Clone(piece.Target)
			piece.Target[l.axis] += position - start
			if err := yield(p.arrays[i], piece); err != nil {
				return err
			}
		}
		position = end
	}
	return nil
}
