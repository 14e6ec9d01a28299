package sequence

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Joining says what is joined, and how.
type Joining struct {
	// Name is what errors call the whole.
	Name string
	// Stack puts the arrays along a new axis, as numpy.stack does; otherwise
	// they follow each other along one they have, as in numpy.concatenate.
	Stack bool
	// Axis is that axis; below zero it counts from the last, as in numpy.
	Axis int
	// Members are the arrays as they are now, in order, and what they are
	// called. While nothing changed the same slices are given, which nobody
	// writes to.
	Members func(context.Context) (names []string, arrays []adapter.Adapter, err error)
}

// Joined is many arrays as one. Unlike the files of a sequence, its members are
// adapters of their own, each described once for each of its versions.
//
// Stacking looks at the first member to describe the whole, and at another one
// when it is read; one of another shape or type is then errdef.ErrUnprocessable
// that names it. Concatenating looks at all, at several at a time, since it
// takes all lengths to know where one begins. Nothing is ever cast. A version
// holds the members that the selection takes something of, and no others: no
// other one is opened, and members that are added leave versions alone.
//
// It implements [adapter.Array] and [adapter.Identifier], and is safe for
// concurrent use.
type Joined struct {
	o    Joining
	mu   sync.Mutex
	last *layout
}

var _ adapter.Identifier = (*Joined)(nil)

// Join makes one array of many. Nothing is looked at before it is described.
func Join(o Joining) *Joined { return &Joined{o: o} }

// atOnce is how many members are looked at side by side.
const atOnce = 16

// array is a member as it was described.
type array struct {
	adapter.Array
	d *adapter.Description
	// Its version as it was described; zero if that was not asked for.
	v adapter.Version
	// grid is the description's, with the new axis.
	grid ndslice.Grid
}

// Describe implements [adapter.Adapter]. What joins is that of the first
// member: data type, metadata, grid.
func (j *Joined) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	names, nodes, err := j.o.Members(ctx)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	if len(names) == 0 {
		return nil, adapter.Version{}, fmt.Errorf("%s: no file matches, so there is nothing to join yet: %w", j.o.Name, errdef.ErrNotFound)
	}
	look := nodes
	if j.o.Stack {
		look = nodes[:1]
	}
	arrays := make([]array, len(look))
	err = inParallel(ctx, len(look), func(ctx context.Context, i int) (err error) {
		arrays[i], err = j.describe(ctx, names[i], nodes[i])
		return err
	})
	if err != nil {
		return nil, adapter.Version{}, err
	}
	l, err := j.layout(names, nodes, arrays)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	h := sha256.New()
	hashText(h, "joined")
	hashText(h, names...)
	v := adapter.Version{Trusted: true}
	for _, a := range arrays {
		add(h, &v, a.v)
	}
	v.ID = adapter.ID(h.Sum(nil)[:16])
	return l.d, v, nil
}

// describe looks at one member.
func (j *Joined) describe(ctx context.Context, name string, node adapter.Adapter) (array, error) {
	d, v, err := node.Describe(ctx)
	if err != nil {
		return array{}, j.lacking(ctx, name, err)
	}
	if d.Family == structure.FamilyContainer {
		return array{}, fmt.Errorf("%s: %s: is a container; name an array in it with 'dataset', such as %.200q: %w", j.o.Name, name, first(d.Keys), errdef.ErrUnprocessable)
	}
	a, ok := adapter.As[adapter.Array](node)
	if !ok || d.Family != structure.FamilyArray {
		return array{}, fmt.Errorf("%s: %s: is no array, and only arrays are joined: %w", j.o.Name, name, errdef.ErrUnprocessable)
	}
	return array{Array: a, d: d, v: v, grid: d.Grid}, nil
}

func first(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return keys[0]
}

// lacking says what an error about a member means for the whole: one that is
// gone is a change, one that lacks the data set is damaged.
func (j *Joined) lacking(ctx context.Context, name string, err error) error {
	if !errors.Is(err, errdef.ErrNotFound) && !errors.Is(err, errdef.ErrGone) {
		if strings.Contains(err.Error(), name) {
			return fmt.Errorf("%s: %w", j.o.Name, err)
		}
		return fmt.Errorf("%s: %s: %w", j.o.Name, name, err)
	}
	if now, _, listErr := j.o.Members(ctx); listErr == nil && !slices.Contains(now, name) {
		return fmt.Errorf("%s: %s: is gone: %w", j.o.Name, name, errdef.ErrChanged)
	}
	return fmt.Errorf("%s: %s: has not what is joined: %v: %w", j.o.Name, name, err, errdef.ErrUnprocessable) //nolint:errorlint // a hole in the whole is no lack of the whole
}

// layout arranges the members that were looked at, or takes the last
// arrangement if they are the same.
func (j *Joined) layout(names []string, nodes []adapter.Adapter, arrays []array) (*layout, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if l := j.last; l != nil && l.same(names, arrays) {
		return l, nil
	}
	l := &layout{j: j, names: names, nodes: nodes, arrays: arrays}
	if err := l.arrange(); err != nil {
		return nil, err
	}
	j.last = l
	return l, nil
}

