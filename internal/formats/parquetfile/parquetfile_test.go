package parquetfile

import (
	"bytes"
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
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// files are those that testdata/gen_tables.py wrote.
func files(tb testing.TB) []string {
	tb.Helper()
	names, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(names) < 20 {
		tb.Fatalf("%d files, %v", len(names), err)
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}

// want is what pyarrow read of a file.
func want(t *testing.T, name string) (*arrow.Schema, arrow.Table) {
	t.Helper()
	base := strings.TrimSuffix(name, ".parquet")
	if strings.HasPrefix(base, "many-") {
		base = "many"
	}
	f, err := os.Open(filepath.Join("testdata", base+".want"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := ipc.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var batches []arrow.RecordBatch
	for r.Next() {
		batch := r.RecordBatch()
		batch.Retain()
		batches = append(batches, batch)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return r.Schema(), array.NewTableFromRecords(r.Schema(), batches)
}

func columns(d *adapter.Description) []int {
	all := make([]int, d.Table.Schema.NumFields())
	for i := range all {
		all[i] = i
	}
	return all
}

func TestAsPyarrow(t *testing.T) {
	for _, name := range files(t) {
		t.Run(name, func(t *testing.T) {
			schema, table := want(t, name)
			src := adaptertest.NewFolder(t, "testdata", name)
			d, err := Format{}.Describe(t.Context(), src, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Table.Schema; !got.Equal(schema) || got.Metadata().String() != schema.Metadata().String() {
				t.Fatalf("got %s\nwant %s", got, schema)
			}
			compare(t, src, d, table)
		})
	}
}

// compare reads all partitions.
func compare(t *testing.T, src adapter.Source, d *adapter.Description, table arrow.Table) {
	t.Helper()
	opened, err := Format{}.Open(src, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	parts := make([][]arrow.Array, d.Table.Schema.NumFields())
	for p, described := range d.Partitions {
		got, err := opened.(adapter.TableReader).ReadColumns(t.Context(), p, columns(d))
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range got.Arrays {
			parts[i] = append(parts[i], a)
			if described.ColumnBytes[i] < 0 {
				t.Errorf("column %d has %d bytes", i, described.ColumnBytes[i])
			}
		}
	}
	for i, arrays := range parts {
		all, err := array.Concatenate(arrays, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		var wanted arrow.Array
		if chunks := table.Column(i).Data().Chunks(); len(chunks) > 0 {
			if wanted, err = array.Concatenate(chunks, memory.DefaultAllocator); err != nil {
				t.Fatal(err)
			}
		}
		if wanted == nil && all.Len() == 0 {
			continue
		}
		if dict, ok := all.(*array.Dictionary); ok {
			if fmt.Sprint(values(dict)) != fmt.Sprint(values(wanted.(*array.Dictionary))) {
				t.Errorf("%s: %v, want %v", d.Table.Schema.Field(i).Name, all, wanted)
			}
		} else if !array.ApproxEqual(all, wanted, array.WithNaNsEqual(true)) {
			t.Errorf("%s: %v, want %v", d.Table.Schema.Field(i).Name, all, wanted)
		}
	}
}

func values(d *array.Dictionary) (out []string) {
	for i := range d.Len() {
		out = append(out, d.ValueStr(i))
	}
	return out
}

func TestSuite(t *testing.T) {
	var cases []adaptertest.Case
	for _, name := range files(t) {
		if name == "no-columns.parquet" || name == "nan.parquet" {
			continue // nothing to open in one, and NaN is not equal to itself
		}
		cases = append(cases, adaptertest.Case{Name: name, Dir: "testdata", Names: []string{name}})
	}
	adaptertest.Run(t, Format{}, cases)
}

// TestReadsWhatIsWanted: one column of one row group, and no footer again.
func TestReadsWhatIsWanted(t *testing.T) {
	data := write(t, 3, compress.Codecs.Uncompressed, func(b *array.RecordBuilder) {
		for i := range 100_000 {
			b.Field(0).(*array.Int64Builder).Append(int64(i))
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprint(i))
		}
	})
	src := file1(t, data)
	d, err := Format{}.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := src.Bytes(); n > 8<<10 {
		t.Errorf("describing read %d of %d bytes", n, len(data))
	}
	again := &adapter.Description{Table: d.Table, Partitions: d.Partitions, Notes: d.Notes}
	opened, err := Format{}.Open(src, nil, again)
	if err != nil {
		t.Fatal(err)
	}
	src.Reset()
	got, err := opened.(adapter.TableReader).ReadColumns(t.Context(), 1, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	if n := src.Bytes(); got.Rows != 100_000 || n < 100_000 || n > 1_000_000 {
		t.Errorf("reading 100,000 integers read %d of %d bytes", n, len(data))
	}
	if got := fmt.Sprint(d.Partitions[0].Rows, len(d.Partitions)); got != "100000 3" {
		t.Errorf("got %s", got)
	}
}

func file1(tb testing.TB, data []byte) *adaptertest.Folder {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.parquet"), data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return adaptertest.NewFolder(tb, dir, "a.parquet")
}

// write makes a file of an integer and a text column.
func write(tb testing.TB, groups int, codec compress.Compression, fill func(*array.RecordBuilder)) []byte {
	tb.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String},
	}, nil)
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(parquet.WithCompression(codec),
		parquet.WithDictionaryPageSizeLimit(64<<20)), pqarrow.DefaultWriterProps())
	if err != nil {
		tb.Fatal(err)
	}
	for range groups {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		fill(b)
		batch := b.NewRecordBatch()
		if err := w.Write(batch); err != nil {
			tb.Fatal(err)
		}
		batch.Release()
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// TestBombs: a few KB that are gigabytes of text, or of numbers.
func TestBombs(t *testing.T) {
	text := strings.Repeat("x", 8000)
	data := write(t, 1, compress.Codecs.Zstd, func(b *array.RecordBuilder) {
		for range 20_000 { // 160 MB
			b.Field(0).(*array.Int64Builder).Append(7)
			b.Field(1).(*array.StringBuilder).Append(text)
		}
	})
	if len(data) > 200_000 {
		t.Fatalf("%d bytes are no bomb", len(data))
	}
	src := file1(t, data)
	d, err := Format{}.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Format{}.Open(src, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = opened.(adapter.TableReader).ReadColumns(t.Context(), 0, []int{1})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(fmt.Sprint(err), "unpacks to more") {
		t.Errorf("got %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 200<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// TestFooterLies changes the footer of a good file.
func TestFooterLies(t *testing.T) {
	deep := make([]int64, 0, 1000)
	for range 999 {
		deep = append(deep, 1)
	}
	if err := checkDepth(append(deep, 0)); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("1000 levels: %v", err)
	}
	for _, children := range [][]int64{{2, 0}, {0, 0}, {1, 0, 0}, {-1}, {1 << 40}, {}} {
		if err := checkDepth(children); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%v: %v", children, err)
		}
	}
	for what, text := range map[string]string{
		"a list of 2^31 row groups": "\x15\x02\x49\xfc\xff\xff\xff\xff\x07",
		"a string of 2^31":          "\x15\x02\x68\xff\xff\xff\xff\x07",
		"structs without end":       "\x1c" + strings.Repeat("\x1c", 1000),
		"lists without end":         "\x19" + strings.Repeat("\x19", 1000),
		"maps without end":          "\x1b" + strings.Repeat("\x01\xbb", 1000),
		"nothing":                   "",
		"zeros":                     "\x00\x00",
	} {
		if _, err := parseFooter([]byte(text)); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPageLies(t *testing.T) {
	header := func(kind, size, packed, values int64) []byte {
		zigzag := func(v int64) []byte {
			out := []byte{}
			for u := uint64(v<<1) ^ uint64(v>>63); ; u >>= 7 {
				if u < 0x80 {
					return append(out, byte(u))
				}
				out = append(out, byte(u)|0x80)
			}
		}
		field := map[int64]byte{0: 0x2c, 2: 0x4c, 3: 0x5c}[kind]
		out := append([]byte{0x15}, zigzag(kind)...)
		out = append(append(out, 0x15), zigzag(size)...)
		out = append(append(out, 0x15), zigzag(packed)...)
		return append(append(append(out, field, 0x15), zigzag(values)...), 0, 0)
	}
	snappy := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	fine := append(append(header(2, 8, 5, 2), snappy...), append(header(0, 100, 5, 8), snappy...)...)
	if err := checkPages(fine, compress.Codecs.Gzip, 8, 4); err != nil {
		t.Errorf("a dictionary of 2 values: %v", err)
	}
	for what, c := range map[string]struct {
		chunk []byte
		codec compress.Compression
	}{
		"4 GiB of snappy":  {append(header(0, 100, 5, 8), snappy...), compress.Codecs.Snappy},
		"a negative size":  {header(0, -1, 0, 8), compress.Codecs.Gzip},
		"beyond the chunk": {header(0, 100, 100, 8), compress.Codecs.Gzip},
		"1 GiB":            {append(header(0, 1<<30, 5, 8), snappy...), compress.Codecs.Gzip},
		"2^31 dictionary": {
			append(append(header(2, 8, 5, 1<<31-1), snappy...), append(header(0, 100, 5, 8), snappy...)...), compress.Codecs.Gzip,
		},
		"too many values":       {append(header(0, 8, 5, 1<<31-1), snappy...), compress.Codecs.Gzip},
		"nothing out of a lot":  {append(header(0, 0, 100, 8), make([]byte, 100)...), compress.Codecs.Gzip},
		"zstd of another size":  {append(header(0, 8, 12, 8), "\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x10\x01\x00\x00"...), compress.Codecs.Zstd},
		"zstd that is none":     {append(header(0, 8, 5, 8), snappy...), compress.Codecs.Zstd},
		"zstd blocks, no end":   {append(header(0, 8, 9, 8), "\x28\xb5\x2f\xfd\x00\x58\x00\x00\x00"...), compress.Codecs.Zstd},
		"a header without end":  {bytes.Repeat([]byte{0x15, 0x80}, 50), compress.Codecs.Zstd},
		"nothing":               {nil, compress.Codecs.Zstd},
		"levels beyond the end": {append([]byte("\x15\x06\x15\x10\x15\x10\x5c\x15\x10\x45\x7e\x00\x00"), make([]byte, 8)...), compress.Codecs.Zstd},
	} {
		if err := checkPages(c.chunk, c.codec, 8, 4); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: %v", what, err)
		}
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
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "a.parquet"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		src := adaptertest.NewFolder(t, dir, "a.parquet")
		d, err := Format{}.Describe(t.Context(), src, nil)
		known := func(err error) bool {
			return errors.Is(err, errdef.ErrUnprocessable) || errors.Is(err, errdef.ErrUnsupported)
		}
		if err != nil {
			if !known(err) {
				t.Fatal(err)
			}
			return
		}
		opened, err := Format{}.Open(src, nil, d)
		if err != nil {
			t.Fatal(err)
		}
		for p := range d.Partitions {
			if _, err := opened.(adapter.TableReader).ReadColumns(t.Context(), p, columns(d)); err != nil && !known(err) {
				t.Fatal(err)
			}
		}
	})
}
