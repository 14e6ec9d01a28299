package httpapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// variable is a member of a data set, in one block.
type variable struct {
	dtype string
	dims  []string
	shape []int64
	data  []byte
	reads *atomic.Int64
}

func (v variable) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	dtype, err := structure.ParseDType(v.dtype)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	block := make([]int64, len(v.shape))
	for i, n := range v.shape {
		block[i] = max(n, 1)
	}
	return &adapter.Description{
		Family: structure.FamilyArray, Metadata: map[string]any{"attrs": map[string]any{}},
		Array: &structure.Array{DataType: dtype, Shape: v.shape, Dims: v.dims, Chunks: structure.RegularChunks(v.shape, v.shape)},
		Grid:  ndslice.Grid{Shape: v.shape, Block: block},
	}, adapter.Version{ID: adapter.ID{7}, Trusted: true}, nil
}

func (variable) Version(context.Context, *adapter.Description, ndslice.Selection) (adapter.Version, error) {
	return adapter.Version{ID: adapter.ID{7}, Trusted: true}, nil
}

func (v variable) BlockID(adapter.Version, []int64) adapter.BlockID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %v %x", v.dtype, v.shape, v.data))
	return adapter.BlockID{ID: adapter.ID(sum[:16]), Trusted: true}
}

func (v variable) ReadBlock(context.Context, adapter.Version, []int64) (adapter.Block, error) {
	v.reads.Add(1)
	return adapter.Block{Data: v.data, Shape: v.shape}, nil
}

// set is an xarray data set.
type set struct {
	tree
	keys []string
}

func (s set) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	d, v, err := s.tree.Describe(ctx)
	d.Keys, d.Specs, d.Inline = s.keys, []structure.Spec{{Name: "xarray_dataset"}}, true
	return d, v, err
}

// bytesOf are values in memory, in an order of bytes.
func bytesOf(order binary.ByteOrder, values any) []byte {
	b, err := binary.Append(nil, order, values)
	if err != nil {
		panic(err)
	}
	return b
}

func weather(reads *atomic.Int64) set {
	little, big := binary.LittleEndian, binary.BigEndian
	return set{keys: []string{"t", "rain", "code", "grid", "run", "time", "x", "z"}, tree: tree{
		"t":    variable{"<f4", []string{"time"}, []int64{3}, bytesOf(little, []float32{1.5, float32(math.NaN()), -2}), reads},
		"rain": variable{"|b1", []string{"time"}, []int64{3}, []byte{1, 0, 1}, reads},
		"code": variable{"|S3", []string{"time"}, []int64{3}, []byte("ab\x00\x00\x00\x00abc"), reads},
		"grid": variable{">i2", []string{"x", "time"}, []int64{2, 3}, bytesOf(big, []int16{1, 2, 3, -4, -5, -6}), reads},
		"run":  variable{"<U2", []string{}, []int64{}, bytesOf(little, []uint32{'ü', 0}), reads},
		"time": variable{"<M8[ns]", []string{"time"}, []int64{3}, bytesOf(little, []int64{0, math.MinInt64, 1e9}), reads},
		"x":    variable{"<u8", []string{"x"}, []int64{2}, bytesOf(little, []uint64{7, 1 << 63}), reads},
		"z":    variable{"<c8", []string{"time"}, []int64{3}, make([]byte, 24), reads},
	}}
}

const arrowFile = "application/vnd.apache.arrow.file"

