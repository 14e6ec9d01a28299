//go:build native

package tifffile_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/native/tifffile"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

func TestFormat(t *testing.T) {
	adaptertest.Run(t, tifffile.Format{}, adaptertest.Goldens(t, "testdata/golden.json"))
}

// read reads a whole array in its blocks.
func read(tb testing.TB, f adapter.Format, src adapter.Source) (*adapter.Description, []byte, error) {
	tb.Helper()
	d, err := f.Describe(tb.Context(), src, nil)
	if err != nil {
		return nil, nil, err
	}
	opened, err := f.Open(src, nil, d)
	if err != nil {
		tb.Fatal(err)
	}
	r, ok := opened.(adapter.ArrayReader)
	if !ok {
		tb.Fatalf("opened a %T", opened)
	}
	item, all := d.Array.DataType.ItemSize, ndslice.All(d.Grid.Shape)
	if all.Len() > 1<<24 {
		return d, nil, errdef.ErrTooLarge
	}
	out := make([]byte, all.Len()*item)
	for piece := range all.Plan(d.Grid) {
		block, err := r.ReadBlock(tb.Context(), piece.Block)
		if err != nil {
			return d, nil, err
		}
		if err := ndslice.Gather(out, all, piece, block.Data, piece.Shape, int(item)); err != nil {
			tb.Fatal(err)
		}
	}
	return d, out, nil
}

// TestExtents: what is said to lie in the file as it is does lie there, and is
// said of every file of which it is true.
func TestExtents(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tif")
	if err != nil {
		t.Fatal(err)
	}
	mapped := map[string]bool{}
	for _, name := range files {
		name = filepath.Base(name)
		src := adaptertest.NewFolder(t, "testdata", name)
		d, want, err := read(t, tifffile.Format{}, src)
		if err != nil {
			continue
		}
		opened, err := tifffile.Format{}.Open(src, nil, d)
		if err != nil {
			t.Fatal(err)
		}
		extents := opened.(adapter.Mapped).Extents()
		if extents == nil {
			continue
		}
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, e := range extents {
			got = append(got, content[e.Offset:e.Offset+e.Length]...)
		}
		if string(got) != string(want) {
			t.Errorf("%s: %d bytes at %v are other data", name, len(got), extents)
		}
		mapped[name] = true
	}
	for _, name := range []string{
		"type_u2.tif", "type_c16.tif", "big_u2.tif", "type_b1.tif", "tiles.tif", "codec_lzw.tif", "imagej.tif", "shaped_truncated.tif",
		"pages.tif", "rgb_planar.tif", "bits_12.tif", "strips.tif",
	} {
		want := !strings.HasPrefix(name, "big") && !strings.Contains("tiles.tif codec_lzw.tif bits_12.tif type_b1.tif", name)
		if mapped[name] != want {
			t.Errorf("%s: extents %v, want %v", name, mapped[name], want)
		}
	}
}

// TestCounts: a page of many is read with one open, its directory and its
// bytes.
func TestCounts(t *testing.T) {
	src := adaptertest.NewFolder(t, "testdata", "shaped_lzw.tif")
	d, err := tifffile.Format{}.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := tifffile.Format{}.Open(src, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	src.Reset()
	if _, err := opened.(adapter.ArrayReader).ReadBlock(t.Context(), []int64{1, 2, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if n := src.Bytes(); src.Opened()["shaped_lzw.tif"] != 1 || n > 2048 {
		t.Errorf("a page took %d bytes and the opens %v", n, src.Opened())
	}
}

// TestLargePages: pages of more than 4 MiB are cut where their strips or
// tiles end.
func TestLargePages(t *testing.T) {
	for _, c := range []struct {
		file string
		want []int64
	}{
		{"large_strips.tif", []int64{1, 512, 2048}},
		{"large_tiles.tif", []int64{1, 512, 2048}},
		{"large_planar.tif", []int64{1, 1024, 1024}},
	} {
		src := adaptertest.NewFolder(t, "testdata", c.file)
		d, data, err := read(t, tifffile.Format{}, src)
		if err != nil {
			t.Fatal(err)
		}
		block := d.Grid.Block
		if len(block) < 3 {
			block = append([]int64{1}, block...)
		}
		for i := range c.want {
			if block[i] != c.want[i] {
				t.Errorf("%s: blocks of %v, want %v", c.file, block, c.want)
				break
			}
		}
		for i := 0; i < len(data); i += 2 { // each row is its own number
			row := i / 2 / int(d.Array.Shape[len(d.Array.Shape)-1])
			if got := int(data[i]) | int(data[i+1])<<8; got != row&0xffff {
				t.Errorf("%s: the sample at %d is %d, want %d", c.file, i/2, got, row)
				break
			}
		}
	}
}

// TestSequence: files of a run are the frames, each read with one open.
func TestSequence(t *testing.T) {
	src := adaptertest.NewFolder(t, "testdata", "codec_lzw.tif", "codec_zstd.tif", "type_u2.tif")
	d, data, err := read(t, sequence.Of(tifffile.Format{}), src)
	if err != nil || d.Array.Shape[0] != 3 {
		t.Fatalf("%v, %v", d, err)
	}
	frame := len(data) / 3
	if string(data[:frame]) != string(data[frame:2*frame]) || string(data[:frame]) != string(data[2*frame:]) {
		t.Error("equal pictures differ")
	}
	src = adaptertest.NewFolder(t, "testdata", "codec_lzw.tif", "rgb.tif")
	if _, _, err = read(t, sequence.Of(tifffile.Format{}), src); !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(err.Error(), "rgb.tif") {
		t.Errorf("pictures of two shapes: %v", err)
	}
}

// TestCorruptions reads files in which bytes were changed at random: each is
// read, or is an error that says so, and nothing worse happens.
func TestCorruptions(t *testing.T) {
	const rounds = 1000
	files, err := filepath.Glob("testdata/[^l]*.tif")
	files = slices.DeleteFunc(files, func(name string) bool { return strings.Contains(name, "bad_") })
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	random := rand.New(rand.NewPCG(4, 2))
	failed := 0
	for i := range rounds {
		content, err := os.ReadFile(files[i%len(files)])
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + random.IntN(8) {
			content[random.IntN(len(content))] = byte(random.Uint32())
		}
		src := adaptertest.NewMemory(map[string]string{"a.tif": string(content)}, "a.tif")
		if _, _, err = read(t, tifffile.Format{}, src); err == nil {
			continue
		}
		failed++
		if !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) && !errors.Is(err, errdef.ErrTooLarge) {
			t.Errorf("%s: %v", files[i%len(files)], err)
		}
	}
	if failed < rounds/20 {
		t.Errorf("%d of %d were noticed", failed, rounds)
	}
}

func FuzzDecode(f *testing.F) {
	seeds, err := filepath.Glob("testdata/[cjp]*.tif")
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
		src := adaptertest.NewMemory(map[string]string{"a.tif": string(data)}, "a.tif")
		_, _, err := read(t, tifffile.Format{}, src)
		if err != nil && !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) && !errors.Is(err, errdef.ErrTooLarge) {
			t.Fatal(err)
		}
	})
}
