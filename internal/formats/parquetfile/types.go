package parquetfile

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

const fieldID = "PARQUET:field_id"

// fieldWithoutID returns the field, and those nested in it, without the ids
// that the library notes in their metadata.
func fieldWithoutID(f arrow.Field) arrow.Field {
	if f.Metadata.FindKey(fieldID) >= 0 {
		kept := f.Metadata.ToMap()
		delete(kept, fieldID)
		f.Metadata = arrow.MetadataFrom(kept)
		if len(kept) == 0 {
			f.Metadata = arrow.Metadata{}
		}
	}
	f.Type = typeWithoutIDs(f.Type)
	return f
}

func typeWithoutIDs(t arrow.DataType) arrow.DataType {
	switch t := t.(type) {
	case *arrow.StructType:
		fields := make([]arrow.Field, t.NumFields())
		for i, f := range t.Fields() {
			fields[i] = fieldWithoutID(f)
		}
		return arrow.StructOf(fields...)
	case *arrow.ListType:
		return arrow.ListOfField(fieldWithoutID(t.ElemField()))
	case *arrow.LargeListType:
		return arrow.LargeListOfField(fieldWithoutID(t.ElemField()))
	case *arrow.FixedSizeListType:
		return arrow.FixedSizeListOfField(t.Len(), fieldWithoutID(t.ElemField()))
	case *arrow.MapType:
		m := arrow.MapOfFields(fieldWithoutID(t.KeyField()), fieldWithoutID(t.ItemField()))
		m.KeysSorted = t.KeysSorted
		return m
	default:
		return t
	}
}

// asIntegers makes the library read durations as the integers that they are
// stored as, since it does not know them; retyped makes durations of those.
func asIntegers(field *pqarrow.SchemaField) {
	if field.Field.Type.ID() == arrow.DURATION {
		field.Field.Type = arrow.PrimitiveTypes.Int64
	}
	for i := range field.Children {
		asIntegers(&field.Children[i])
	}
}

// withoutZone is the type of a column of INT96: the library says UTC, pyarrow
// and the specification say nothing.
func withoutZone(t arrow.DataType) arrow.DataType {
	if stamp, ok := t.(*arrow.TimestampType); ok {
		return &arrow.TimestampType{Unit: stamp.Unit}
	}
	return t
}

// retyped gives data the type that the schema says, which is stored in the same
// way: it differs in metadata, in the time zone, or is a duration.
func retyped(data arrow.ArrayData, t arrow.DataType) arrow.ArrayData {
	nested, ok := t.(arrow.NestedType)
	if !ok {
		if from := data.DataType().ID(); from == t.ID() && from == arrow.TIMESTAMP || from == arrow.INT64 && t.ID() == arrow.DURATION {
			return array.NewData(t, data.Len(), data.Buffers(), data.Children(), data.NullN(), data.Offset())
		}
		return data
	}
	if data.DataType().ID() != t.ID() {
		return data
	}
	fields := nested.Fields()
	children := data.Children()
	out := make([]arrow.ArrayData, len(children))
	for i, c := range children {
		if out[i] = c; i < len(fields) {
			out[i] = retyped(c, fields[i].Type)
		}
	}
	return array.NewData(t, data.Len(), data.Buffers(), out, data.NullN(), data.Offset())
}
