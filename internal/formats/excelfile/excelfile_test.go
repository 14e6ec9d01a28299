package excelfile_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/excelfile"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestFormat(t *testing.T) {
	adaptertest.Run(t, excelfile.Format{}, adaptertest.Goldens(t, "testdata/golden.json"))
}

// TestValues compares every cell with what pandas makes of it.
func TestValues(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Names, Inside []string
		Error         string
		Columns       []struct {
			Name, Type string
			Values     []*string
		}
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range cases {
		if c.Error != "" || len(c.Inside) == 0 {
			continue
		}
		src := adaptertest.NewFolder(t, "testdata", c.Names...)
		d, got := read(t, src, c.Inside[0])
		fields := d.Table.Schema.Fields()
		if len(fields) != len(c.Columns) {
			t.Errorf("%v %v: %d columns, want %d", c.Names, c.Inside, len(fields), len(c.Columns))
			continue
		}
		for i, want := range c.Columns {
			where := fmt.Sprintf("%v %v column %d", c.Names, c.Inside, i)
			if kind := typeName(fields[i].Type); fields[i].Name != want.Name || kind != want.Type {
				t.Errorf("%s: %q of %s, want %q of %s", where, fields[i].Name, kind, want.Name, want.Type)
				continue
			}
			compare(t, where+" "+want.Name, got.Arrays[i], want.Values)
			compared++
		}
	}
	if compared < 60 {
		t.Errorf("%d columns compared", compared)
	}
}

func typeName(t arrow.DataType) string {
	switch t.ID() {
	case arrow.FLOAT64:
		return "double"
	case arrow.LARGE_STRING:
		return "large_string"
	case arrow.TIMESTAMP:
		return "timestamp[ns]"
	case arrow.DURATION:
		return "duration[ns]"
	default:
		return t.String()
	}
}

func compare(t *testing.T, where string, got arrow.Array, want []*string) {
	t.Helper()
	if got.Len() != len(want) {
		t.Errorf("%s: %d rows, want %d", where, got.Len(), len(want))
		return
	}
	for row, w := range want {
		if w == nil || got.IsNull(row) {
			if (w == nil) != got.IsNull(row) {
				t.Errorf("%s row %d: null or not", where, row)
			}
			continue
		}
		var value string
		switch a := got.(type) {
		case *array.Float64:
			f, err := strconv.ParseFloat(*w, 64)
			if err != nil || f != a.Value(row) {
				t.Errorf("%s row %d: %v, want %s", where, row, a.Value(row), *w)
			}
			continue
		case *array.Boolean:
			value = map[bool]string{true: "True", false: "False"}[a.Value(row)]
		case *array.Timestamp:
			value = strconv.FormatInt(int64(a.Value(row)), 10)
		case *array.Duration:
			value = strconv.FormatInt(int64(a.Value(row)), 10)
		default:
			value = a.ValueStr(row)
		}
		if value != *w {
			t.Errorf("%s row %d: %q, want %q", where, row, value, *w)
		}
	}
}

// read describes and reads a sheet.
func read(tb testing.TB, src adapter.Source, sheet string) (*adapter.Description, adapter.Columns) {
	tb.Helper()
	d, err := excelfile.Format{}.Describe(tb.Context(), src, []string{sheet})
	if err != nil {
		tb.Fatal(err)
	}
	opened, err := excelfile.Format{}.Open(src, []string{sheet}, d)
	if err != nil {
		tb.Fatal(err)
	}
	columns := make([]int, d.Table.Schema.NumFields())
	for i := range columns {
		columns[i] = i
	}
	if len(columns) > 1000 {
		columns = columns[len(columns)-1:]
	}
	got, err := opened.(adapter.TableReader).ReadColumns(tb.Context(), 0, columns)
	if err != nil {
		tb.Fatal(err)
	}
	return d, got
}

