package datacache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// stack is an array of frames, one a block, whose bytes are all the number of
// the state that they were read in. It can do one thing that the cache does not
// know of.
type stack struct {
	name       string
	frames     int64
	frameBytes int64
	cost       time.Duration
	untrusted  atomic.Bool
	state      atomic.Uint64
	reads      atomic.Int64
	describes  atomic.Int64
	before     func(ctx context.Context, block []int64) error // of each read; nil for nothing
	mu         sync.Mutex
	readsOf    map[int64]int
}

func newStack(name string, frames, frameBytes int64) *stack {
	return &stack{name: name, frames: frames, frameBytes: frameBytes, cost: 10 * time.Millisecond, readsOf: map[int64]int{}}
}

func (s *stack) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	s.describes.Add(1)
	t := structure.DType{Kind: 'u', ItemSize: 1, Endianness: structure.NotApplicable}
	shape := []int64{s.frames, s.frameBytes}
	return &adapter.Description{
		Family: structure.FamilyArray,
		Array:  &structure.Array{DataType: t, Shape: shape},
		Grid:   ndslice.Grid{Shape: shape, Block: []int64{1, s.frameBytes}},
	}, s.version(), nil
}

func (s *stack) version() adapter.Version {
	state := s.state.Load()
	v := adapter.Version{Trusted: !s.untrusted.Load(), Pin: state}
	binary.LittleEndian.PutUint64(v.ID[:], state+1)
	return v
}

func (s *stack) Version(context.Context, *adapter.Description, ndslice.Selection) (adapter.Version, error) {
	return s.version(), nil
}

func (s *stack) BlockID(v adapter.Version, block []int64) adapter.BlockID {
	id := adapter.BlockID{Trusted: v.Trusted}
	copy(id.ID[:], fmt.Sprintf("%-4.4s%4d%8d", s.name, block[0], v.Pin))
	return id
}

func (s *stack) ReadBlock(ctx context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	s.reads.Add(1)
	s.mu.Lock()
	s.readsOf[block[0]]++
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(ctx, block); err != nil {
			return adapter.Block{}, err
		}
	}
	state := s.state.Load()
	if v.Pin != state {
		return adapter.Block{}, fmt.Errorf("%s: %w", s.name, errdef.ErrChanged)
	}
	data := bytes.Repeat([]byte{byte(state)}, int(s.frameBytes))
	return adapter.Block{Data: data, Shape: []int64{1, s.frameBytes}, Cost: adapter.Cost{Wait: s.cost, Opens: 1}}, nil
}

// Assets makes stack an [adapter.AssetHolder].
func (s *stack) Assets(context.Context) ([]adapter.Asset, error) {
	return []adapter.Asset{{URI: "file:///" + s.name}}, nil
}

func (s *stack) OpenAsset(context.Context, int, string) (adapter.File, adapter.Version, error) {
	return nil, adapter.Version{}, errdef.ErrNotFound
}

func (s *stack) Manifest(context.Context, int) ([]string, error) { return nil, nil }

// group is a container.
type group map[string]adapter.Adapter

func (g group) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return &adapter.Description{Family: structure.FamilyContainer}, adapter.Version{}, nil
}

func (g group) Child(_ context.Context, key string) (adapter.Adapter, error) {
	if a, ok := g[key]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("%s: %w", key, errdef.ErrNotFound)
}

// sheet is a table of integer columns; column c of partition p holds 100·p + c.
type sheet struct {
	columns, rows int
	untrusted     atomic.Bool
	before        func() // of each read; nil for nothing
	mu            sync.Mutex
	calls         [][]int
}

func (s *sheet) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return &adapter.Description{Family: structure.FamilyTable, Partitions: make([]adapter.Partition, 4)}, adapter.Version{Trusted: true}, nil
}

func (s *sheet) Version(context.Context, *adapter.Description, []int) (adapter.Version, error) {
	return adapter.Version{Trusted: !s.untrusted.Load()}, nil
}

func (s *sheet) PartitionID(v adapter.Version, partition int) adapter.BlockID {
	return adapter.BlockID{ID: adapter.ID{1, byte(partition)}, Trusted: v.Trusted}
}

func (s *sheet) ReadColumns(_ context.Context, _ adapter.Version, partition int, columns []int) (adapter.Columns, error) {
	s.mu.Lock()
	s.calls = append(s.calls, columns)
	s.mu.Unlock()
	if s.before != nil {
		s.before()
	}
	out := adapter.Columns{Rows: int64(s.rows), Cost: adapter.Cost{CPU: 10 * time.Millisecond}}
	for _, c := range columns {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for range s.rows {
			b.Append(int64(100*partition + c))
		}
		out.Arrays = append(out.Arrays, b.NewArray())
	}
	return out, nil
}

var (
	_ adapter.Array       = (*stack)(nil)
	_ adapter.AssetHolder = (*stack)(nil)
	_ adapter.Table       = (*sheet)(nil)
	_ adapter.Container   = group(nil)
	_ arrow.Array         = (*array.Int64)(nil)
)

const mib = 1 << 20

func newCache(tb testing.TB, o datacache.Options) *datacache.Cache {
	tb.Helper()
	c, err := datacache.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
		checkBudget(tb, c, o.Bytes)
	})
	return c
}

// checkBudget compares what is said to be held with what is listed.
func checkBudget(tb testing.TB, c *datacache.Cache, budget int64) {
	tb.Helper()
	s := c.Stats()
	sum := int64(0)
	for _, e := range c.Entries() {
		sum += e.Bytes
	}
	if s.Bytes != sum || s.Bytes > s.Room || s.Bytes+s.ReadAheadBytes > budget || s.Room > budget {
		tb.Errorf("entries sum up to %d, said to be %d, room %d, read ahead %d of %d, budget %d", sum, s.Bytes, s.Room, s.ReadAheadBytes, s.ReadAheadAtMost, budget)
	}
}

func arrayOf(tb testing.TB, a adapter.Adapter) adapter.Array {
	tb.Helper()
	array, ok := adapter.As[adapter.Array](a)
	if !ok {
		tb.Fatalf("%T is no array", a)
	}
	return array
}

// read reads one frame of a at the version that it has now.
func read(ctx context.Context, a adapter.Array, frame int64) (adapter.Block, error) {
	d, _, err := a.Describe(ctx)
	if err != nil {
		return adapter.Block{}, err
	}
	block := []int64{frame, 0}
	v, err := a.Version(ctx, d, d.Grid.Of(block))
	if err != nil {
		return adapter.Block{}, err
	}
	return a.ReadBlock(ctx, v, block)
}

func mustRead(tb testing.TB, a adapter.Array, frame int64) adapter.Block {
	tb.Helper()
	b, err := read(tb.Context(), a, frame)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
