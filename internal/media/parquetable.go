package media

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// parquetable is the schema with types that Parquet files have words for: plain
// strings and bytes in place of views, and counts in place of durations.
func parquetable(schema *arrow.Schema) *arrow.Schema {
	fields := schema.Fields()
	for i, field := range fields {
		switch field.Type.ID() {
		case arrow.STRING_VIEW:
			fields[i].Type = arrow.BinaryTypes.LargeString
		case arrow.BINARY_VIEW:
			fields[i].Type = arrow.BinaryTypes.LargeBinary
		case arrow.DURATION:
			fields[i].Type = arrow.PrimitiveTypes.Int64
		default:
		}
	}
	metadata := schema.Metadata()
	return arrow.NewSchema(fields, &metadata)
}

// parquetableColumn gives a column the type that it has in parquetable. Only
// views are copied.
func parquetableColumn(column arrow.Array) arrow.Array {
	switch v := column.(type) {
	case *array.StringView:
		builder := array.NewLargeStringBuilder(memory.DefaultAllocator)
		defer builder.Release()
		for row := range v.Len() {
			if v.IsNull(row) {
				builder.AppendNull()
			} else {
				builder.Append(v.Value(row))
			}
		}
		return builder.NewArray()
	case *array.BinaryView:
		builder := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.LargeBinary)
		defer builder.Release()
		for row := range v.Len() {
			if v.IsNull(row) {
				builder.AppendNull()
			} else {
				builder.Append(v.Value(row))
			}
		}
		return builder.NewArray()
	case *array.Duration:
		data := v.Data()
		return array.MakeFromData(array.NewData(arrow.PrimitiveTypes.Int64, data.Len(), data.Buffers(), nil, data.NullN(), data.Offset()))
	default:
		return column
	}
}
