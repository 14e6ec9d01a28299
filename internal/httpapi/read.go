package httpapi

import (
	"context"
	"iter"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/budget"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

const (
	// windowBytes is what is gathered and written at a time: small, so that
	// a slow client holds little, and large beside the cost of a turn.
	windowBytes = 2 << 20
	// patience is how long a request waits for memory before it is told to
	// come again: Tiled's client gives up after 30 s without a first byte.
	patience = 20 * time.Second
)

// arrayRead is a selection of an array at a pinned version.
type arrayRead struct {
	source  adapter.Array
	desc    *adapter.Description
	version adapter.Version
	sel     ndslice.Selection
}

func (a *arrayRead) itemSize() int64 { return a.desc.Array.DataType.ItemSize }

// windows yields the selection's bytes in C order, a window at a time. Each is
// valid until the next is asked for, and holds its share of the flight budget
// until then; between two windows nothing is held, so nobody waits while
// holding. The sequence ends after an error.
func (c *call) windows(ctx context.Context, a *arrayRead) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if a.itemSize() == 0 {
			return
		}
		for window := range a.sel.Windows(a.itemSize(), windowBytes, a.desc.Grid) {
			if !c.window(ctx, a, window, yield) {
				return
			}
		}
	}
}

// window reserves memory, reads one window and yields it. It returns whether
// to go on.
func (c *call) window(ctx context.Context, a *arrayRead, window ndslice.Selection, yield func([]byte, error) bool) bool {
	size := window.Len() * a.itemSize()
	held, err := c.reserve(ctx, size+c.blocksOf(a))
	if err != nil {
		yield(nil, err)
		return false
	}
	defer held.Release()
	data, err := c.gather(ctx, a, window, size)
	if err != nil {
		yield(nil, err)
		return false
	}
	held.Shrink(size)
	return yield(data, nil)
}

// reserve waits for memory, for as long as a client would wait for an answer.
func (c *call) reserve(ctx context.Context, bytes int64) (*budget.Reservation, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.Flight.Reserve(waiting, bytes)
}

// reserveLong is reserve for what is held until a client, who may be slow, has
// taken it: there is always room left for windows, and for what is as small.
func (c *call) reserveLong(ctx context.Context, bytes int64) (*budget.Reservation, error) {
	if bytes <= windowBytes {
		return c.reserve(ctx, bytes)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.Flight.ReserveLong(waiting, bytes)
}

// blocksOf is the size of the blocks that one gather holds at a time.
func (c *call) blocksOf(a *arrayRead) int64 {
	block := a.itemSize()
	for _, n := range a.desc.Grid.Block {
		block *= n
	}
	return block * min(a.sel.Touched(a.desc.Grid), int64(runtime.GOMAXPROCS(0)))
}

// gather reads the blocks that the window touches and returns its bytes. Where
// they are one run of one block they are the block's own, and not copied.
func (c *call) gather(ctx context.Context, a *arrayRead, window ndslice.Selection, size int64) ([]byte, error) {
	defer c.seen.time("read", time.Now())
	if window.Touched(a.desc.Grid) == 1 {
		for p := range window.Plan(a.desc.Grid) {
			return c.gatherOne(ctx, a, window, p, size)
		}
	}
	out := make([]byte, size)
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for p := range window.Plan(a.desc.Grid) {
		if reading.Err() != nil {
			break
		}
		group.Go(func() error {
			block, err := a.source.ReadBlock(reading, a.version, p.Block)
			if err != nil {
				return err
			}
			c.seen.add(block.Cost)
			return ndslice.Gather(out, window, p, block.Data, block.Shape, int(a.itemSize()))
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, ctx.Err()
}

func (c *call) gatherOne(ctx context.Context, a *arrayRead, window ndslice.Selection, p ndslice.Piece, size int64) ([]byte, error) {
	block, err := a.source.ReadBlock(ctx, a.version, p.Block)
	if err != nil {
		return nil, err
	}
	c.seen.add(block.Cost)
	if from, count, ok := p.Run(); ok {
		item := a.itemSize()
		return block.Data[from*item : (from+count)*item], nil
	}
	out := make([]byte, size)
	return out, ndslice.Gather(out, window, p, block.Data, block.Shape, int(a.itemSize()))
}

// columns reads columns of one partition.
func (c *call) columns(ctx context.Context, t *tableRead, partition int, columns []int) (adapter.Columns, error) {
	defer c.seen.time("read", time.Now())
	got, err := t.source.ReadColumns(ctx, t.version, partition, columns)
	if err == nil {
		c.seen.add(got.Cost)
	}
	return got, err
}
