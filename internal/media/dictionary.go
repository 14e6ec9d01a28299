package media

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// merger gives the dictionary columns of successive batches dictionaries that
// only ever grow: partitions have one each, an Arrow file may have one only.
type merger struct {
	schema *arrow.Schema
	// unifiers hold what each column had until now.
	unifiers map[int]array.DictionaryUnifier
}

func newMerger(schema *arrow.Schema) *merger {
	return &merger{schema: schema, unifiers: map[int]array.DictionaryUnifier{}}
}

// batch returns the batch with its dictionaries replaced where they have to be.
func (m *merger) batch(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := batch.Columns()
	changed := false
	for i, column := range columns {
		coded, ok := column.(*array.Dictionary)
		if !ok {
			continue
		}
		merged, err := m.column(i, coded)
		if err != nil {
			return nil, fmt.Errorf("%s: column %.40q: %w", typeArrow, m.schema.Field(i).Name, err)
		}
		if merged != column {
			if !changed {
				columns = append([]arrow.Array(nil), columns...)
			}
			columns[i], changed = merged, true
		}
	}
	if !changed {
		return batch, nil
	}
	return array.NewRecordBatch(m.schema, columns, batch.NumRows()), nil
}

func (m *merger) column(i int, column *array.Dictionary) (arrow.Array, error) {
	unifier := m.unifiers[i]
	if unifier == nil {
		var err error
		if unifier, err = array.NewDictionaryUnifier(memory.DefaultAllocator, column.Dictionary().DataType()); err != nil {
			return nil, fmt.Errorf("%w: %w", errdef.ErrNotAcceptable, err)
		}
		m.unifiers[i] = unifier
	}
	places, err := unifier.UnifyAndTranspose(column.Dictionary())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errdef.ErrNotAcceptable, err)
	}
	defer places.Release()
	kind := column.DataType().(*arrow.DictionaryType)
	values, err := unifier.GetResultWithIndexType(kind.IndexType)
	if err != nil {
		return nil, fmt.Errorf("more values than its indices can count: %w: %w", errdef.ErrNotAcceptable, err)
	}
	indices, err := transpose(column, kind.IndexType, arrow.Int32Traits.CastFromBytes(places.Bytes()))
	if err != nil {
		return nil, err
	}
	return array.NewDictionaryArray(kind, indices, values), nil
}

// transpose rewrites the indices of a column to where their values now are.
func transpose(column *array.Dictionary, kind arrow.DataType, places []int32) (arrow.Array, error) {
	builder := array.NewBuilder(memory.DefaultAllocator, kind)
	defer builder.Release()
	builder.Reserve(column.Len())
	for row := range column.Len() {
		if column.IsNull(row) {
			builder.AppendNull()
			continue
		}
		place := places[column.GetValueIndex(row)]
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
			return nil, fmt.Errorf("indices of type %s: %w", kind, errdef.ErrNotAcceptable)
		}
	}
	return builder.NewArray(), nil
}
