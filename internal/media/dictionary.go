package media

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// merger gives the dictionary columns of all batches the same dictionary:
// partitions have one each, an Arrow file may have one only, before its first
// batch. So it goes through those columns once before.
type merger struct {
	schema  *arrow.Schema
	columns map[int]*merged
}

// merged is the dictionary of one column of the whole table.
type merged struct {
	kind    *arrow.DictionaryType
	unifier array.DictionaryUnifier
	values  arrow.Array
}

func newMerger(ctx context.Context, t *Table) (*merger, error) {
	m := &merger{schema: t.Schema, columns: map[int]*merged{}}
	var coded []int
	for i, field := range t.Schema.Fields() {
		kind, ok := field.Type.(*arrow.DictionaryType)
		if !ok {
			continue
		}
		unifier, err := array.NewDictionaryUnifier(memory.DefaultAllocator, kind.ValueType)
		if err != nil {
			return nil, m.fail(i, err)
		}
		m.columns[i] = &merged{kind: kind, unifier: unifier}
		coded = append(coded, i)
	}
	if coded == nil {
		return m, nil
	}
	err := t.batches(ctx, coded, func(batch arrow.RecordBatch) error {
		for i, column := range coded {
			if err := m.columns[column].unifier.Unify(batch.Column(i).(*array.Dictionary).Dictionary()); err != nil {
				return m.fail(column, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, column := range m.columns {
		if column.values, err = column.unifier.GetResultWithIndexType(column.kind.IndexType); err != nil {
			return nil, m.fail(i, err)
		}
	}
	return m, nil
}

// fail says that a column cannot be written as it is.
func (m *merger) fail(column int, err error) error {
	return fmt.Errorf("%s: column %.40q of type %s: %w: %w",
		typeArrow, m.schema.Field(column).Name, m.schema.Field(column).Type, errdef.ErrNotAcceptable, err)
}

// batch returns the batch with the common dictionaries.
func (m *merger) batch(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := append([]arrow.Array(nil), batch.Columns()...)
	for i, column := range m.columns {
		coded := columns[i].(*array.Dictionary)
		places, err := column.unifier.UnifyAndTranspose(coded.Dictionary())
		if err != nil {
			return nil, m.fail(i, err)
		}
		indices, err := transpose(coded, column, arrow.Int32Traits.CastFromBytes(places.Bytes()))
		places.Release()
		if err != nil {
			return nil, fmt.Errorf("%s: column %.40q: %w", typeArrow, m.schema.Field(i).Name, err)
		}
		columns[i] = array.NewDictionaryArray(column.kind, indices, column.values)
	}
	// The batch may lack the metadata of the schema, which the file wants equal.
	return array.NewRecordBatch(m.schema, columns, batch.NumRows()), nil
}

// transpose rewrites the indices of a column to where their values now are.
func transpose(coded *array.Dictionary, column *merged, places []int32) (arrow.Array, error) {
	builder := array.NewBuilder(memory.DefaultAllocator, column.kind.IndexType)
	defer builder.Release()
	builder.Reserve(coded.Len())
	for row := range coded.Len() {
		if coded.IsNull(row) {
			builder.AppendNull()
			continue
		}
		place := places[coded.GetValueIndex(row)]
		if int(place) >= column.values.Len() {
			return nil, fmt.Errorf("a value that was not there before: %w", errdef.ErrChanged)
		}
		if !appendIndex(builder, place) {
			return nil, fmt.Errorf("indices of type %s: %w", column.kind.IndexType, errdef.ErrNotAcceptable)
		}
	}
	return builder.NewArray(), nil
}

func appendIndex(builder array.Builder, place int32) bool {
	switch b := builder.(type) {
	case *array.Int8Builder:
		b.Append(int8(place))
	case *array.Int16Builder:
		b.Append(int16(place))
	case *array.Int32Builder:
		b.Append(place)
	case *array.Int64Builder:
		b.Append(int64(place))
	case *array.Uint8Builder:
		b.Append(uint8(place))
	case *array.Uint16Builder:
		b.Append(uint16(place))
	case *array.Uint32Builder:
		b.Append(uint32(place))
	case *array.Uint64Builder:
		b.Append(uint64(place))
	default:
		return false
	}
	return true
}