// Version implements [adapter.Array].
func (j *Joined) Version(ctx context.Context, d *adapter.Description, sel ndslice.Selection) (adapter.Version, error) {
	l, err := layoutOf(d)
	if err != nil {
		return adapter.Version{}, err
	}
	p := &pin{l: l, touched: l.touched(sel)}
	p.arrays = make([]array, len(p.touched))
	err = inParallel(ctx, len(p.touched), func(ctx context.Context, i int) (err error) {
		p.arrays[i], err = l.pinned(ctx, p.touched[i])
		return err
	})
	if err != nil {
		return adapter.Version{}, err
	}
	h := sha256.New()
	hashText(h, "joined", d.Array.DataType.String())
	hashInts(h, int64(l.axis), int64(l.stacked()))
	v := adapter.Version{Trusted: true, Pin: p}
	for i, t := range p.touched {
		hashInts(h, l.offset(t.member))
		add(h, &v, p.arrays[i].v)
	}
	if n := len(p.touched); n > 0 {
		v.Trusted = v.Trusted && l.trusted(p.touched[n-1].member, p.touched[0].member)
	}
	v.ID = adapter.ID(h.Sum(nil)[:16])
	return v, nil
}

// BlockID implements [adapter.Array].
func (j *Joined) BlockID(v adapter.Version, block []int64) adapter.BlockID {
	return j.name(v, block, func(a array, at []int64) adapter.BlockID { return a.BlockID(a.v, at) })
}

// IdentifyBlock implements [adapter.Identifier], as far as the members do.
func (j *Joined) IdentifyBlock(ctx context.Context, v adapter.Version, block []int64) adapter.BlockID {
	return j.name(v, block, func(a array, at []int64) adapter.BlockID {
		if i, ok := a.Array.(adapter.Identifier); ok {
			return i.IdentifyBlock(ctx, a.v, at)
		}
		return a.BlockID(a.v, at)
	})
}

// name names a block after those of the members that it is made of.
func (j *Joined) name(v adapter.Version, block []int64, of func(array, []int64) adapter.BlockID) adapter.BlockID {
	p, ok := v.Pin.(*pin)
	if !ok || !p.l.d.Grid.Contains(block) {
		return adapter.BlockID{}
	}
	h := sha256.New()
	hashText(h, "joined")
	trusted := true
	err := p.each(block, func(a array, piece ndslice.Piece) error {
		id := of(a, p.l.within(piece.Block))
		trusted = trusted && id.Trusted
		_, _ = h.Write(id.ID[:])
		for i, axis := range piece.Source {
			hashInts(h, axis.Start, axis.Count, piece.Target[i])
		}
		return nil
	})
	if err != nil {
		return adapter.BlockID{}
	}
	return adapter.BlockID{ID: adapter.ID(h.Sum(nil)[:16]), Trusted: trusted}
}

// ReadBlock implements [adapter.Array]. A block that is one of a member's is
// that member's own memory.
func (j *Joined) ReadBlock(ctx context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	p, ok := v.Pin.(*pin)
	if !ok || !p.l.d.Grid.Contains(block) {
		return adapter.Block{}, fmt.Errorf("%s: has no block %v of that version: %w", j.o.Name, block, errdef.ErrInvalid)
	}
	sel := p.l.d.Grid.Of(block)
	item := p.l.d.Array.DataType.ItemSize
	out := adapter.Block{Shape: p.l.d.Grid.BlockShape(block)}
	err := p.each(block, func(a array, piece ndslice.Piece) error {
		part, err := a.ReadBlock(ctx, a.v, p.l.within(piece.Block))
		if err != nil {
			return err
		}
		out.Cost = out.Cost.Add(part.Cost)
		if out.Data == nil && piece.Len() == sel.Len() && piece.Whole() {
			out.Data = part.Data
			return nil
		}
		if out.Data == nil {
			out.Data = make([]byte, sel.Len()*item)
		}
		return ndslice.Gather(out.Data, sel, piece, part.Data, piece.Shape, int(item))
	})
	return out, err
}

// inParallel runs f for 0 to n-1, several at a time. The first error ends it.
func inParallel(ctx context.Context, n int, f func(context.Context, int) error) error {
	if n == 1 {
		return f(ctx, 0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(atOnce, n) {
		wg.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// add lets a member's version count in that of the whole.
func add(h hash.Hash, v *adapter.Version, of adapter.Version) {
	_, _ = h.Write(of.ID[:])
	v.Trusted = v.Trusted && of.Trusted
	if of.Modified.After(v.Modified) {
		v.Modified = of.Modified
	}
}

func hashText(h hash.Hash, texts ...string) {
	for _, t := range texts {
		hashInts(h, int64(len(t)))
		_, _ = h.Write([]byte(t))
	}
}

func hashInts(h hash.Hash, values ...int64) {
	var b [8]byte
	for _, v := range values {
		binary.LittleEndian.PutUint64(b[:], uint64(v)) //nolint:gosec // any bijection will do
		_, _ = h.Write(b[:])
	}
}

// sum adds lengths, at most to the greatest number.
func sum(a, b int64) (int64, bool) {
	if b > math.MaxInt64-a {
		return 0, false
	}
	return a + b, true
}
