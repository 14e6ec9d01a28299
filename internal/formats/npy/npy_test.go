package npy_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/npy"
)

func TestFormat(t *testing.T) {
	adaptertest.Run(t, npy.Format{}, adaptertest.Goldens(t, "testdata/golden.json"))
}

// file returns an NPY file of format version 1.
func file(header, data string) string {
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + data
}

func describe(tb testing.TB, content string, size int64) (*adaptertest.Folder, *adapter.Description, error) {
	tb.Helper()
	dir := tb.TempDir()
	path := filepath.Join(dir, "a.npy")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	if size > 0 {
		if err := os.Truncate(path, size); err != nil { // a sparse file
			tb.Fatal(err)
		}
	}
	src := adaptertest.NewFolder(tb, dir, "a.npy")
	d, err := npy.Format{}.Describe(tb.Context(), src, nil)
	return src, d, err
}

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		shape, descr, order string
		size                int64
		want                []int64
	}{
		{"(100, 1000, 1100)", "<u2", "False", 220000000, []int64{1, 1000, 1100}},
		{"(100, 2048, 2048)", "<u2", "False", 838860800, []int64{1, 512, 2048}},
		{"(5000000,)", "<f8", "False", 40000000, []int64{250000}},
		{"(100000, 3)", "<f8", "False", 2400000, []int64{50000, 3}},
		{"(3, 100000)", "<f8", "True", 2400000, []int64{3, 50000}},
		{"(2048, 2048, 100)", "<u2", "True", 838860800, []int64{2048, 512, 1}},
		{"(2, 2)", "<u2", "False", 8, []int64{2, 2}},
		{"(0, 2)", "<u2", "False", 0, []int64{1, 2}},
		{"()", "<u2", "False", 2, []int64{}},
		{"(9, 9000000)", "|S0", "False", 0, []int64{9, 9000000}},
	} {
		text := "{'descr': '" + c.descr + "', 'fortran_order': " + c.order + ", 'shape': " + c.shape + "}"
		_, d, err := describe(t, file(text, ""), int64(len(file(text, "")))+c.size)
		if err != nil {
			t.Errorf("%s: %v", c.shape, err)
			continue
		}
		if !slices.Equal(d.Grid.Block, c.want) {
			t.Errorf("%s %s %s: blocks of %v, want %v", c.shape, c.descr, c.order, d.Grid.Block, c.want)
		}
	}
}

// TestReadsItsRange counts: one open and the block's bytes for each block,
// one open and little more than the header to describe.
func TestReadsItsRange(t *testing.T) {
	text := file("{'descr': '<u2', 'fortran_order': False, 'shape': (100, 1000, 1100), }", "")
	src, d, err := describe(t, text, int64(len(text))+220000000)
	if err != nil {
		t.Fatal(err)
	}
	if n := src.Bytes(); n > 4096 {
		t.Errorf("describing read %d bytes", n)
	}
	opened, err := npy.Format{}.Open(src, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	src.Reset()
	if _, err := opened.(adapter.ArrayReader).ReadBlock(t.Context(), []int64{57, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if opens, n := src.Opened()["a.npy"], src.Bytes(); opens != 1 || n != 2200000 {
		t.Errorf("a block took %d opens and %d bytes", opens, n)
	}
}

// TestLies checks that a header cannot make anybody allocate.
func TestLies(t *testing.T) {
	deep := strings.Repeat("[", 60000)
	for _, text := range []string{
		"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }",
		"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
		"{'descr': '|S1000000000', 'fortran_order': False, 'shape': (1,), }",
		"{'descr': [('a', '<f8', (1000000, 1000000))], 'fortran_order': False, 'shape': (1,), }",
		"{'descr': " + deep,
		"{'descr': '<f8', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 65) + "), }",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := describe(t, file(text, ""), 0)
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		if !errors.Is(err, errdef.ErrUnprocessable) || allocated > 2<<20 {
			t.Errorf("%.60s: %d bytes allocated, error %v", text, allocated, err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(seeds) < 30 {
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
		src := adaptertest.NewMemory(map[string]string{"a.npy": string(data)}, "a.npy")
		d, err := npy.Format{}.Describe(t.Context(), src, nil)
		if err != nil {
			if !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		if err := d.Grid.Validate(); err != nil {
			t.Fatal(err)
		}
		opened, err := npy.Format{}.Open(src, nil, d)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]int64, len(d.Grid.Shape))
		if !d.Grid.Contains(block) {
			return
		}
		if _, err := opened.(adapter.ArrayReader).ReadBlock(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	})
}
