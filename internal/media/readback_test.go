package media_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
	"github.com/terrazzo-data/terrazzo/structure"
)

// body is what an encoder wrote, and the kind of file that it is.
type body struct {
	kind string
	data []byte
}

// readBack gives bodies to testdata/read_back.py and returns what it says of
// each.
func readBack(t *testing.T, bodies ...body) [][]any {
	t.Helper()
	args := []string{filepath.Join("testdata", "read_back.py")}
	for i, body := range bodies {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.%s", i, body.kind))
		if err := os.WriteFile(path, body.data, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.CommandContext(t.Context(), testenv.Python(t), args...).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var answers [][]any
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var answer []any
		if err := decoder.Decode(&answer); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(bodies) {
		t.Fatalf("%d answers for %d bodies", len(answers), len(bodies))
	}
	return answers
}

// counting is an array of 0, 1, 2 … in bytes, of a type and shape.
func counting(t *testing.T, kind string, shape ...int64) (*media.Array, []byte) {
	t.Helper()
	dtype, err := structure.ParseDType(kind)
	if err != nil {
		t.Fatal(err)
	}
	size := dtype.ItemSize
	for _, extent := range shape {
		size *= extent
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i % 61)
	}
	return &media.Array{Type: dtype, Shape: shape, Data: inPieces(data, int(dtype.ItemSize))}, data
}

func TestTIFFInTifffile(t *testing.T) {
	cases := []struct {
		kind  string
		shape []int64
		want  string // type, shape, pages and photometric as tifffile sees them
	}{
		{"|u1", []int64{5, 7}, "|u1 [5 7] 1 1"},
		{"<u2", []int64{5, 7}, "<u2 [5 7] 1 1"},
		{">f4", []int64{3, 5, 7}, "<f4 [3 5 7] 3 1"},
		{"<i2", []int64{2, 3, 5, 7}, "<i2 [2 3 5 7] 6 1"},
		{"<f8", []int64{9}, "<f8 [1 9] 1 1"},
		{"<c8", []int64{4, 4}, "<c8 [4 4] 1 1"},
		{"|u1", []int64{5, 7, 3}, "|u1 [5 7 3] 1 2"},
		{"<u2", []int64{2, 5, 7, 4}, "<u2 [2 5 7 4] 2 2"},
		{"<i8", []int64{}, "<i8 [1 1] 1 1"},
		{"|b1", []int64{2, 2}, "|u1 [2 2] 1 1"},
	}
	var bodies []body
	var data [][]byte
	for _, c := range cases {
		a, bytes := counting(t, c.kind, c.shape...)
		text, err := encode(t, structure.FamilyArray, "tiff", media.Payload{Array: a})
		if err != nil {
			t.Fatalf("%s %v: %v", c.kind, c.shape, err)
		}
		bodies, data = append(bodies, body{"tiff", text}), append(data, bytes)
	}
	bodies = append(bodies, body{"picture", bodies[0].data})
	answers := readBack(t, bodies...)
	for i, c := range cases {
		answer := answers[i]
		bytes := answer[2] // in the order of this machine, the little one
		if c.kind[0] == '>' {
			bytes = answer[3]
		}
		if got := fmt.Sprintf("%v %v %v %v", answer[0], answer[1], answer[4], answer[5]); got != c.want || bytes != hex.EncodeToString(data[i]) {
			t.Errorf("%s %v: tifffile sees %s: %v, want %s", c.kind, c.shape, got, bytes, c.want)
		}
	}
	if picture := answers[len(cases)]; picture[0] != "L" || picture[2] != hex.EncodeToString(data[0]) {
		t.Errorf("Pillow sees %v", picture)
	}
}

// The cases of tables.json, through pyarrow: what it read in the first place.
func TestArrowAndParquetInPyarrow(t *testing.T) {
	cases := load[tableCase](t, "tables.json", 20)
	var bodies []body
	for _, c := range cases {
		table := c.table(t)
		for _, kind := range []string{"arrow", "parquet"} {
			text, err := encode(t, structure.FamilyTable, kind, media.Payload{Table: table})
			if err != nil {
				t.Fatalf("%s as %s: %v", c.Name, kind, err)
			}
			bodies = append(bodies, body{kind, text})
		}
		source, err := base64.StdEncoding.DecodeString(c.Arrow)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body{"stream", source})
	}
	answers := readBack(t, bodies...)
	for i, c := range cases {
		arrow, parquet, want := fmt.Sprint(answers[3*i]), fmt.Sprint(answers[3*i+1]), fmt.Sprint(answers[3*i+2])
		if arrow != want {
			t.Errorf("%s as Arrow: %s\nwant %s", c.Name, arrow, want)
		}
		// Parquet has no seconds, no views, and its own name for the elements of lists.
		want = strings.NewReplacer("timestamp[s]", "timestamp[ms]", "list<item:", "list<element:", "string_view", "large_string").Replace(want)
		if c.Name == "durations" {
			want = "[[int64] [[86402000000 None -1000000]] map[] 3]" // nor these
		}
		if parquet != want {
			t.Errorf("%s as Parquet: %s\nwant %s", c.Name, parquet, want)
		}
	}
}

