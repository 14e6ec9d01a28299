package host

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// readTable answers with an Arrow IPC stream of one batch.
func readTable(ctx context.Context, r *Request, reader adapter.TableReader, d *adapter.Description) (Reply, []byte, error) {
	if r.Op != opReadColumn {
		return Reply{}, nil, fmt.Errorf("%s: a table cannot do that: %w", r.Op, errdef.ErrNotAllowed)
	}
	if r.Partition < 0 || r.Partition >= len(d.Partitions) {
		return Reply{}, nil, fmt.Errorf("has no partition %d: %w", r.Partition, errdef.ErrInvalid)
	}
	fields := make([]arrow.Field, len(r.Columns))
	for i, c := range r.Columns {
		if c < 0 || c >= d.Table.Schema.NumFields() {
			return Reply{}, nil, fmt.Errorf("has no column %d: %w", c, errdef.ErrInvalid)
		}
		fields[i] = d.Table.Schema.Field(c)
	}
	columns, err := reader.ReadColumns(ctx, r.Partition, r.Columns)
	if err != nil {
		return Reply{}, nil, err
	}
	for i, a := range columns.Arrays {
		fields[i].Type = a.DataType()
	}
	schema := arrow.NewSchema(fields, nil)
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	batch := array.NewRecordBatch(schema, columns.Arrays, columns.Rows)
	defer batch.Release()
	if err := w.Write(batch); err != nil {
		return Reply{}, nil, fmt.Errorf("arrow: %w: %w", err, errdef.ErrUnprocessable)
	}
	if err := w.Close(); err != nil {
		return Reply{}, nil, fmt.Errorf("arrow: %w: %w", err, errdef.ErrUnprocessable)
	}
	return Reply{Kind: kindArrow, Rows: columns.Rows, Cost: costOf(columns.Cost)}, b.Bytes(), nil
}

// parseColumns reads what readTable wrote.
func parseColumns(b []byte, rows int64, want int) (adapter.Columns, error) {
	bad := func(err error) (adapter.Columns, error) {
		return adapter.Columns{}, fmt.Errorf("host protocol: columns: %w: %w", err, errdef.ErrUnprocessable)
	}
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		return bad(err)
	}
	defer r.Release()
	if !r.Next() {
		return bad(fmt.Errorf("no batch: %w", r.Err()))
	}
	batch := r.RecordBatch()
	if int(batch.NumCols()) != want || batch.NumRows() != rows && want > 0 {
		return bad(fmt.Errorf("%d columns of %d rows, expected %d of %d", batch.NumCols(), batch.NumRows(), want, rows))
	}
	out := adapter.Columns{Rows: rows, Arrays: make([]arrow.Array, want)}
	for i := range out.Arrays {
		out.Arrays[i] = batch.Column(i)
		out.Arrays[i].Retain() // never released: the memory is the collector's
	}
	return out, nil
}
