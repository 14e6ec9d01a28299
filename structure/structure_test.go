package structure_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestRegularChunks(t *testing.T) {
	for _, c := range []struct {
		shape, chunk []int64
		want         [][]int64
	}{
		{[]int64{}, []int64{}, [][]int64{}},
		{[]int64{0, 5}, []int64{3, 2}, [][]int64{{0}, {2, 2, 1}}},
		{[]int64{4}, []int64{4}, [][]int64{{4}}},
		{[]int64{4}, []int64{9}, [][]int64{{4}}},
		{[]int64{3}, []int64{0}, [][]int64{{1, 1, 1}}},
	} {
		if got := structure.RegularChunks(c.shape, c.chunk); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v in %v: %v, want %v", c.shape, c.chunk, got, c.want)
		}
	}
}

func TestDocuments(t *testing.T) {
	dtype, err := structure.ParseDType("<f8")
	if err != nil {
		t.Fatal(err)
	}
	a := structure.Array{DataType: dtype, Shape: []int64{3}, Chunks: [][]int64{{2, 1}}}
	doc := a.Document()
	if doc["dims"] != nil || doc["resizable"] != false || !reflect.DeepEqual(doc["shape"], []any{int64(3)}) || !reflect.DeepEqual(doc["chunks"], []any{[]any{int64(2), int64(1)}}) {
		t.Errorf("array: %v", doc)
	}
	a.Dims = []string{"time"}
	if doc := a.Document(); !reflect.DeepEqual(doc["dims"], []any{"time"}) {
		t.Errorf("dims: %v", doc["dims"])
	}
	for spec, want := range map[structure.Spec]any{{Name: "x"}: nil, {Name: "x", Version: "1"}: "1"} {
		if doc := spec.Document(); doc["name"] != "x" || doc["version"] != want {
			t.Errorf("%v: %v", spec, doc)
		}
	}
}

// TestTable: the index of pandas is no column, and neither index nor names that
// Tiled keeps for itself are listed, though the schema has them.
func TestTable(t *testing.T) {
	field := func(name string) arrow.Field { return arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64} }
	metadata := arrow.MetadataFrom(map[string]string{"pandas": `{"index_columns": ["idx", "gone", {"kind": "range"}]}`})
	table := structure.Table{Schema: arrow.NewSchema([]arrow.Field{field("a"), field("_b"), field("idx")}, &metadata), NPartitions: 2}
	if got := strings.Join(table.Columns(), " "); got != "a _b" {
		t.Errorf("columns %s", got)
	}
	if got := strings.Join(table.IndexColumns(), " "); got != "idx" {
		t.Errorf("index %s", got)
	}
	doc := table.Document()
	if !reflect.DeepEqual(doc["columns"], []any{"a"}) || doc["npartitions"] != int64(2) || doc["resizable"] != false {
		t.Errorf("document %v", doc)
	}
	text, ok := strings.CutPrefix(doc["arrow_schema"].(string), "data:application/vnd.apache.arrow.file;base64,")
	message, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !ok {
		t.Fatal(err)
	}
	schema, err := structure.ParseSchemaMessage(message)
	if err != nil || !schema.Equal(table.Schema) {
		t.Errorf("schema %v, %v", schema, err)
	}
	for _, bad := range [][]byte{nil, {1, 2, 3}, message[:20], append([]byte{255, 255, 255, 255, 255, 255, 255, 127}, message...)} {
		if _, err := structure.ParseSchemaMessage(bad); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("a message of %d bytes: %v", len(bad), err)
		}
	}
	broken := arrow.MetadataFrom(map[string]string{"pandas": `{`})
	other := structure.Table{Schema: arrow.NewSchema([]arrow.Field{field("a")}, &broken)}
	if got := other.IndexColumns(); got != nil {
		t.Errorf("broken metadata: %v", got)
	}
}