// Each partition of a table has a dictionary of its own; a file has one.
func TestDictionariesAreMerged(t *testing.T) {
	kind := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	metadata := arrow.NewMetadata([]string{"k"}, []string{"v"})
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: kind, Nullable: true}}, &metadata)
	var batches []arrow.RecordBatch
	for _, words := range [][]string{{"x", "y"}, {"y", "z", "", "x"}, {"x"}, {"w", "z"}} {
		builder := array.NewDictionaryBuilder(memory.DefaultAllocator, kind).(*array.BinaryDictionaryBuilder)
		for _, word := range words {
			if word == "" {
				builder.AppendNull()
			} else if err := builder.AppendString(word); err != nil {
				t.Fatal(err)
			}
		}
		bare := arrow.NewSchema(schema.Fields(), nil) // batches may lack the metadata
		batches = append(batches, array.NewRecordBatch(bare, []arrow.Array{builder.NewArray()}, -1))
	}
	var bodies []body
	for _, format := range []string{"arrow", "parquet"} {
		text, err := encode(t, structure.FamilyTable, format, media.Payload{Table: tableOf(schema, batches...)})
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		bodies = append(bodies, body{format, text})
	}
	for i, answer := range readBack(t, bodies...) {
		if got := fmt.Sprint(answer[1]); got != "[['x' 'y' 'y' 'z' None 'x' 'x' 'w' 'z']]" {
			t.Errorf("%s: %s", bodies[i].kind, got)
		}
		if got := answer[2].(map[string]any); got["k"] != "v" {
			t.Errorf("%s: metadata %v", bodies[i].kind, got)
		}
	}
}

func TestXLSXInOpenpyxl(t *testing.T) {
	const day, noon = "datetime.datetime(2020, 1, 1, 0, 0)", "datetime.datetime(2020, 1, 2, 3, 4, 5"
	want := map[string]string{
		"ints":   "[Sheet1 true [['int8' 'int16' 'int32' 'int64' 'uint8' 'uint16' 'uint32' 'uint64'] [0 0 0 0 0 0 0 0] [1 1 1 1 1 1 1 1] [100 100 100 100 100 100 100 100]]]",
		"floats": "[Sheet1 true [['a' 'b'] [1.5 0.10000000149011612] [None None] ['inf' 10000000000] [10000000000000000 0] [1e-05 3]]]",
		"bools":  "[Sheet1 true [['a' 'b'] [True True] [None False] [False True]]]",
		"times": "[Sheet1 true [['s' 'ms' 'us' 'ns' 'n'] [" + strings.Repeat(day+" ", 4) + day + "] [" + noon + ") " +
			strings.Repeat(noon+", 500000) ", 3) + day + "] [None None None None " + day + "]]]",
		"text": `[Sheet1 true [['a, b' 'c"'] ['x,y' '<b>&'] ['q"\r\n' ' '] [None '\\'] ['' '\u2028'] ['é😀' '�']]]`,
	}
	var names []string
	var bodies []body
	for _, c := range load[tableCase](t, "tables.json", 20) {
		text, err := encode(t, structure.FamilyTable, "xlsx", media.Payload{Table: c.table(t)})
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		names, bodies = append(names, c.Name), append(bodies, body{"xlsx", text})
	}
	for i, answer := range readBack(t, bodies...) {
		if got := fmt.Sprint(answer); want[names[i]] != "" && got != want[names[i]] {
			t.Errorf("%s: openpyxl sees %s\nwant %s", names[i], got, want[names[i]])
		}
	}
}
