package media

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// batches calls f with the rows of the columns that are asked for, nil for
// all, and sees to it that they are as the schema says.
func (t *Table) batches(ctx context.Context, columns []int, f func(arrow.RecordBatch) error) error {
	fields := t.Schema.Fields()
	if columns != nil {
		fields = make([]arrow.Field, len(columns))
		for i, column := range columns {
			fields[i] = t.Schema.Field(column)
		}
	}
	for batch, err := range t.Batches(columns) {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if int(batch.NumCols()) != len(fields) {
			return fmt.Errorf("table: a batch of %d columns, expected %d: %w", batch.NumCols(), len(fields), errdef.ErrUnprocessable)
		}
		for i, field := range fields {
			if got := batch.Column(i).DataType(); !arrow.TypeEqual(got, field.Type) {
				return fmt.Errorf("table: column %.40q is %s, expected %s: %w", field.Name, got, field.Type, errdef.ErrUnprocessable)
			}
		}
		if err := f(batch); err != nil {
			return err
		}
	}
	return nil
}

// names are the names of the columns, in order.
func (t *Table) names() []string {
	names := make([]string, t.Schema.NumFields())
	for i := range names {
		names[i] = t.Schema.Field(i).Name
	}
	return names
}
