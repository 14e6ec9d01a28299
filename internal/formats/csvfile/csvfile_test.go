package csvfile

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// pandasCase is what testdata/gen_cases.py wrote.
type pandasCase struct {
	Name, Data, Sep, Error string
	Rows                   int64
	Columns                []struct {
		Name   string
		Index  *int
		Kind   string
		Values []any
	}
}

func (c pandasCase) bytes(tb testing.TB) []byte {
	tb.Helper()
	data, err := base64.StdEncoding.DecodeString(c.Data)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func (c pandasCase) file() string {
	if c.Sep == "\t" {
		return "a.tsv"
	}
	return "a.csv"
}

func pandasCases(tb testing.TB) []pandasCase {
	tb.Helper()
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		tb.Fatal(err)
	}
	var all struct{ Cases []pandasCase }
	if err := json.Unmarshal(text, &all); err != nil {
		tb.Fatal(err)
	}
	if len(all.Cases) < 100 {
		tb.Fatalf("%d cases, the file is cut off", len(all.Cases))
	}
	return all.Cases
}

// file makes a source of one file.
func file(tb testing.TB, name string, data []byte) *adaptertest.Folder {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return adaptertest.NewFolder(tb, dir, name)
}

// TestAsPandas compares types, names and values with what pandas read, with
// the file in one partition and cut as often as it can be.
func TestAsPandas(t *testing.T) {
	for _, c := range pandasCases(t) {
		for _, cell := range []int64{0, 1, 3, 7} {
			t.Run(fmt.Sprintf("%s/%d", c.Name, cell), func(t *testing.T) {
				comparePandas(t, c, Format{cell: cell})
			})
		}
	}
}

