package column

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sort"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// blockSize is the most that a block of the grid has, unless a row has more.
const blockSize = 8 << 20

// node is a column as an array.
type node struct {
	columns *Columns
	table   adapter.Table
	name    string
}

var _ adapter.Array = (*node)(nil)

// state is what a description of a column stands for.
type state struct {
	table  *adapter.Description
	column int
	form   form
	// ends are the rows before the end of each partition.
	ends []int64
	grid ndslice.Grid
}

// Describe is that of the table, and may read the column, once per version.
func (n *node) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	table, v, err := n.table.Describe(ctx)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	column, err := find(table, n.name)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	f, err := n.columns.form(ctx, n.table, table, v, column)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	s := newState(table, column, f)
	d := &adapter.Description{
		Family:     structure.FamilyArray,
		Array:      &structure.Array{DataType: f.dtype, Shape: s.grid.Shape, Chunks: s.chunks()},
		Grid:       s.grid,
		Metadata:   map[string]any{},
		MediaType:  table.MediaType,
		AppendOnly: false,
	}
	if _, err := d.Live(func() (any, error) { return s, nil }); err != nil {
		return nil, adapter.Version{}, err
	}
	v.ID = s.id("describe", v.ID)
	return d, v, nil
}

func newState(table *adapter.Description, column int, f form) *state {
	s := &state{table: table, column: column, form: f, ends: make([]int64, len(table.Partitions))}
	rows, most := int64(0), int64(1)
	for i, p := range table.Partitions {
		rows += p.Rows
		most = max(most, p.Rows)
		s.ends[i] = rows
	}
	s.grid = ndslice.Grid{Shape: []int64{rows}, Block: []int64{0}}
	if f.list >= 0 {
		s.grid = ndslice.Grid{Shape: []int64{rows, f.list}, Block: []int64{0, max(f.list, 1)}}
	}
	s.grid.Block[0] = max(min(most, blockSize/max(f.rowSize(), 1)), 1)
	return s
}

// chunks are the partitions that have rows.
func (s *state) chunks() [][]int64 {
	rows := []int64{}
	for _, p := range s.table.Partitions {
		if p.Rows > 0 {
			rows = append(rows, p.Rows)
		}
	}
	if len(rows) == 0 {
		rows = []int64{0}
	}
	if s.form.list < 0 {
		return [][]int64{rows}
	}
	return [][]int64{rows, {s.form.list}}
}

// id names a state of the column by that of what it is made of. The form is
// part of it: it may depend on other partitions than those that are read.
func (s *state) id(what string, ids ...adapter.ID) adapter.ID {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "column %s %d %s %d %q", what, s.column, s.form.dtype, s.form.list, s.form.missing) // a hash does not fail
	for _, id := range ids {
		h.Write(id[:])
	}
	return adapter.ID(h.Sum(nil)[:16])
}

// partitions are those that have any of the rows [from, to).
func (s *state) partitions(from, to int64) []int {
	var out []int
	first := sort.Search(len(s.ends), func(i int) bool { return s.ends[i] > from })
	for i := first; i < len(s.ends) && s.begin(i) < to; i++ {
		if s.ends[i] > s.begin(i) {
			out = append(out, i)
		}
	}
	return out
}

// begin is the first row of a partition.
func (s *state) begin(partition int) int64 {
	if partition == 0 {
		return 0
	}
	return s.ends[partition-1]
}

// pin is what a version of a column is made of.
type pin struct {
	state *state
	inner adapter.Version
}

// Version pins the partitions that the blocks touched by sel are read from.
func (n *node) Version(ctx context.Context, d *adapter.Description, sel ndslice.Selection) (adapter.Version, error) {
	live, err := d.Live(func() (any, error) { return nil, errdef.ErrChanged })
	s, ok := live.(*state)
	if err != nil || !ok || len(sel) == 0 {
		return adapter.Version{}, fmt.Errorf("column %.100q: the description is not its own: %w", n.name, errdef.ErrChanged)
	}
	var touched []int
	if rows := sel[0]; sel.Len() > 0 {
		first, last := rows.Start, rows.Start+(rows.Count-1)*rows.Step
		if first > last {
			first, last = last, first
		}
		block := s.grid.Block[0]
		touched = s.partitions(first/block*block, min((last/block+1)*block, s.grid.Shape[0]))
	}
	v, err := n.table.Version(ctx, s.table, touched)
	if err != nil {
		return adapter.Version{}, err
	}
	return adapter.Version{ID: s.id("version", v.ID), Trusted: v.Trusted, Modified: v.Modified, Pin: &pin{s, v}}, nil
}

// BlockID is made of those of the partitions that the block is read from.
func (n *node) BlockID(v adapter.Version, block []int64) adapter.BlockID {
	p, ok := v.Pin.(*pin)
	if !ok || len(block) == 0 {
		return adapter.BlockID{}
	}
	out := adapter.BlockID{Trusted: true}
	from := block[0] * p.state.grid.Block[0]
	ids := []adapter.ID{}
	for _, i := range p.state.partitions(from, from+p.state.grid.Block[0]) {
		id := n.table.PartitionID(p.inner, i)
		ids = append(ids, id.ID)
		out.Trusted = out.Trusted && id.Trusted
	}
	out.ID = p.state.id(fmt.Sprint("block", block, p.state.grid.Block), ids...)
	return out
}

// ReadBlock reads the partitions that the block's rows are in.
func (n *node) ReadBlock(ctx context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	p, ok := v.Pin.(*pin)
	if !ok {
		return adapter.Block{}, fmt.Errorf("column %.100q: the version is not its own: %w", n.name, errdef.ErrChanged)
	}
	s := p.state
	if !s.grid.Contains(block) {
		return adapter.Block{}, fmt.Errorf("column %.100q: has no block %v: %w", n.name, block, errdef.ErrInvalid)
	}
	out := adapter.Block{Shape: s.grid.BlockShape(block)}
	row := s.form.rowSize()
	from := block[0] * s.grid.Block[0]
	to := from + out.Shape[0]
	out.Data = make([]byte, out.Shape[0]*row)
	for _, i := range s.partitions(from, to) {
		got, err := n.table.ReadColumns(ctx, p.inner, i, []int{s.column})
		if err != nil {
			return adapter.Block{}, err
		}
		out.Cost = out.Cost.Add(got.Cost)
		begin := s.begin(i)
		first, last := max(from-begin, 0), min(to, s.ends[i])-begin
		if len(got.Arrays) != 1 || int64(got.Arrays[0].Len()) < last {
			return adapter.Block{}, fmt.Errorf("column %.100q: a partition is too short: %w", n.name, errdef.ErrChanged)
		}
		target := out.Data[(begin+first-from)*row:]
		if err := s.form.write(target, got.Arrays[0], int(first), int(last)); err != nil {
			return adapter.Block{}, fmt.Errorf("column %.100q: partition %d: %w", n.name, i, err)
		}
	}
	return out, nil
}

// Member says that a column lies inside a file.
func (*node) Member() bool { return true }
