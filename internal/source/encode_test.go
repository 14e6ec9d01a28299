package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/zeebo/xxh3"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

func records() []*record {
	files := []adapter.Dependency{
		{Name: "a\xff", Stamp: adapter.Stamp{Inode: math.MaxUint64, Size: 5, Mtime: -7, Ctime: math.MaxInt64}},
		{Name: "b", Stamp: adapter.Stamp{Absent: true}},
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}, nil)
	return []*record{
		{files: files, err: fmt.Errorf("npy a: cut off: %w", errdef.ErrUnprocessable)},
		{err: fmt.Errorf("x: %w", errdef.ErrUnsupported)},
		{d: &adapter.Description{Family: structure.FamilyContainer, Keys: []string{"a", "ü"}, Inline: true, Metadata: map[string]any{}}},
		{files: files, d: &adapter.Description{
			Family: structure.FamilyArray,
			Array: &structure.Array{
				DataType: structure.DType{ItemSize: 12, Fields: []structure.Field{{Name: "f", Type: structure.DType{Kind: 'f', ItemSize: 4, Endianness: structure.Big}, Shape: []int64{3}}}},
				Shape:    []int64{2, 3}, Chunks: [][]int64{{1, 1}, {3}}, Dims: []string{"x", "y"},
			},
			Grid: ndslice.Grid{Shape: []int64{2, 3}, Block: []int64{1, 3}},
			Metadata: map[string]any{
				"nil": nil, "bool": true, "int": int64(-300), "big": uint64(math.MaxUint64), "small": int64(5), "float": 0.1,
				"inf": math.Inf(1), "text": "ü\x00", "bytes": []byte{0, 255}, "time": time.Date(1999, 12, 31, 23, 59, 59, 5, time.UTC),
				"list": []any{int64(1), "a", []any{}, map[string]any{"x": 1.5}}, "map": map[string]any{},
			},
			Specs: []structure.Spec{{Name: "s", Version: "1"}}, MediaType: "m", AppendOnly: true, Notes: []byte("n"),
		}},
		{d: &adapter.Description{
			Family: structure.FamilyTable, Table: &structure.Table{Schema: schema, NPartitions: 2}, Metadata: map[string]any{},
			Partitions: []adapter.Partition{{Rows: 5, ColumnBytes: []int64{40}}, {Rows: -1}},
		}},
	}
}

func nodeFor(tb testing.TB) *Node {
	tb.Helper()
	return &Node{key: adapter.ID{1}}
}

// TestEncode: what is remembered is what was said.
func TestEncode(t *testing.T) {
	n := nodeFor(t)
	for i, r := range records() {
		got, err := decode(encode(r), n)
		if err != nil {
			t.Errorf("record %d: %v", i, err)
			continue
		}
		if r.err != nil {
			if got.err.Error() != r.err.Error() || !errors.Is(got.err, errors.Unwrap(r.err)) {
				t.Errorf("record %d: %v", i, got.err)
			}
			continue
		}
		got.d.Files = nil
		if r.d.Table != nil {
			if !got.d.Table.Schema.Equal(r.d.Table.Schema) || got.d.Table.NPartitions != r.d.Table.NPartitions {
				t.Errorf("record %d: %v", i, got.d.Table)
			}
			got.d.Table = r.d.Table
		}
		if len(got.d.Notes) == 0 {
			got.d.Notes = nil
		}
		if !reflect.DeepEqual(got.d, r.d) {
			t.Errorf("record %d:\n%+v\n%+v", i, got.d, r.d)
		}
		if len(got.files) != len(r.files) || len(r.files) > 0 && !reflect.DeepEqual(got.files, r.files) {
			t.Errorf("record %d: %+v", i, got.files)
		}
	}
}

// FuzzDecode: a value with the right checksum and any content is an error or a
// record, and takes no memory on its word.
func FuzzDecode(f *testing.F) {
	for _, r := range records() {
		f.Add(encode(r)[8:])
	}
	n := nodeFor(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		value := append(make([]byte, 8), body...)
		binary.LittleEndian.PutUint64(value, xxh3.Hash(body))
		if r, err := decode(value, n); err == nil && r.err == nil && r.d == nil {
			t.Error("neither a description nor an error")
		}
		value[0] ^= 1
		if _, err := decode(value, n); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("a wrong checksum: %v", err)
		}
	})
	if !bytes.Equal(encode(records()[1]), encode(records()[1])) {
		f.Error("a record has two forms")
	}
}
