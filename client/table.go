// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/arrowfile"
)

// Table is a node with a table's data.
type Table struct{ *Node }

// Schema holds the columns' names and types.
func (t *Table) Schema() *arrow.Schema { return t.TableStructure.Schema }

// Partitions is how many pieces the rows are in.
func (t *Table) Partitions() int { return t.TableStructure.NPartitions }

// arrowFile is the media type in which tables travel.
const arrowFile = "application/vnd.apache.arrow.file"

// maxAddress is the length from which on column names are sent in a body.
const maxAddress = 2000

// Partition reads the record batches of one partition, of the columns in the order in
// which they are named; of all columns if none is. The batches are in memory of the
// garbage collector: nobody needs to Release them.
//
// A partition or column that is not there is errdef.ErrInvalid.
func (t *Table) Partition(ctx context.Context, partition int, columns ...string) ([]arrow.RecordBatch, error) {
	for _, name := range columns {
		if len(t.Schema().FieldIndices(name)) == 0 {
			return nil, fmt.Errorf("%s: no column %q: %w", t, name, errdef.ErrInvalid)
		}
	}
	data, _, err := t.client.fetch(ctx, t.partitionQuery(partition, columns))
	if err != nil {
		return nil, fmt.Errorf("%s: partition %d: %w", t, partition, err)
	}
	batches, err := ParseArrow(ctx, data)
	for i := range batches {
		if err == nil {
			batches[i], err = t.project(batches[i], columns)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: partition %d: %w", t, partition, err)
	}
	return batches, nil
}

// project picks the columns asked for, or those of the schema: Tiled adds pandas' index
// to what it sends.
func (t *Table) project(b arrow.RecordBatch, columns []string) (arrow.RecordBatch, error) {
	if len(columns) == 0 {
		columns = t.TableStructure.Columns()
	}
	arrays, fields := make([]arrow.Array, len(columns)), make([]arrow.Field, len(columns))
	for i, name := range columns {
		at := b.Schema().FieldIndices(name)
		if len(at) == 0 {
			return nil, unprocessable("the answer has no column %q", name)
		}
		arrays[i], fields[i] = b.Column(at[0]), b.Schema().Field(at[0])
	}
	metadata := b.Schema().Metadata()
	return array.NewRecordBatch(arrow.NewSchema(fields, &metadata), arrays, b.NumRows()), nil
}

// PartitionBytes reads one partition as the Arrow file in which it travels.
func (t *Table) PartitionBytes(ctx context.Context, partition int, columns ...string) ([]byte, error) {
	data, _, err := t.client.fetch(ctx, t.partitionQuery(partition, columns))
	return data, err
}

// Column opens one column as a node of its own, an array.
func (t *Table) Column(ctx context.Context, name string) (*Array, error) {
	n, err := t.client.OpenPath(ctx, below(t.Path, name))
	if err != nil {
		return nil, err
	}
	return n.Array()
}

func (t *Table) partitionQuery(partition int, columns []string) query {
	params := url.Values{"partition": {strconv.Itoa(partition)}}
	q := query{url: t.client.at("table/partition", t.Path), params: params, accept: arrowFile}
	length := 0
	for _, name := range columns {
		length += len(name) + 8
	}
	if length > maxAddress {
		q.body, _ = json.Marshal(columns) // texts marshal
	} else if len(columns) > 0 {
		params["column"] = columns
	}
	return q
}

// Batches reads partition after partition; otherwise it is [Table.Partition]. The
// sequence ends after an error.
func (t *Table) Batches(ctx context.Context, columns ...string) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for p := range t.Partitions() {
			batches, err := t.Partition(ctx, p, columns...)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, b := range batches {
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

// Read reads all rows of the columns into one table.
func (t *Table) Read(ctx context.Context, columns ...string) (arrow.Table, error) {
	var batches []arrow.RecordBatch
	for b, err := range t.Batches(ctx, columns...) {
		if err != nil {
			return nil, err
		}
		batches = append(batches, b)
	}
	schema := t.Schema()
	if len(batches) > 0 {
		schema = batches[0].Schema()
	}
	return array.NewTableFromRecords(schema, batches), nil
}

// ParseArrow reads a file in Arrow's IPC format that came from elsewhere: lengths are
// checked before memory is allocated and values before they are used. What is wrong is
// errdef.ErrUnprocessable, a type that is not known errdef.ErrUnsupported.
func ParseArrow(ctx context.Context, data []byte) ([]arrow.RecordBatch, error) {
	src := memorySource(data)
	format := arrowfile.Format{}
	d, err := format.Describe(ctx, src, nil)
	if err != nil {
		return nil, err
	}
	opened, err := format.Open(src, nil, d)
	if err != nil {
		return nil, err
	}
	reader, ok := opened.(adapter.TableReader)
	if !ok {
		return nil, unprocessable("arrow file: no table in it")
	}
	columns := make([]int, d.Table.Schema.NumFields())
	for i := range columns {
		columns[i] = i
	}
	out := make([]arrow.RecordBatch, 0, d.Table.NPartitions)
	for p := range d.Table.NPartitions {
		got, err := reader.ReadColumns(ctx, p, columns)
		if err != nil {
			return nil, err
		}
		out = append(out, array.NewRecordBatch(d.Table.Schema, got.Arrays, got.Rows))
	}
	return out, nil
}

// memorySource is a source of one file, in memory.
type memorySource []byte

var _ adapter.Source = memorySource(nil)

const memoryName = "answer.arrow"

func (memorySource) Names() []string { return []string{memoryName} }

func (s memorySource) Open(_ context.Context, name string) (adapter.File, error) {
	if name != memoryName {
		return nil, fmt.Errorf("%s: %w", name, errdef.ErrNotFound)
	}
	return memoryFile{bytes.NewReader(s)}, nil
}

func (s memorySource) Stat(context.Context, string) (adapter.Stamp, error) {
	return adapter.Stamp{Size: int64(len(s))}, nil
}

func (memorySource) ReadDir(_ context.Context, name string) ([]fs.DirEntry, error) {
	return nil, fmt.Errorf("%s: no folder: %w", name, errdef.ErrUnprocessable)
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }
