package column_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/column"
	"github.com/terrazzo-data/terrazzo/internal/formats/arrowfile"
	"github.com/terrazzo-data/terrazzo/internal/formats/csvfile"
	"github.com/terrazzo-data/terrazzo/internal/formats/parquetfile"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// table is an adapter over a reader that does not change.
type table struct {
	d       *adapter.Description
	r       adapter.TableReader
	trusted bool
	reads   atomic.Int64
	version adapter.Version
}

func (t *table) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return t.d, adapter.Version{ID: t.version.ID, Trusted: t.trusted}, nil
}

func (t *table) Version(_ context.Context, d *adapter.Description, _ []int) (adapter.Version, error) {
	if d != t.d {
		return adapter.Version{}, errdef.ErrChanged
	}
	return adapter.Version{ID: t.version.ID, Trusted: t.trusted, Pin: t.d}, nil
}

func (t *table) PartitionID(v adapter.Version, p int) adapter.BlockID {
	id := v.ID
	id[15] = byte(p)
	return adapter.BlockID{ID: id, Trusted: t.trusted}
}

func (t *table) ReadColumns(ctx context.Context, v adapter.Version, p int, columns []int) (adapter.Columns, error) {
	if v.Pin != t.d {
		return adapter.Columns{}, errdef.ErrChanged
	}
	t.reads.Add(1)
	return t.r.ReadColumns(ctx, p, columns)
}

