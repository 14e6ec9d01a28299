package netcdf3_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/netcdf3"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestFormat(t *testing.T) {
	adaptertest.Run(t, netcdf3.Format{}, adaptertest.Goldens(t, "testdata/golden.json"))
}

// TestSpecs compares what xarray takes for a coordinate, and that what is
// inlined is the whole.
func TestSpecs(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Names, Inside, Specs []string
		Error                string
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range cases {
		if c.Error != "" {
			continue
		}
		src := adaptertest.NewFolder(t, "testdata", c.Names...)
		d, err := netcdf3.Format{}.Describe(t.Context(), src, c.Inside)
		if err != nil {
			t.Fatal(err)
		}
		want := structure.Spec{Name: "xarray_dataset"}
		if len(c.Inside) > 0 {
			want.Name = c.Specs[0]
			compared++
		} else if !d.Inline {
			t.Errorf("%v is not inlined", c.Names)
		}
		if !slices.Equal(d.Specs, []structure.Spec{want}) {
			t.Errorf("%v %v: specs %v, want %v", c.Names, c.Inside, d.Specs, want)
		}
	}
	if compared < 40 {
		t.Errorf("%d variables compared", compared)
	}
}

func TestNoSuchMember(t *testing.T) {
	src := adaptertest.NewFolder(t, "testdata", "cdf1.nc")
	for _, inside := range [][]string{{"nothing"}, {"x", "x"}} {
		if _, err := (netcdf3.Format{}).Describe(t.Context(), src, inside); !errors.Is(err, errdef.ErrNotFound) {
			t.Errorf("%v: %v", inside, err)
		}
	}
}

// other is a format that says that it was asked.
type other struct{ adapter.Format }

func (other) Describe(context.Context, adapter.Source, []string) (*adapter.Description, error) {
	return &adapter.Description{MediaType: "other"}, nil
}

func (other) Open(adapter.Source, []string, *adapter.Description) (any, error) { return "other", nil }

func TestElse(t *testing.T) {
	f := netcdf3.Format{Else: other{}}
	for name, mediaType := range map[string]string{"cdf5.nc": "application/x-netcdf", "bad_hdf5.nc": "other"} {
		src := adaptertest.NewFolder(t, "testdata", name)
		d, err := f.Describe(t.Context(), src, nil)
		if err != nil || d.MediaType != mediaType {
			t.Fatalf("%s: %v, %v", name, d, err)
		}
		opened, err := f.Open(src, nil, d)
		if want := name == "bad_hdf5.nc"; err != nil || (opened == "other") != want {
			t.Errorf("%s: opened %v, %v", name, opened, err)
		}
	}
}

// classic returns a CDF-1 file of one record variable of bytes, slab bytes in
// each record, beside another that makes the records stride bytes long.
func classic(slab, stride, records uint32) []byte {
	var b []byte
	put := func(values ...uint32) {
		for _, v := range values {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	name := func(n string) {
		put(uint32(len(n)))
		b = append(b, n...)
		b = append(b, make([]byte, (4-len(n)%4)%4)...)
	}
	b = append(b, "CDF\x01"...)
	put(records, 10, 3)
	for n, length := range map[string]uint32{} {
		name(n)
		put(length)
	}
	name("t")
	put(0)
	name("x")
	put(slab)
	name("y")
	put(stride - slab)
	put(0, 0, 11, 2)
	begin := uint32(len(b)) + 2*(8+4+8+8+4+4+4)
	name("v")
	put(2, 0, 1, 0, 0, 1, slab, begin)
	name("w")
	put(2, 0, 2, 0, 0, 1, stride-slab, begin+slab)
	return b
}

// TestReads counts what reading records costs: one read of a run where they
// lie close, one for each where they lie far apart.
func TestReads(t *testing.T) {
	for _, c := range []struct {
		slab, stride, records uint32
		block                 int64
		bytes                 int64
	}{
		{4, 1024, 10000, 10000, 10000*1024 - 9*1020 - 1020}, // runs of 1024 records
		{4, 1 << 20, 2000, 1000, 1000 * 4},
		{1 << 20, 1<<20 + 4, 6, 2, 2 << 20},
	} {
		dir := t.TempDir()
		head := classic(c.slab, c.stride, c.records)
		if err := os.WriteFile(filepath.Join(dir, "a.nc"), head, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, "a.nc"), int64(len(head))+int64(c.records)*int64(c.stride)); err != nil {
			t.Fatal(err)
		}
		src := adaptertest.NewFolder(t, dir, "a.nc")
		d, err := netcdf3.Format{}.Describe(t.Context(), src, []string{"v"})
		if err != nil {
			t.Fatal(err)
		}
		if d.Grid.Block[0] != c.block {
			t.Errorf("%+v: blocks of %v", c, d.Grid.Block)
		}
		opened, err := netcdf3.Format{}.Open(src, []string{"v"}, d)
		if err != nil {
			t.Fatal(err)
		}
		src.Reset()
		if _, err := opened.(adapter.ArrayReader).ReadBlock(t.Context(), []int64{0, 0}); err != nil {
			t.Fatal(err)
		}
		if got := src.Bytes(); got != c.bytes || src.Opened()["a.nc"] != 1 {
			t.Errorf("%+v: a block took %d bytes and %v opens", c, got, src.Opened())
		}
	}
}

// TestLies checks that a header cannot make anybody allocate.
func TestLies(t *testing.T) {
	good := classic(4, 1024, 1)
	for at := 4; at+4 <= len(good); at += 4 {
		for _, lie := range []string{"\xff\xff\xff\xff", "\x7f\xff\xff\xff", "\x00\xff\xff\xff"} {
			text := string(good[:at]) + lie + string(good[at+4:]) + string(make([]byte, 1024))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			src := adaptertest.NewMemory(map[string]string{"a.nc": text}, "a.nc")
			_, err := netcdf3.Format{}.Describe(t.Context(), src, nil)
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
				t.Errorf("% x at %d: %d bytes allocated, error %v", lie, at, allocated, err)
			}
		}
	}
}

func FuzzHeader(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.nc")
	if err != nil || len(seeds) < 12 {
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
		src := adaptertest.NewMemory(map[string]string{"a.nc": string(data)}, "a.nc")
		whole, err := netcdf3.Format{}.Describe(t.Context(), src, nil)
		if err != nil {
			if !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		for _, key := range whole.Keys[:min(len(whole.Keys), 20)] {
			readFirst(t, src, key)
		}
	})
}

// readFirst reads the first block of a variable.
func readFirst(t *testing.T, src adapter.Source, key string) {
	t.Helper()
	d, err := netcdf3.Format{}.Describe(t.Context(), src, []string{key})
	if errors.Is(err, errdef.ErrUnsupported) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Grid.Validate(); err != nil {
		t.Fatal(err)
	}
	opened, err := netcdf3.Format{}.Open(src, []string{key}, d)
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
}
