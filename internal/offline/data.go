// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Sizes of blocks, in bytes.
const (
	smallBlock = 512 << 10
	largeBlock = 8 << 20
)

// blockOf chooses the grid in which an array is kept: its chunks, cut along the first
// axes if they are large, joined along the last if they are tiny.
func blockOf(a *structure.Array) []int64 {
	item := max(1, a.DataType.ItemSize)
	block := make([]int64, len(a.Shape))
	size := item
	for i, axis := range a.Chunks {
		block[i] = max(1, slices.Max(append([]int64{1}, axis...)))
		size *= block[i]
	}
	for i := 0; i < len(block) && size > largeBlock; i++ {
		rest := size / block[i]
		block[i] = max(1, min(block[i], largeBlock/max(1, rest)))
		size = rest * block[i]
	}
	for i := len(block) - 1; i >= 0 && size < smallBlock && size > 0; i-- {
		grown := max(block[i], min(a.Shape[i], block[i]*(smallBlock/size)))
		size = size / block[i] * grown
		block[i] = grown
	}
	return block
}

// sliced fetches the blocks of an array that the slice touches, all of them if the slice
// is for other arrays than this one.
func (d *download) sliced(ctx context.Context, n *client.Node) error {
	a, err := n.Array()
	if err != nil {
		return err
	}
	sel, err := a.Select(d.want.Slice)
	if err != nil {
		sel = ndslice.All(a.Shape())
		if len(a.Shape()) > 0 && errors.Is(err, errdef.ErrUnprocessable) {
			return err
		}
	}
	return d.array(ctx, n, sel)
}

// array fetches the blocks that sel touches and those that are held, and keeps them
// with the document of the state that they are of.
func (d *download) array(ctx context.Context, n *client.Node, sel ndslice.Selection) error {
	if d.want.MetadataOnly {
		return d.document(n, blockOf(n.ArrayStructure))
	}
	for range maxRounds {
		a, err := n.Array()
		if err != nil {
			return err
		}
		grid := ndslice.Grid{Shape: a.Shape(), Block: blockOf(a.ArrayStructure)}
		parts, err := d.blocks(a, grid, sel)
		if err != nil {
			return err
		}
		set, err := d.settle(ctx, n, parts)
		if err != nil {
			return err
		}
		now, err := n.Again(ctx)
		if err != nil {
			return err
		}
		if reflect.DeepEqual(structureOf(now), structureOf(n)) {
			return d.commit(now, set, func(rec *record) { rec.Block = grid.Block })
		}
		n = now
	}
	return d.changing(n)
}

// document keeps a node's document alone. Data that are held must still be its.
func (d *download) document(n *client.Node, block []int64) error {
	rec, err := d.s.load(n.Path)
	if err == nil && rec.Set != "" && !reflect.DeepEqual(structureOf(rec.node), structureOf(n)) {
		return fmt.Errorf("its shape or type is another now than that of the data which are held; download the data too: %w", errdef.ErrChanged)
	}
	return d.keep(n, func(rec *record) { rec.Block = block })
}

func structureOf(n *client.Node) map[string]any {
	return object(object(n.Document["attributes"])["structure"])
}

// blocks are the parts of an array that are wanted: those that sel touches and those
// that are held.
func (d *download) blocks(a *client.Array, grid ndslice.Grid, sel ndslice.Selection) ([]part, error) {
	var out []part
	seen := map[string]bool{}
	add := func(index []int64) {
		name := blockFile(index)
		if !seen[name] {
			seen[name] = true
			out = append(out, blockPart(a, grid, slices.Clone(index)))
		}
	}
	rec, err := d.s.load(a.Path)
	others := err == nil && rec.Set != "" && slices.Equal(rec.Block, grid.Block)
	if sel == nil && !others {
		sel = ndslice.All(a.Shape()) // what was asked for then is another array's
	}
	size := int64(0)
	if sel != nil {
		for p := range sel.Plan(grid) {
			size += grid.Of(p.Block).Len() * a.DataType().ItemSize
			if d.want.MaxBytes > 0 && size > d.want.MaxBytes-d.planned {
				return nil, fmt.Errorf("%s of %s: more than the %d bytes that may be fetched; raise the bound or take a slice: %w",
					shapeText(a.Shape()), a.DataType(), d.want.MaxBytes, errdef.ErrTooLarge)
			}
			add(p.Block)
		}
	}
	d.planned += size
	if !others {
		return out, nil
	}
	for _, name := range d.s.partNames(rec) {
		if index, ok := blockIndex(name); ok && grid.Contains(index) {
			add(index)
		}
	}
	return out, nil
}