// table reads an answer that is an Arrow file, as text.
func table(t *testing.T, a answer) string {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r, err := ipc.NewFileReader(bytes.NewReader([]byte(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var text strings.Builder
	for i := range r.NumRecords() {
		batch, err := r.RecordBatch(i)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range batch.Schema().Fields() {
			fmt.Fprintf(&text, "%s %s %s\n", f.Name, f.Type, batch.Column(i))
		}
	}
	return text.String()
}

func TestDatasetAsTable(t *testing.T) {
	reads := &atomic.Int64{}
	w := serve(t, tree{"set": weather(reads)}, true, nil)
	for _, c := range []struct{ query, want string }{
		{"&field=time&field=t", "time timestamp[ns] [0 (null) 1000000000]\nt float32 [1.5 NaN -2]\n"},
		{"&field=code&field=rain", "code binary [\"ab\" \"\" \"abc\"]\nrain bool [true false true]\n"},
		{"&field=run", "run utf8 [\"ü\"]\n"},
		{"&field=run&field=x", "run utf8 [\"ü\" \"ü\"]\nx uint64 [7 9223372036854775808]\n"},
		{"&field=t&field=grid", "t float32 [1.5 1.5 NaN NaN -2 -2]\ngrid int16 [1 -4 2 -5 3 -6]\n"},
		{"&field=grid&field=rain", "grid int16 [1 2 3 -4 -5 -6]\nrain bool [true false true true false true]\n"},
	} {
		got := strings.NewReplacer("1970-01-01T00:00:00Z", "0", "1970-01-01T00:00:01Z", "1000000000").Replace(
			table(t, w.ask(t, "/api/v1/container/full/set?format="+arrowFile+c.query)))
		if got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.query, got, c.want)
		}
	}
}

func TestDatasetAnswers(t *testing.T) {
	reads := &atomic.Int64{}
	w := serve(t, tree{"set": weather(reads)}, true, nil)
	url := "/api/v1/container/full/set?format=" + arrowFile
	for _, c := range []struct {
		query  string
		status int
	}{
		{"&field=nothing", http.StatusBadRequest},
		{"&field=t&field=t", http.StatusBadRequest},
		{"&field=z", http.StatusNotAcceptable},
		{"", http.StatusNotAcceptable}, // z among all
	} {
		if a := w.ask(t, url+c.query); a.status != c.status {
			t.Errorf("%s: %d %s", c.query, a.status, a.body)
		}
	}
	a := w.ask(t, "/api/v1/container/full/set?field=rain&field=run&format=text/csv")
	if a.status != http.StatusOK || strings.Count(a.body, "\n") != 4 {
		t.Errorf("CSV: %d %s", a.status, a.body)
	}
	if n := reads.Load(); n != 2 {
		t.Errorf("%d blocks were read, want 2", n)
	}
	a = w.ask(t, url+"&field=t")
	reads.Store(0)
	if again := w.ask(t, url+"&field=t", "If-None-Match: "+a.header.Get("ETag")); again.status != http.StatusNotModified || reads.Load() != 0 {
		t.Errorf("asked again: %d, %d reads", again.status, reads.Load())
	}
	if other := w.ask(t, url+"&field=rain"); other.header.Get("ETag") == a.header.Get("ETag") {
		t.Error("two variables have one ETag")
	}
}

// TestDatasetInBatches: a long table is read a window at a time.
func TestDatasetInBatches(t *testing.T) {
	const rows = 3 << 20
	reads := &atomic.Int64{}
	long := set{keys: []string{"a", "s"}, tree: tree{
		"a": variable{"|u1", []string{"i"}, []int64{rows}, bytes.Repeat([]byte{9}, rows), reads},
		"s": variable{"<u4", nil, []int64{}, []byte{1, 0, 0, 0}, reads},
	}}
	w := serve(t, tree{"set": long}, true, nil)
	a := w.ask(t, "/api/v1/container/full/set?format="+arrowFile)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	r, err := ipc.NewFileReader(bytes.NewReader([]byte(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	total := int64(0)
	for i := range r.NumRecords() {
		batch, err := r.RecordBatch(i)
		if err != nil {
			t.Fatal(err)
		}
		total += batch.NumRows()
	}
	if total != rows || r.NumRecords() != 4 {
		t.Errorf("%d rows in %d batches", total, r.NumRecords())
	}
}
