package datacache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// derived names a selection of columns of a partition.
func derived(id adapter.ID, columns []int) adapter.ID {
	b := slices.Clone(id[:])
	for _, column := range columns {
		b = binary.LittleEndian.AppendUint64(b, uint64(column))
	}
	sum := sha256.Sum256(b)
	return adapter.ID(sum[:16])
}

// fetch loads the lacking columns into have: those that nobody loads in one
// call, the others by waiting for whoever does. The cost is that of the call.
func (t *table) fetch(ctx context.Context, v adapter.Version, partition int, id adapter.ID, lacking []int, have map[int]arrow.Array) (adapter.Cost, error) {
	if len(lacking) == 0 {
		return adapter.Cost{}, nil
	}
	keys := make([]flightKey, len(lacking))
	for i, column := range lacking {
		k := key{id, int32(column)}
		keys[i] = flightKey{k, t.cache.memory.generation(k), true}
	}
	own := &ownLoad{}
	values, err := t.cache.flight.DoMany(ctx, keys, func(ctx context.Context, keys []flightKey) ([]loaded, error) {
		t.cache.ahead.enter()
		defer t.cache.ahead.leave()
		return t.load(ctx, v, partition, keys, own)
	})
	if err != nil {
		return adapter.Cost{}, err
	}
	cost, mine := own.result()
	for i, column := range lacking {
		have[column], _ = values[i].value.(arrow.Array)
		if slices.Contains(mine, keys[i]) {
			t.cache.answered(ctx, Miss, keys[i].key, t.path, values[i])
			continue
		}
		t.cache.memory.touch(keys[i].key)
		t.cache.answered(ctx, Joined, keys[i].key, t.path, values[i])
	}
	return cost, nil
}

// ownLoad is what a load tells the caller that began it, who may have gone.
type ownLoad struct {
	mu   sync.Mutex
	cost adapter.Cost
	keys []flightKey
}

func (o *ownLoad) set(cost adapter.Cost, keys []flightKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cost, o.keys = cost, keys
}

func (o *ownLoad) result() (adapter.Cost, []flightKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cost, o.keys
}

// load reads columns in one call and keeps each. The cost is split by bytes.
func (t *table) load(ctx context.Context, v adapter.Version, partition int, keys []flightKey, own *ownLoad) ([]loaded, error) {
	columns := make([]int, len(keys))
	for i, k := range keys {
		columns[i] = int(k.column)
	}
	began := time.Now()
	var got adapter.Columns
	err := t.cache.shielded(t.path, func() (err error) {
		got, err = t.Table.ReadColumns(ctx, v, partition, columns)
		if err == nil && len(got.Arrays) != len(columns) {
			err = fmt.Errorf("%s: partition %d: %d columns were asked for, the adapter gave %d: %w",
				t.path, partition, len(columns), len(got.Arrays), errdef.ErrUnprocessable)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]loaded, len(columns))
	total := int64(0)
	for i, a := range got.Arrays {
		out[i] = loaded{value: a, bytes: sizeOf(a.Data())}
		total += out[i].bytes
	}
	cost := measured(got.Cost, began)
	for i := range out {
		out[i].cost = time.Duration(float64(cost) * float64(out[i].bytes) / float64(total))
		t.cache.keep(keys[i], t.path, out[i])
	}
	own.set(got.Cost, keys)
	return out, nil
}

// sizeOf is the memory that an array keeps alive, as far as it can be told: its
// buffers whole, even where it is a part of them. At least one byte.
func sizeOf(d arrow.ArrayData) int64 {
	size := int64(1)
	for _, b := range d.Buffers() {
		if b != nil {
			size += int64(b.Cap())
		}
	}
	for _, child := range d.Children() {
		size += sizeOf(child)
	}
	if d.DataType().ID() == arrow.DICTIONARY {
		size += sizeOf(d.Dictionary())
	}
	return size
}