func comparePandas(t *testing.T, c pandasCase, f Format) {
	t.Helper()
	src := file(t, c.file(), c.bytes(t))
	d, err := f.Describe(t.Context(), src, nil)
	if c.Error != "" {
		if !errors.Is(err, errdef.ErrUnprocessable) {
			t.Fatalf("got error %v, pandas says %s", err, c.Error)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got := table(t, f, src, d)
	if d.Table.Schema.NumFields() != len(c.Columns) {
		t.Fatalf("columns %v, want %+v", d.Table.Columns(), c.Columns)
	}
	at := 0
	for _, want := range c.Columns {
		column := at
		if want.Index != nil {
			column = len(c.Columns) - indexes(c) + *want.Index
			want.Name = fmt.Sprintf("__index_level_%d__", *want.Index)
		} else {
			at++
		}
		field := d.Table.Schema.Field(column)
		kind := map[string]string{"large_utf8": "string"}[field.Type.Name()]
		if kind == "" {
			kind = strings.Replace(field.Type.Name(), "utf8", "string", 1)
		}
		if field.Name != want.Name || kind != want.Kind {
			t.Errorf("column %q of %s, want %q of %s", field.Name, kind, want.Name, want.Kind)
		}
		if fmt.Sprint(got[column]) != fmt.Sprint(plain(want.Kind, want.Values)) {
			t.Errorf("column %q: %v, want %v", field.Name, got[column], plain(want.Kind, want.Values))
		}
	}
}

func indexes(c pandasCase) (n int) {
	for _, column := range c.Columns {
		if column.Index != nil {
			n++
		}
	}
	return n
}

// plain writes pandas' values in the way of [table].
func plain(kind string, values []any) []string {
	out := []string{}
	for _, v := range values {
		switch text, ok := v.(string); {
		case v == nil:
			out = append(out, "null")
		case ok && kind == "float64":
			f, _ := strconv.ParseFloat(text, 64)
			out = append(out, strconv.FormatFloat(f, 'g', -1, 64))
		case ok:
			out = append(out, fmt.Sprintf("%q", text))
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	return out
}

// table reads all partitions, and writes all values of each column.
func table(tb testing.TB, f Format, src adapter.Source, d *adapter.Description) [][]string {
	tb.Helper()
	opened, err := f.Open(src, nil, d)
	if err != nil {
		tb.Fatal(err)
	}
	out := make([][]string, d.Table.Schema.NumFields())
	all := make([]int, len(out))
	for i := range all {
		all[i] = i
	}
	for p := range d.Partitions {
		got, err := opened.(adapter.TableReader).ReadColumns(tb.Context(), p, all)
		if err != nil {
			tb.Fatalf("partition %d: %v", p, err)
		}
		if got.Rows != d.Partitions[p].Rows {
			tb.Errorf("partition %d: %d rows, want %d", p, got.Rows, d.Partitions[p].Rows)
		}
		for i, a := range got.Arrays {
			if int64(a.Len()) != got.Rows {
				tb.Errorf("column %d: %d values in %d rows", i, a.Len(), got.Rows)
			}
			out[i] = append(out[i], show(a)...)
		}
	}
	return out
}

func show(a arrow.Array) []string {
	out := make([]string, a.Len())
	for i := range out {
		if a.IsNull(i) {
			out[i] = "null"
			continue
		}
		switch a := a.(type) {
		case *array.Float64:
			out[i] = strconv.FormatFloat(a.Value(i), 'g', -1, 64)
		case *array.Boolean:
			out[i] = fmt.Sprint(a.Value(i))
		default:
			out[i] = fmt.Sprintf("%q", a.ValueStr(i))
		}
	}
	return out
}

func TestErrorsNameTheLine(t *testing.T) {
	big := "a,b\n" + strings.Repeat("1,\"x\r\ny\"\r\n", 1000) + "3,4,5\n"
	for text, want := range map[string]string{
		"a,b\n1,2\n3,4,5\n":                 "line 3: expected 2 fields, saw 3",
		"a,b\n\n1,\"x\ny\"\n\n3,4,5\n":      "line 6: expected 2 fields, saw 3",
		"a,b\r\n1,\"x\r\ny\"\r\n3,4,5\r\n":  "line 4: expected 2 fields, saw 3",
		"a,b\r1,2\r3,4,5":                   "line 3: expected 2 fields, saw 3",
		"a,b\n1,2\n\"3,4\n":                 "line 3: a quote is opened",
		"a,b\n1,2\n3,4\n5,6\n\"7,8\n\n\n\n": "line 5: a quote is opened",
		"":                                  "no columns",
		"\n \n":                             "no columns",
		big:                                 "line 2002: expected 2 fields, saw 3",
		strings.Repeat(",", maxColumns) + "\n1\n":     "65537 columns",
		"a\n" + strings.Repeat("x", maxRecord+1e5):    "within",
		"a\n1\n" + strings.Repeat("x", maxRecord+1e6): "line 3: no end within",
	} {
		for _, cell := range []int64{0, 5} {
			if cell > 0 && len(text) > 1e6 {
				continue
			}
			_, err := Format{cell: cell}.Describe(t.Context(), file(t, "a.csv", []byte(text)), nil)
			if !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%.20q: %v, want %s", text, err, want)
			}
		}
	}
}

func utf16Text(order string, text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, r := range text {
		units := []uint16{uint16(r)}
		if r > 0xffff {
			r -= 0x10000
			units = []uint16{0xd800 + uint16(r>>10), 0xdc00 + uint16(r&0x3ff)}
		}
		for _, u := range units {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	if order == "big" {
		for i := 0; i < len(out); i += 2 {
			out[i], out[i+1] = out[i+1], out[i]
		}
	}
	return out
}

func TestEncodings(t *testing.T) {
	text := "é,b\n😀😀,1\n\"ü\n😀\",2\nß日,3\n"
	want := `[["😀😀" "ü\n😀" "ß日"] ["1" "2" "3"]]`
	for name, data := range map[string][]byte{
		"utf-8": []byte(text), "mark": []byte("\ufeff" + text), "little": utf16Text("little", text), "big": utf16Text("big", text),
		"half": append(utf16Text("little", text), 'x'),
	} {
		for cell := range int64(20) {
			if cell%2 == 1 {
				continue
			}
			f, src := Format{cell: cell}, file(t, "a.csv", data)
			d, err := f.Describe(t.Context(), src, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := fmt.Sprint(table(t, f, src, d)); got != want || d.Table.Columns()[0] != "é" {
				t.Errorf("%s, cells of %d: %v %s", name, cell, d.Table.Columns(), got)
			}
		}
	}
	for _, latin := range []string{"\xe9,b\nx,1\n", "a,b\n\xfc,1\n", "a,b\nx,1\n\xfc\xe9,2\n"} {
		src := file(t, "a.csv", []byte(latin))
		d, err := Format{cell: 4}.Describe(t.Context(), src, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(d.Table.Columns(), table(t, Format{}, src, d))
		if strings.ContainsRune(got, '\ufffd') || !strings.ContainsAny(got, "éü") {
			t.Errorf("%q: %s", latin, got)
		}
	}
}

// TestGrows: a file that only grew is described as if from the start, and not
// read from the start.
func TestGrows(t *testing.T) {
	f := Format{cell: 100}
	line := func(i int) string { return fmt.Sprintf("%d,%d.5,\"name\n%d\"\n", i, i, i) }
	text := "i,x,s\n"
	for i := range 300 {
		text += line(i)
	}
	for name, tail := range map[string]string{
		"more of it": line(300) + line(301), "another type": "x,y,z\n", "nothing": "", "half a line": "7,",
		"latin-1": "1,2,\xfc\n", "missing": ",,\n", "beyond": "9223372036854775808,1,\n", "blank": "\n\n",
	} {
		src := file(t, "a.csv", []byte(text))
		old, err := f.Describe(t.Context(), src, nil)
		if err != nil {
			t.Fatal(err)
		}
		stamp, _ := src.Stat(t.Context(), "a.csv")
		old.Files = []adapter.Dependency{{Name: "a.csv", Stamp: stamp}}
		grown := file(t, "a.csv", []byte(text+tail))
		want, err := f.Describe(t.Context(), grown, nil)
		if err != nil {
			t.Fatal(err)
		}
		grown.Reset()
		got, err := f.Resume(t.Context(), grown, nil, old)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Notes) != string(want.Notes) || !got.Table.Schema.Equal(want.Table.Schema) ||
			fmt.Sprint(got.Partitions) != fmt.Sprint(want.Partitions) {
			t.Errorf("%s: got %s\n%s, want %s\n%s", name, got.Table.Schema, got.Notes, want.Table.Schema, want.Notes)
		}
		table(t, f, grown, got)
	}
}

func TestGrowsReadsTheEndOnly(t *testing.T) {
	text := []byte("i,x\n")
	for i := range 3_000_000 {
		text = strconv.AppendInt(text, int64(i), 10)
		text = append(text, ",1\n"...)
	}
	src := file(t, "a.csv", text)
	old, err := Format{}.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	stamp, _ := src.Stat(t.Context(), "a.csv")
	old.Files = []adapter.Dependency{{Name: "a.csv", Stamp: stamp}}
	src.Reset()
	if _, err := (Format{}).Resume(t.Context(), src, nil, old); err != nil {
		t.Fatal(err)
	}
	if n := src.Bytes(); n > cellSize+1<<20 {
		t.Errorf("read %d of %d bytes again", n, len(text))
	}
	text[5_000_000-5_000_000%cellSize+cellSize+100] = '7'
	changed := file(t, "a.csv", text)
	if _, err := (Format{}).Resume(t.Context(), changed, nil, old); err != nil {
		t.Fatal(err)
	}
	if n := changed.Bytes(); n < int64(len(text)) {
		t.Errorf("read %d bytes of a file that was changed in between", n)
	}
}

func TestPrefersToFail(t *testing.T) {
	text := "a,b\n1,x\n2,y\n3,z\n"
	src := file(t, "a.csv", []byte(text))
	d, err := Format{cell: 4}.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	for edited, want := range map[string]error{
		"a,b\nq,x\n2,y\n3,z\n":     errdef.ErrUnprocessable,
		"a,b\n1,x\n2,y\n3\nz\n":    errdef.ErrUnprocessable,
		"a,b\n1,x\n2\"y\n\n\n\n\n": errdef.ErrUnprocessable,
		text + "4,x\n":             errdef.ErrChanged,
		text[:10]:                  errdef.ErrChanged,
	} {
		other := file(t, "a.csv", []byte(edited))
		opened, err := Format{}.Open(other, nil, d)
		if err != nil {
			t.Fatal(err)
		}
		err = nil
		for p := range d.Partitions {
			if _, e := opened.(adapter.TableReader).ReadColumns(t.Context(), p, []int{0, 1}); e != nil {
				err = e
			}
		}
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", edited, err, want)
		}
	}
}

// TestBombs: short lines of a wide table.
func TestBombs(t *testing.T) {
	text := strings.Repeat("x,", 60000) + "x\n" + strings.Repeat("1\n", 100000)
	_, err := Format{}.Describe(t.Context(), file(t, "a.csv", []byte(text)), nil)
	if !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(fmt.Sprint(err), "leave out") {
		t.Errorf("got %v", err)
	}
}

func TestColumnBytes(t *testing.T) {
	src := file(t, "a.csv", []byte("i,f,b,s\n1,1.5,True,héllo\n2,,,\n3,2,False,x\n"))
	d, err := Format{}.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(d.Partitions); got != "[{3 [24 25 2 40]}]" {
		t.Errorf("got %s", got)
	}
}

func TestSuite(t *testing.T) {
	dir := t.TempDir()
	var cases []adaptertest.Case
	for i, c := range pandasCases(t) {
		name := fmt.Sprintf("%d%s", i, filepath.Ext(c.file()))
		if err := os.WriteFile(filepath.Join(dir, name), c.bytes(t), 0o600); err != nil {
			t.Fatal(err)
		}
		want := adaptertest.Golden{}
		if c.Error != "" {
			want.Error = "unprocessable"
		}
		cases = append(cases, adaptertest.Case{Name: c.Name, Dir: dir, Names: []string{name}, Want: want})
	}
	adaptertest.Run(t, Format{}, cases)
	adaptertest.Run(t, Format{cell: 9}, cases[:12])
}

func FuzzCSV(f *testing.F) {
	seeds := pandasCases(f)
	if len(seeds) < 100 {
		f.Fatalf("%d seeds", len(seeds))
	}
	for _, c := range seeds {
		f.Add(c.bytes(f), uint8(len(c.Name)))
	}
	f.Add(utf16Text("big", "a,b\n😀,1\n"), uint8(4))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, cell uint8) {
		if err := os.WriteFile(filepath.Join(dir, "a.csv"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		src := adaptertest.NewFolder(t, dir, "a.csv")
		whole, err := Format{}.Describe(t.Context(), src, nil)
		cut, err2 := Format{cell: max(2, int64(cell)&^1)}.Describe(t.Context(), src, nil)
		if (err == nil) != (err2 == nil) || err != nil && !errors.Is(err, errdef.ErrUnprocessable) {
			t.Fatalf("%v, in cells %v", err, err2)
		}
		if err != nil {
			return
		}
		if !whole.Table.Schema.Equal(cut.Table.Schema) {
			t.Fatalf("%s, in cells %s", whole.Table.Schema, cut.Table.Schema)
		}
		if a, b := fmt.Sprint(table(t, Format{}, src, whole)), fmt.Sprint(table(t, Format{}, src, cut)); a != b {
			t.Fatalf("%s, in cells %s", a, b)
		}
	})
}

func FuzzNumbers(f *testing.F) {
	for _, seed := range []string{"1", "-1.5e3", " 7\n", "+.5", "1e400", "9223372036854775808", "inf", "0x10", "", "NA", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var one tally
		one.add(text)
		b := builder{kind: one.kind(1)}
		b.grow(1)
		if !b.add(text) {
			t.Fatalf("%q is %d and does not read as that", text, b.kind)
		}
		if b.kind == kindFloat && b.nulls == 0 && math.IsNaN(b.floats[0]) {
			t.Fatalf("%q is NaN", text)
		}
	})
}