func shapeText(shape []int64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", " x "), "[]")
}

// blockIndex is the index of the block that a file holds.
func blockIndex(name string) ([]int64, bool) {
	if name == blockFile(nil) {
		return []int64{}, true
	}
	var index []int64
	for text := range strings.SplitSeq(name, ".") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, false
		}
		index = append(index, n)
	}
	return index, true
}

func blockPart(a *client.Array, grid ndslice.Grid, index []int64) part {
	where := grid.Of(index)
	shape := "scalar"
	if len(index) > 0 {
		shape = strings.ReplaceAll(blockFile(where.Shape()), ".", ",")
	}
	params := url.Values{"expected_shape": {shape}}
	if !where.IsAll(grid.Shape) {
		params.Set("slice", where.String())
	}
	size := where.Len() * a.DataType().ItemSize
	return part{
		name:     blockFile(index),
		question: client.Question{Route: "array/full", Params: params, Accept: "application/octet-stream", Limit: max(1, size)},
		check: func(_ context.Context, body []byte) error {
			if int64(len(body)) != size {
				return fmt.Errorf("block %v: %d bytes, expected %d: %w", index, len(body), size, errdef.ErrUnprocessable)
			}
			return nil
		},
	}
}

// table fetches all partitions of a table.
func (d *download) table(ctx context.Context, n *client.Node) error {
	for range maxRounds {
		t, err := n.Table()
		if err != nil {
			return err
		}
		partitions := make([]adapter.Partition, t.Partitions())
		if d.want.MetadataOnly {
			return d.withoutRows(n, partitions)
		}
		set, err := d.settle(ctx, n, partitionParts(len(partitions)))
		if err != nil {
			return err
		}
		now, err := n.Again(ctx)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(structureOf(now), structureOf(n)) {
			n = now
			continue
		}
		var schema *arrow.Schema
		for p := range partitions {
			came, err := d.partition(ctx, t, filepath.Join(d.s.nodeDir(n.Path), set, blockFile([]int64{int64(p)})), &partitions[p])
			if err != nil {
				return err
			}
			if schema == nil {
				schema = came
			}
		}
		return d.commit(now, set, func(rec *record) {
			if rec.Partitions, rec.Schema = partitions, nil; schema != nil {
				rec.Schema = structure.SchemaMessage(schema)
			}
		})
	}
	return d.changing(n)
}

// withoutRows keeps the document of a table alone.
func (d *download) withoutRows(n *client.Node, partitions []adapter.Partition) error {
	if err := d.document(n, nil); err != nil {
		return err
	}
	return d.keep(n, func(rec *record) {
		if rec.Set == "" {
			rec.Partitions, rec.Schema = partitions, nil
		}
	})
}

func partitionParts(n int) []part {
	out := make([]part, n)
	for p := range out {
		out[p] = part{
			name: blockFile([]int64{int64(p)}),
			question: client.Question{
				Route: "table/partition", Params: url.Values{"partition": {strconv.Itoa(p)}}, Accept: "application/vnd.apache.arrow.file",
			},
			check: func(ctx context.Context, body []byte) error {
				_, err := client.ParseArrow(ctx, body)
				return err
			},
		}
	}
	return out
}

// partition says what a partition has that was fetched.
func (d *download) partition(ctx context.Context, t *client.Table, path string, out *adapter.Partition) (*arrow.Schema, error) {
	_, body, err := readPart(path)
	if err != nil {
		return nil, err
	}
	batches, err := client.ParseArrow(ctx, body)
	if err != nil || len(batches) == 0 {
		return nil, err
	}
	for _, b := range batches {
		out.Rows += b.NumRows()
	}
	return sent(t.Schema(), batches[0].Schema())
}

// sent is the advertised schema with the types that were sent.
func sent(advertised, came *arrow.Schema) (*arrow.Schema, error) {
	fields := make([]arrow.Field, advertised.NumFields())
	for i, f := range advertised.Fields() {
		at := came.FieldIndices(f.Name)
		if len(at) == 0 {
			return nil, fmt.Errorf("the partition has no column %q: %w", f.Name, errdef.ErrUnprocessable)
		}
		fields[i] = came.Field(at[0])
	}
	metadata := advertised.Metadata()
	return arrow.NewSchema(fields, &metadata), nil
}

// partNames are the names of the parts that are held of a node's data.
func (s *Server) partNames(rec *record) []string {
	entries, err := os.ReadDir(s.setDir(rec))
	if rec.Set == "" || err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