// TestSparse: two cells in the corners of a sheet cost what two cells cost, and
// a whole column what a column costs.
func TestSparse(t *testing.T) {
	src := adaptertest.NewFolder(t, "testdata", "sparse.xlsx")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d, got := read(t, src, "frame")
	runtime.ReadMemStats(&after)
	if d.Partitions[0].Rows != 1<<20-1 || d.Table.Schema.NumFields() != 1<<14 {
		t.Errorf("%d rows, %d columns", d.Partitions[0].Rows, d.Table.Schema.NumFields())
	}
	last, ok := got.Arrays[0].(*array.Float64)
	if !ok || last.NullN() != 1<<20-2 || last.Value(1<<20-2) != 2 {
		t.Errorf("the last column is %v", got.Arrays[0].DataType())
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 64<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
}

// workbook makes a workbook of one sheet.
func workbook(tb testing.TB, rows string, shared func(w *zip.Writer)) string {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	put := func(name, text string) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	put("_rels/.rels", `<R><Relationship Id="a" Type="x/officeDocument" Target="w.xml"/></R>`)
	put("_rels/w.xml.rels", `<R><Relationship Id="s" Type="x/worksheet" Target="s.xml"/><Relationship Id="t" Type="x/sharedStrings" Target="t.xml"/></R>`)
	put("w.xml", `<w><sheet name="s" r:id="s"/></w>`)
	put("s.xml", `<s><sheetData>`+rows+`</sheetData></s>`)
	if shared != nil {
		shared(w)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// TestBombs: parts that grow a thousand times when they are unpacked are given
// up, and are held by nobody until then.
func TestBombs(t *testing.T) {
	repeat := func(name, head, part string, n int) func(w *zip.Writer) {
		return func(w *zip.Writer) {
			f, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = f.Write([]byte(head))
			block := []byte(strings.Repeat(part, 1<<20/len(part)))
			for range n {
				_, _ = f.Write(block)
			}
		}
	}
	for name, c := range map[string]struct {
		shared func(w *zip.Writer)
		want   error
	}{
		"part": {repeat("w.xml", "<w>", "<!-- nothing at all -->", 33), errdef.ErrUnsupported},
		"text": {repeat("t.xml", "<sst><si><t>", "a", 64), errdef.ErrUnprocessable},
		"tag":  {repeat("t.xml", "<sst ", "a", 64), errdef.ErrUnprocessable},
	} {
		content := workbook(t, `<row><c t="s"><v>0</v></c></row>`, c.shared)
		src := adaptertest.NewMemory(map[string]string{"a.xlsx": content}, "a.xlsx")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := excelfile.Format{}.Describe(t.Context(), src, []string{"s"})
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, c.want) || allocated > 192<<20 {
			t.Errorf("%s of %d bytes: %d bytes allocated, error %v, want %v", name, len(content), allocated, err, c.want)
		}
	}
}

func FuzzSheet(f *testing.F) {
	for _, rows := range []string{
		`<row r="2"><c r="B2" t="b"><v>1</v></c><c t="e"><v>#N/A</v></c></row><row><c><v>1e3</v></c></row>`,
		`<row><c t="inlineStr"><is><t>a</t></is></c></row><row><c t="d"><v>2024-05-06</v></c><c t="str"><v>NA</v></c></row>`,
		`<row><c t="s"><v>0</v></c></row><row r="9"><c t="n"><v>-1.5</v></c></row>`,
	} {
		f.Add(rows)
	}
	f.Fuzz(func(t *testing.T, rows string) {
		content := workbook(t, rows, func(w *zip.Writer) {
			if p, err := w.Create("t.xml"); err == nil {
				_, _ = p.Write([]byte("<sst><si><t>one</t></si></sst>"))
			}
		})
		src := adaptertest.NewMemory(map[string]string{"a.xlsx": content}, "a.xlsx")
		d, err := excelfile.Format{}.Describe(t.Context(), src, []string{"s"})
		if err != nil {
			if !errors.Is(err, errdef.ErrUnprocessable) {
				t.Fatal(err)
			}
			return
		}
		if d.Family != structure.FamilyTable || d.Partitions[0].Rows > 1<<16 {
			return
		}
		if _, got := read(t, src, "s"); got.Rows != d.Partitions[0].Rows {
			t.Fatalf("%d rows, %d described", got.Rows, d.Partitions[0].Rows)
		}
	})
}

func FuzzWorkbook(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.xlsx")
	if err != nil || len(seeds) < 10 {
		f.Fatalf("%d seeds, %v", len(seeds), err)
	}
	for _, name := range seeds {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src := adaptertest.NewMemory(map[string]string{"a.xlsx": string(data)}, "a.xlsx")
		d, err := excelfile.Format{}.Describe(t.Context(), src, nil)
		for i := 0; err == nil && i < min(len(d.Keys), 5); i++ {
			_, err = excelfile.Format{}.Describe(t.Context(), src, d.Keys[i:i+1])
		}
		if err != nil && !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
			t.Fatal(err)
		}
	})
}