func ofFile(t *testing.T, file string) *table {
	t.Helper()
	var f adapter.Format = csvfile.Format{}
	switch path.Ext(file) {
	case ".parquet":
		f = parquetfile.Format{}
	case ".arrow":
		f = arrowfile.Format{}
	}
	dir := filepath.Join("..", filepath.Dir(file))
	src := adaptertest.NewFolder(t, dir, filepath.Base(file))
	d, err := f.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(src, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	return &table{d: d, r: r.(adapter.TableReader), trusted: true}
}

// whole reads all of a column.
func whole(t *testing.T, columns *column.Columns, tab adapter.Table, name string) (*adapter.Description, []byte, error) {
	t.Helper()
	node, err := columns.Of(t.Context(), tab, name)
	if err != nil {
		return nil, nil, err
	}
	a := node.(adapter.Array)
	d, _, err := a.Describe(t.Context())
	if err != nil {
		return nil, nil, err
	}
	if err := d.Grid.Validate(); err != nil {
		t.Fatal(err)
	}
	all := ndslice.All(d.Array.Shape)
	v, err := a.Version(t.Context(), d, all)
	if err != nil {
		t.Fatal(err)
	}
	item := d.Array.DataType.ItemSize
	out := make([]byte, all.Len()*item)
	for piece := range all.Plan(d.Grid) {
		block, err := a.ReadBlock(t.Context(), v, piece.Block)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(block.Shape, d.Grid.BlockShape(piece.Block)) {
			t.Errorf("block of shape %v", block.Shape)
		}
		if err := ndslice.Gather(out, all, piece, block.Data, piece.Shape, int(item)); err != nil {
			t.Fatal(err)
		}
	}
	return d, out, nil
}

// deviates says where we are not as Tiled, and why.
func deviates(file, column string) string {
	name := path.Base(file) + " " + column
	for suffix, why := range map[string]string{
		" bin": "bytes stay bytes, Tiled writes b'a'", " fsb": "bytes stay bytes",
		" li": "lists of several lengths are refused, Tiled writes '[1 2]'", " lli": "lists of lists are refused",
		" st": "structs are refused, Tiled writes '{'x': 1}'", " map": "maps are refused", " std": "structs are refused",
	} {
		if strings.HasSuffix(name, suffix) {
			return why
		}
	}
	return map[string]string{
		"kinds-zstd.arrow fsl": "a missing list is refused, Tiled writes texts",
		"kinds-zstd.arrow d64": "dates are datetime64, Tiled writes texts",
		"kinds-zstd.arrow t64": "Tiled fails on nanoseconds",
	}[name]
}

func TestAsTiled(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File, Column, Dtype, Data, Error string
		Shape                            []int64
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 40 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	compared := 0
	for _, c := range cases {
		if c.Error != "" || deviates(c.File, c.Column) != "" {
			continue
		}
		compared++
		tab := ofFile(t, c.File)
		d, data, err := whole(t, &column.Columns{}, tab, c.Column)
		if err != nil {
			t.Errorf("%s %s: %v", c.File, c.Column, err)
			continue
		}
		if got := d.Array.DataType.String(); got != c.Dtype || !slices.Equal(d.Array.Shape, c.Shape) {
			t.Errorf("%s %s: %s of %v, want %s of %v", c.File, c.Column, got, d.Array.Shape, c.Dtype, c.Shape)
		} else if hex.EncodeToString(data) != c.Data {
			t.Errorf("%s %s: %x, want %s", c.File, c.Column, data, c.Data)
		}
	}
	if compared < 35 {
		t.Errorf("%d columns were compared", compared)
	}
}

// TestOwnRules is what Tiled fails on, or says otherwise.
func TestOwnRules(t *testing.T) {
	for name, want := range map[string]string{
		"kinds.parquet d32": "<M8[D] [7]", "kinds.parquet t64": "<U8 [7]", "kinds.parquet dec": "<U9 [7]",
		"kinds.parquet dic": "<U4 [7]", "kinds.parquet bin": "|S2 [7]", "kinds.parquet fsb": "|S2 [7]",
		"kinds.parquet li": "unsupported", "kinds.parquet st": "unsupported", "kinds.parquet map": "unsupported",
		"groups.parquet lli": "unsupported", "groups.parquet i64": "<f8 [7]", "groups.parquet fsl": "<f4 [7 2]",
		"groups.parquet s": "<U40 [7]", "no-rows.parquet s": "<U1 [0]", "no-rows.parquet i64": "<i8 [0]",
		"kinds.parquet absent": "not found", "frame-category.parquet c": "<U1 [3]",
	} {
		file, key, _ := strings.Cut(name, " ")
		d, data, err := whole(t, &column.Columns{}, ofFile(t, "formats/parquetfile/testdata/"+file), key)
		var got string
		switch {
		case errors.Is(err, errdef.ErrUnsupported):
			got = "unsupported"
		case errors.Is(err, errdef.ErrNotFound):
			got = "not found"
		case err != nil:
			got = err.Error()
		default:
			got = fmt.Sprint(d.Array.DataType, d.Array.Shape)
			if n := d.Array.DataType.ItemSize; int64(len(data)) < n*d.Array.Shape[0] {
				t.Errorf("%s: %d bytes", name, len(data))
			}
		}
		if strings.ReplaceAll(got, "]", "] ") != strings.ReplaceAll(want, "]", "] ") && strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// made is a table in memory, of partitions of one column.
func made(parts ...arrow.Array) *table {
	d := &adapter.Description{
		Family: structure.FamilyTable,
		Table: &structure.Table{
			Schema:      arrow.NewSchema([]arrow.Field{{Name: "x", Type: parts[0].DataType(), Nullable: true}}, nil),
			NPartitions: len(parts),
		},
	}
	for _, p := range parts {
		d.Partitions = append(d.Partitions, adapter.Partition{Rows: int64(p.Len())})
	}
	return &table{d: d, r: inMemory(parts), trusted: true}
}

type inMemory []arrow.Array

func (m inMemory) Touches(int) iter.Seq[string] { return func(func(string) bool) {} }

func (m inMemory) ReadColumns(_ context.Context, p int, columns []int) (adapter.Columns, error) {
	out := adapter.Columns{Rows: int64(m[p].Len())}
	for range columns {
		out.Arrays = append(out.Arrays, m[p])
	}
	return out, nil
}

func numbers(values []int64, valid []bool) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(values, valid)
	return b.NewArray()
}

func texts(values ...string) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

// TestReads counts how often partitions are read.
func TestReads(t *testing.T) {
	tab := made(numbers([]int64{1, 2}, nil), numbers(nil, nil), numbers([]int64{3}, []bool{false}), numbers([]int64{4, 5, 6}, nil))
	columns := &column.Columns{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			node, err := columns.Of(t.Context(), tab, "x")
			if err != nil {
				t.Error(err)
				return
			}
			d, _, err := node.Describe(t.Context())
			if err != nil || fmt.Sprint(d.Array.DataType, d.Array.Chunks) != "<f8 [[2 1 3]]" {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
	group.Wait()
	columns.Wait()
	again, _, err := whole(t, columns, tab, "x")
	if err != nil {
		t.Fatal(err)
	}
	if n := tab.reads.Load(); n < 4+3 || n > 4*8+4 {
		t.Errorf("%d partitions were read", n)
	}
	tab.reads.Store(0)
	if _, _, err := whole(t, columns, tab, "x"); err != nil || tab.reads.Load() > 4 || again.Grid.Block[0] != 3 {
		t.Errorf("%d partitions were read, blocks of %v, %v", tab.reads.Load(), again.Grid.Block, err)
	}
	tab.trusted, tab.d = false, &adapter.Description{Table: tab.d.Table, Partitions: tab.d.Partitions}
	for range 2 {
		tab.reads.Store(0)
		if _, _, err := whole(t, columns, tab, "x"); err != nil || tab.reads.Load() != 7 {
			t.Errorf("of a table that is changing %d partitions were read, %v", tab.reads.Load(), err)
		}
	}
}

// TestVersions: a block's name depends on its partitions and on the form.
func TestVersions(t *testing.T) {
	id := func(tab *table, block int64) adapter.ID {
		node, err := new(column.Columns).Of(t.Context(), tab, "x")
		if err != nil {
			t.Fatal(err)
		}
		a := node.(adapter.Array)
		d, _, err := a.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v, err := a.Version(t.Context(), d, ndslice.All(d.Array.Shape))
		if err != nil {
			t.Fatal(err)
		}
		return a.BlockID(v, []int64{block}).ID
	}
	one := made(texts("a", "b"), texts("c", "d"))
	wider := made(texts("a", "b"), texts("c", "dddd"))
	same := id(one, 0)
	if id(one, 0) != same || id(one, 0) == id(one, 1) || id(one, 0) == id(wider, 0) {
		t.Error("blocks are confused")
	}
	node, err := new(column.Columns).Of(t.Context(), one, "x")
	if err != nil {
		t.Fatal(err)
	}
	a := node.(adapter.Array)
	if _, err := a.Version(t.Context(), one.d, ndslice.All([]int64{4})); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("a description of another: %v", err)
	}
	if _, err := a.ReadBlock(t.Context(), adapter.Version{}, []int64{0}); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("a version of another: %v", err)
	}
}
