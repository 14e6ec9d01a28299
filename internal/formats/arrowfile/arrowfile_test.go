package arrowfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/klauspost/compress/zstd"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// files are those that testdata/gen_tables.py wrote.
func files(tb testing.TB) []string {
	tb.Helper()
	var names []string
	for _, pattern := range []string{"*.arrow", "*.arrows", "*.feather"} {
		found, err := filepath.Glob("testdata/" + pattern)
		if err != nil {
			tb.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 15 {
		tb.Fatalf("%d files", len(names))
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}

func want(t *testing.T, name string) (*arrow.Schema, []arrow.Array) {
	t.Helper()
	base, _, _ := strings.Cut(name, "-")
	data, err := os.ReadFile(filepath.Join("testdata", base+".want"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var columns [][]arrow.Array
	for r.Next() {
		batch := r.RecordBatch()
		batch.Retain()
		if columns == nil {
			columns = make([][]arrow.Array, batch.NumCols())
		}
		for i, c := range batch.Columns() {
			columns[i] = append(columns[i], c)
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	out := make([]arrow.Array, len(columns))
	for i, parts := range columns {
		out[i] = joined(t, parts)
	}
	return r.Schema(), out
}

func joined(t *testing.T, parts []arrow.Array) arrow.Array {
	t.Helper()
	out, err := array.Concatenate(parts, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func all(d *adapter.Description) []int {
	out := make([]int, d.Table.Schema.NumFields())
	for i := range out {
		out[i] = i
	}
	return out
}

func open(tb testing.TB, src adapter.Source, d *adapter.Description) adapter.TableReader {
	tb.Helper()
	opened, err := Format{}.Open(src, nil, d)
	if err != nil {
		tb.Fatal(err)
	}
	return opened.(adapter.TableReader)
}

func TestAsPyarrow(t *testing.T) {
	for _, name := range files(t) {
		t.Run(name, func(t *testing.T) {
			schema, columns := want(t, name)
			src := adaptertest.NewFolder(t, "testdata", name)
			d, err := Format{}.Describe(t.Context(), src, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Table.Schema; !got.Equal(schema) || got.Metadata().String() != schema.Metadata().String() {
				t.Fatalf("got %s\nwant %s", got, schema)
			}
			parts := make([][]arrow.Array, schema.NumFields())
			rows := int64(0)
			for p, described := range d.Partitions {
				got, err := open(t, src, d).ReadColumns(t.Context(), p, all(d))
				if err != nil {
					t.Fatal(err)
				}
				if got.Rows != described.Rows || len(described.ColumnBytes) != len(parts) {
					t.Errorf("%d rows, %+v", got.Rows, described)
				}
				rows += got.Rows
				for i, a := range got.Arrays {
					parts[i] = append(parts[i], a)
				}
			}
			for i := range columns {
				if got := show(joined(t, parts[i])); got != show(columns[i]) {
					t.Errorf("%s: %s, want %s", schema.Field(i).Name, got, show(columns[i]))
				}
			}
			if len(columns) == 0 && rows != 0 {
				t.Errorf("%d rows, want none", rows)
			}
		})
	}
}

// show writes values, whatever their dictionaries look like.
func show(a arrow.Array) string {
	out := make([]string, a.Len())
	for i := range out {
		out[i] = a.ValueStr(i)
	}
	return fmt.Sprintf("%q", out)
}

func TestSuite(t *testing.T) {
	var cases []adaptertest.Case
	for _, name := range files(t) {
		cases = append(cases, adaptertest.Case{Name: name, Dir: "testdata", Names: []string{name}})
	}
	cases = append(cases, adaptertest.Case{
		Name: "Feather version 1", Dir: "testdata", Names: []string{"old.feather1"}, Want: adaptertest.Golden{Error: "unsupported"},
	})
	adaptertest.Run(t, Format{}, cases)
}

// TestReadsWhatIsWanted counts bytes.
func TestReadsWhatIsWanted(t *testing.T) {
	src, d := written(t, 100_000, func(b *array.RecordBuilder) {
		for i := range 100_000 {
			b.Field(0).(*array.Int64Builder).Append(int64(i))
			b.Field(1).(*array.StringBuilder).Append("some text of some length")
		}
	})
	src.Reset()
	got, err := open(t, src, d).ReadColumns(t.Context(), 0, []int{0})
	if err != nil || got.Rows != 100_000 {
		t.Fatal(got.Rows, err)
	}
	if n := src.Bytes(); n > 810_000 || src.Opened()["a.arrow"] != 1 {
		t.Errorf("800,000 bytes of integers took %d bytes and %v", n, src.Opened())
	}
	if got := fmt.Sprint(d.Partitions[0].ColumnBytes); got != "[800000 2800004]" {
		t.Errorf("sizes %s", got)
	}
}

// written makes a file of an integer and a text column.
func written(tb testing.TB, _ int, fill func(*array.RecordBuilder), options ...ipc.Option) (*adaptertest.Folder, *adapter.Description) {
	tb.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String},
	}, nil)
	dir := tb.TempDir()
	f, err := os.Create(filepath.Join(dir, "a.arrow"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w, err := ipc.NewFileWriter(f, append(options, ipc.WithSchema(schema))...)
	if err != nil {
		tb.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	fill(b)
	if err := w.Write(b.NewRecordBatch()); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	src := adaptertest.NewFolder(tb, dir, "a.arrow")
	d, err := Format{}.Describe(tb.Context(), src, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return src, d
}

// TestUnpack: what says that it is large must be, and nothing is larger than
// it says.
func TestUnpack(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	pack := func(size int64, data []byte) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, uint64(size)), encoder.EncodeAll(data, nil)...)
	}
	zeros := make([]byte, 64<<20)
	for what, data := range map[string][]byte{
		"a lie of 1 GiB":     pack(1<<30, []byte("x")),
		"more than it says":  pack(10, zeros),
		"a negative size":    pack(-2, []byte("x")),
		"beyond the limit":   pack(1<<40, []byte("x")),
		"no frame":           append(binary.LittleEndian.AppendUint64(nil, 5), "hello"...),
		"cut off":            pack(10, []byte("0123456789"))[:15],
		"less than a header": {1, 2, 3},
	} {
		for _, codec := range []string{"zstd", "lz4"} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := new(unpacker).buffer(codec, data, 1<<31)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, errdef.ErrUnprocessable) {
				t.Errorf("%s, %s: %v", what, codec, err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 48<<20 {
				t.Errorf("%s, %s: %d bytes were allocated", what, codec, n)
			}
		}
	}
	got, err := new(unpacker).buffer("zstd", pack(int64(len(zeros)), zeros), 1<<31)
	if err != nil || !bytes.Equal(got, zeros) {
		t.Errorf("64 MiB of zeros: %d bytes, %v", len(got), err)
	}
	if _, err := new(unpacker).buffer("zstd", pack(int64(len(zeros)), zeros), 1<<20); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// TestDamagedValues: arrays that would make their users panic.
func TestDamagedValues(t *testing.T) {
	src, d := written(t, 3, func(b *array.RecordBuilder) {
		b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 2, 3}, nil)
		b.Field(1).(*array.StringBuilder).AppendValues([]string{"aaaa", "bbbb", "cccc"}, nil)
	})
	n, err := src.Stat(t.Context(), "a.arrow")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for at := range n.Size {
		src.Corrupt("a.arrow", at)
		got, err := open(t, src, d).ReadColumns(t.Context(), 0, []int{1})
		if err != nil {
			refused++
			continue
		}
		_ = show(got.Arrays[0])
	}
	if refused < 12 {
		t.Errorf("%d damages were noticed", refused)
	}
}

func FuzzFile(f *testing.F) {
	for _, name := range files(f) {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dir := f.TempDir()
	known := func(err error) bool {
		return errors.Is(err, errdef.ErrUnprocessable) || errors.Is(err, errdef.ErrUnsupported)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "a.arrow"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		src := adaptertest.NewFolder(t, dir, "a.arrow")
		d, err := Format{}.Describe(t.Context(), src, nil)
		if err != nil {
			if !known(err) {
				t.Fatal(err)
			}
			return
		}
		for p := range d.Partitions {
			got, err := open(t, src, d).ReadColumns(t.Context(), p, all(d))
			if err != nil {
				if !known(err) {
					t.Fatal(err)
				}
				continue
			}
			for _, a := range got.Arrays {
				for i := range min(a.Len(), 100) {
					_ = a.ValueStr(i)
				}
			}
		}
	})
}
