package media_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/structure"
)

// tableCase is an entry of the file that testdata/gen_tables.py writes.
type tableCase struct {
	Name  string
	Arrow string
	Texts map[string]*string
}

func (c tableCase) table(t *testing.T) *media.Table {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(c.Arrow)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	var batches []arrow.RecordBatch
	for reader.Next() {
		batch := reader.RecordBatch()
		batch.Retain()
		batches = append(batches, batch)
	}
	if err := reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return tableOf(reader.Schema(), batches...)
}

// tableOf makes a table of batches.
func tableOf(schema *arrow.Schema, batches ...arrow.RecordBatch) *media.Table {
	rows := int64(0)
	for _, batch := range batches {
		rows += batch.NumRows()
	}
	return &media.Table{Schema: schema, Rows: rows, Batches: func(columns []int) iter.Seq2[arrow.RecordBatch, error] {
		return func(yield func(arrow.RecordBatch, error) bool) {
			for _, batch := range batches {
				if !yield(project(batch, columns), nil) {
					return
				}
			}
		}
	}}
}

func project(batch arrow.RecordBatch, columns []int) arrow.RecordBatch {
	if columns == nil {
		return batch
	}
	fields := make([]arrow.Field, len(columns))
	arrays := make([]arrow.Array, len(columns))
	for i, column := range columns {
		fields[i], arrays[i] = batch.Schema().Field(column), batch.Column(column)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, batch.NumRows())
}

func TestTablesAsTiledWritesThem(t *testing.T) {
	for _, c := range load[tableCase](t, "tables.json", 20) {
		for format, want := range c.Texts {
			if want == nil {
				continue
			}
			got, err := encode(t, structure.FamilyTable, format, media.Payload{Table: c.table(t)})
			if err != nil || string(got) != *want {
				t.Errorf("%s as %s: %v\n got %q\nwant %q", c.Name, format, err, got, *want)
			}
		}
	}
}

// Where Tiled fails, or pandas changes the values, these are our own rules.
func TestTablesWhereTiledHasNoAnswer(t *testing.T) {
	want := map[string]map[string]string{
		"durations": {"json": `{"a":["P1DT0H0M2S",null,"P-1DT23H59M59S"]}`},
		"decimals":  {"json": `{"a":[1.50,null,-0.05]}`},
		"holes": {
			"json": `{"a":[1,null,3]}`, "csv": "a\n1\n\"\"\n3\n",
			"application/json-seq": "\x1e{\"a\":1}\n\x1e{\"a\":null}\n\x1e{\"a\":3}\n",
		},
		"nested": {
			"json": `{"a":[[1,null],null,[]],"b":[{"x":1,"y":"é"},null,{"x":null,"y":null}]}`,
			"csv":  "a,b\n\"[1,null]\",\"{\"\"x\"\":1,\"\"y\"\":\"\"é\"\"}\"\n,\n[],\"{\"\"x\"\":null,\"\"y\"\":null}\"\n",
		},
	}
	seen := 0
	for _, c := range load[tableCase](t, "tables.json", 20) {
		for format, text := range want[c.Name] {
			seen++
			got, err := encode(t, structure.FamilyTable, format, media.Payload{Table: c.table(t)})
			if err != nil || string(got) != text {
				t.Errorf("%s as %s: %v\n got %q\nwant %q", c.Name, format, err, got, text)
			}
		}
	}
	if seen != 7 {
		t.Errorf("%d texts compared, want 7", seen)
	}
}

// numbers is a table of one column of int64 in batches of some rows.
func numbers(t *testing.T, rows, batch int) *media.Table {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.PrimitiveTypes.Int64}}, nil)
	return &media.Table{Schema: schema, Rows: int64(rows), Batches: func(columns []int) iter.Seq2[arrow.RecordBatch, error] {
		return func(yield func(arrow.RecordBatch, error) bool) {
			for at := 0; at < rows; at += batch {
				builder := array.NewInt64Builder(memory.DefaultAllocator)
				for row := at; row < min(at+batch, rows); row++ {
					builder.Append(int64(row))
				}
				column := builder.NewArray()
				if !yield(project(array.NewRecordBatch(schema, []arrow.Array{column, column}, -1), columns), nil) {
					return
				}
			}
		}
	}}
}

// A large table as JSON is read column by column, a small one in one go, and
// both are the same text.
func TestJSONOfLargeTables(t *testing.T) {
	passes := [][]int{}
	table := numbers(t, 1_500_000, 100_000)
	inner := table.Batches
	table.Batches = func(columns []int) iter.Seq2[arrow.RecordBatch, error] {
		passes = append(passes, columns)
		return inner(columns)
	}
	table.Rows = -1
	large, err := encode(t, structure.FamilyTable, "json", media.Payload{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	if len(passes) != 3 || passes[0] != nil || len(passes[1]) != 1 || len(passes[2]) != 1 {
		t.Errorf("passes %v, want one of all columns that is given up, and one of each", passes)
	}
	table.Rows, passes = 9_000_000, nil // a lie, but one that is believed
	again, err := encode(t, structure.FamilyTable, "json", media.Payload{Table: table})
	if err != nil || !bytes.Equal(again, large) || len(passes) != 2 {
		t.Errorf("passes %v, want one of each column: %v", passes, err)
	}
	if size := len(large); large[size-1] != '}' || !bytes.HasPrefix(large, []byte(`{"a":[0,1,2,`)) ||
		!bytes.Contains(large, []byte(`,1499999],"b":[0,1,2,`)) || !bytes.HasSuffix(large, []byte(`,1499998,1499999]}`)) {
		t.Errorf("%.40q … %.40q", large, large[size-40:])
	}
}

func TestNoColumns(t *testing.T) {
	table := tableOf(arrow.NewSchema(nil, nil))
	for format, want := range map[string]string{"json": "{}", "application/json-seq": "", "csv": "\n"} {
		got, err := encode(t, structure.FamilyTable, format, media.Payload{Table: table})
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", format, got, err)
		}
	}
}

func TestJSONLinesForTiledsWebPage(t *testing.T) {
	got, err := encode(t, structure.FamilyTable, "application/json-seq;rs=absent", media.Payload{Table: numbers(t, 2, 1)})
	if want := "{\"a\":0,\"b\":0}\n{\"a\":1,\"b\":1}\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}
