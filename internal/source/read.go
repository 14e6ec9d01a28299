package source

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// array is a node that was described as one.
type array struct {
	node *Node
	r    *record
}

var _ adapter.Array = array{}

// Describe implements [adapter.Adapter].
func (a array) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	return a.node.Describe(ctx)
}

// Version implements [adapter.Array].
func (a array) Version(ctx context.Context, d *adapter.Description, sel ndslice.Selection) (v adapter.Version, err error) {
	err = a.node.shielded(func() error {
		r, err := planner[adapter.ArrayReader](a.node, a.r, d)
		if err == nil {
			v, err = a.node.pinned(ctx, d, r, r.Touches(sel))
		}
		return err
	})
	return v, err
}

// BlockID implements [adapter.Array].
func (a array) BlockID(v adapter.Version, block []int64) (id adapter.BlockID) {
	p, err := pinOf(v)
	if err != nil {
		return adapter.BlockID{}
	}
	r, ok := p.reader.(adapter.ArrayReader)
	if !ok || !p.d.Grid.Contains(block) {
		return adapter.BlockID{}
	}
	which := append(append([]int64(nil), block...), p.d.Grid.BlockShape(block)...)
	_ = a.node.shielded(func() error {
		id = p.block(r.Touches(p.d.Grid.Of(block)), which...)
		return nil
	})
	return id
}

// ReadBlock implements [adapter.Array].
func (a array) ReadBlock(ctx context.Context, v adapter.Version, block []int64) (b adapter.Block, err error) {
	cost, err := a.node.reading(v, func(s *session, p *pin) error {
		if !p.d.Grid.Contains(block) {
			return fmt.Errorf("%s: has no block %v: %w", a.node.item.Path, block, errdef.ErrInvalid)
		}
		r, err := opened[adapter.ArrayReader](a.node, s, p.d)
		if err == nil {
			b, err = r.ReadBlock(ctx, block)
		}
		return err
	})
	if err != nil {
		return adapter.Block{}, err
	}
	b.Cost = measured(b.Cost, cost)
	return b, nil
}

// table is a node that was described as one.
type table struct {
	node *Node
	r    *record
}

var _ adapter.Table = table{}

// Describe implements [adapter.Adapter].
func (t table) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	return t.node.Describe(ctx)
}

// Version implements [adapter.Table].
func (t table) Version(ctx context.Context, d *adapter.Description, partitions []int) (v adapter.Version, err error) {
	err = t.node.shielded(func() error {
		r, err := planner[adapter.TableReader](t.node, t.r, d)
		if err == nil {
			v, err = t.node.pinned(ctx, d, r, touchedBy(r, partitions))
		}
		return err
	})
	return v, err
}

func touchedBy(r adapter.TableReader, partitions []int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range partitions {
			for name := range r.Touches(p) {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// PartitionID implements [adapter.Table].
func (t table) PartitionID(v adapter.Version, partition int) (id adapter.BlockID) {
	p, err := pinOf(v)
	if err != nil {
		return adapter.BlockID{}
	}
	r, ok := p.reader.(adapter.TableReader)
	if !ok || partition < 0 || partition >= len(p.d.Partitions) {
		return adapter.BlockID{}
	}
	_ = t.node.shielded(func() error {
		id = p.block(r.Touches(partition), int64(partition), p.d.Partitions[partition].Rows)
		return nil
	})
	return id
}

// ReadColumns implements [adapter.Table].
func (t table) ReadColumns(ctx context.Context, v adapter.Version, partition int, columns []int) (c adapter.Columns, err error) {
	cost, err := t.node.reading(v, func(s *session, p *pin) error {
		if partition < 0 || partition >= len(p.d.Partitions) {
			return fmt.Errorf("%s: has no partition %d: %w", t.node.item.Path, partition, errdef.ErrInvalid)
		}
		r, err := opened[adapter.TableReader](t.node, s, p.d)
		if err == nil {
			c, err = r.ReadColumns(ctx, partition, columns)
		}
		return err
	})
	if err != nil {
		return adapter.Columns{}, err
	}
	c.Cost = measured(c.Cost, cost)
	return c, nil
}

// planner is a reader that must not touch files: it is asked which ones a read
// would. It is made once for a description that is remembered.
func planner[R any](n *Node, r *record, d *adapter.Description) (R, error) {
	if r.d != d {
		return opened[R](n, nil, d)
	}
	r.plan.Do(func() { r.planner, r.planErr = opened[any](n, nil, d) })
	made, ok := r.planner.(R)
	if r.planErr == nil && !ok {
		return opened[R](n, nil, d) // which says why not
	}
	return made, r.planErr
}

// opened makes the format's reader; without a session it is one that must not
// touch files.
func opened[R any](n *Node, s *session, d *adapter.Description) (R, error) {
	var none R
	if s == nil {
		s = newSession(n.wall, n.item, &pin{d: d})
	}
	made, err := n.format.Open(s, n.inside, d)
	if err != nil {
		return none, err
	}
	r, ok := made.(R)
	if !ok {
		return none, fmt.Errorf("%s: the %s reader cannot do that: %w", n.item.Path, n.format.Kind().Name, errdef.ErrNotAllowed)
	}
	return r, nil
}

// reading runs one read of the pinned version. A change that was seen counts
// more than what the format made of it.
func (n *Node) reading(v adapter.Version, read func(*session, *pin) error) (adapter.Cost, error) {
	p, err := pinOf(v)
	if err != nil {
		return adapter.Cost{}, err
	}
	s := newSession(n.wall, n.item, p)
	start := time.Now()
	err = n.shielded(func() error { return read(s, p) })
	changed := s.finish()
	cost := s.cost(time.Since(start))
	if changed != nil {
		return cost, fmt.Errorf("%s: %w", n.item.Path, changed)
	}
	return cost, err
}
