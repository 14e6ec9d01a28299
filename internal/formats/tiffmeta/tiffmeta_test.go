package tiffmeta_test

import (
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
	"github.com/terrazzo-data/terrazzo/internal/formats/tiffmeta"
)

const fixtures = "../native/tifffile/testdata"

// open opens a file that is given by its contents.
func open(tb testing.TB, content string) (adapter.File, *adaptertest.Folder) {
	tb.Helper()
	src := adaptertest.NewMemory(map[string]string{"a.tif": content}, "a.tif")
	f, err := src.Open(tb.Context(), "a.tif")
	if err != nil {
		tb.Fatal(err)
	}
	return f, src
}

func fixture(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// TestSeries compares shapes, axes and types with tifffile's, without
// anything being decoded.
func TestSeries(t *testing.T) {
	var cases []struct {
		Names     []string
		Error     string
		Structure struct {
			Shape    []int64
			DataType json.RawMessage `json:"data_type"`
			Dims     []string
		}
	}
	if err := json.Unmarshal([]byte(fixture(t, "golden.json")), &cases); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range cases {
		f, _ := open(t, fixture(t, c.Names[0]))
		file, err := tiffmeta.Open(t.Context(), f)
		if c.Error != "" {
			continue // some lie about what the series needs
		}
		if err != nil {
			t.Errorf("%v: %v", c.Names, err)
			continue
		}
		s, err := file.Series()
		if err != nil || !slices.Equal(s.Shape, c.Structure.Shape) {
			t.Errorf("%v: %+v, %v, want the shape %v", c.Names, s, err, c.Structure.Shape)
			continue
		}
		compared++
		for i, name := range c.Structure.Dims {
			if s.Axes[i:i+1] != name {
				t.Errorf("%v: axes %s, want %v", c.Names, s.Axes, c.Structure.Dims)
			}
		}
		got, err := s.Layout().DType()
		if err != nil {
			t.Errorf("%v: %v", c.Names, err)
			continue
		}
		text, _ := json.Marshal(got.Document())
		var a, b map[string]any
		if json.Unmarshal(text, &a) != nil || json.Unmarshal(c.Structure.DataType, &b) != nil ||
			a["kind"] != b["kind"] || a["itemsize"] != b["itemsize"] || a["endianness"] != b["endianness"] {
			t.Errorf("%v: type %s, want %s", c.Names, text, c.Structure.DataType)
		}
	}
	if compared < 80 {
		t.Errorf("%d files compared", compared)
	}
}

// TestKinds: which description is believed.
func TestKinds(t *testing.T) {
	for name, want := range map[string]string{
		"shaped.tif": "shaped", "shaped_old.tif": "shaped", "ome.ome.tif": "ome", "imagej.tif": "imagej", "pages.tif": "pages", "rgb.tif": "pages",
	} {
		f, _ := open(t, fixture(t, name))
		file, err := tiffmeta.Open(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := file.Series(); err != nil || s.Kind != want {
			t.Errorf("%s: %+v, %v, want %s", name, s, err, want)
		}
	}
}

// description makes a file of one page of 2 by 2 bytes, as often as pages says,
// whose first has a description.
func description(text string, pages int) string {
	var b []byte
	b = append(b, "II*\x00"...)
	b = binary.LittleEndian.AppendUint32(b, 8)
	const entries = 7
	size := 2 + 12*entries + 4
	data := 8 + pages*size
	words := data + 4
	for i := range pages {
		b = binary.LittleEndian.AppendUint16(b, entries)
		long := func(code, kind uint16, count, value uint32) {
			b = binary.LittleEndian.AppendUint16(b, code)
			b = binary.LittleEndian.AppendUint16(b, kind)
			b = binary.LittleEndian.AppendUint32(b, count)
			b = binary.LittleEndian.AppendUint32(b, value)
		}
		long(256, 4, 1, 2)
		long(257, 4, 1, 2)
		long(258, 4, 1, 8)
		long(270, 2, uint32(len(text)), uint32(words))
		long(273, 4, 1, uint32(data))
		long(278, 4, 1, 2)
		long(279, 4, 1, 4)
		next := uint32(0)
		if i+1 < pages {
			next = uint32(8 + (i+1)*size)
		}
		b = binary.LittleEndian.AppendUint32(b, next)
	}
	return string(b) + "abcd" + text
}

func TestDescriptions(t *testing.T) {
	pixels := func(order, sizes, data string) string {
		return `<OME UUID="u"><Image><Pixels DimensionOrder="` + order + `" SizeX="2" SizeY="2" ` + sizes + `>` + data + `</Pixels></Image></OME>`
	}
	for _, c := range []struct {
		text string
		// pages is how many the file has.
		pages int
		kind  string
		axes  string
		shape []int64
		// missing is how many pictures are not there.
		missing int
	}{
		{"ImageJ=1\nimages=4\nslices=2\nframes=2\nchannels=1\n", 4, "imagej", "TZYX", []int64{2, 2, 2, 2}, 0},
		{"ImageJ=1\nimages=6\nslices=3\nchannels=2\norder=zct\n", 6, "imagej", "CZYX", []int64{2, 3, 2, 2}, 0},
		{"ImageJ=1\nimages=9\nslices=9\n", 4, "pages", "IYX", []int64{4, 2, 2}, 0},
		{"ImageJ=1\nimages=x\nslices=-1\n", 4, "pages", "IYX", []int64{4, 2, 2}, 0},
		{"ImageJ=1\nimages=1\n", 3, "imagej", "IYX", []int64{3, 2, 2}, 0},
		{pixels("XYCZT", `SizeZ="2" SizeC="1" SizeT="2"`, `<TiffData/>`), 4, "ome", "TZYX", []int64{2, 2, 2, 2}, 0},
		{pixels("XYTCZ", `SizeZ="2" SizeC="1" SizeT="2"`, `<TiffData/>`), 4, "ome", "ZTYX", []int64{2, 2, 2, 2}, 0},
		{pixels("XYCZT", `SizeZ="2" SizeC="1" SizeT="2"`, `<TiffData FirstZ="1" FirstT="1" IFD="0"/>`), 4, "ome", "TZYX", []int64{2, 2, 2, 2}, 3},
		{pixels("XYCZT", `SizeZ="2" SizeC="1" SizeT="1"`, `<TiffData IFD="0"><UUID>v</UUID></TiffData>`), 4, "pages", "IYX", []int64{4, 2, 2}, 0},
		{pixels("XYCZT", `SizeZ="2" SizeC="1" SizeT="1"`, `<TiffData IFD="0"><UUID>u</UUID></TiffData>`), 4, "ome", "ZYX", []int64{2, 2, 2}, 1},
		{pixels("XYCZT", `SizeZ="99999999" SizeC="99999999" SizeT="9"`, `<TiffData/>`), 4, "pages", "IYX", []int64{4, 2, 2}, 0},
		{pixels("XY", "", ""), 2, "pages", "IYX", []int64{2, 2, 2}, 0},
		{"<OME><OME>", 2, "pages", "IYX", []int64{2, 2, 2}, 0},
		{`{"shape": [2, 1, 2, 2], "axes": "TCYX"}`, 3, "shaped", "TCYX", []int64{2, 1, 2, 2}, 0},
		{`{"shape": "no"}`, 3, "pages", "IYX", []int64{3, 2, 2}, 0},
	} {
		f, _ := open(t, description(c.text, c.pages))
		file, err := tiffmeta.Open(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := file.Series()
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		missing := 0
		for _, p := range s.Pages {
			if p == nil {
				missing++
			}
		}
		if s.Kind != c.kind || s.Axes != c.axes || !slices.Equal(s.Shape, c.shape) || missing != c.missing {
			t.Errorf("%q: %s %s %v, %d missing; want %+v", c.text, s.Kind, s.Axes, s.Shape, missing, c)
		}
	}
}

// TestReadsDirectoriesAlone counts: looking into a file of many pages costs
// its directories, and one page by its place one directory.
func TestReadsDirectoriesAlone(t *testing.T) {
	f, src := open(t, description("x", 1000)+string(make([]byte, 8<<20)))
	file, err := tiffmeta.Open(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if n := src.Bytes(); n > 1000*1024+16 || len(file.Pages) != 1000 {
		t.Errorf("%d pages took %d bytes", len(file.Pages), n)
	}
	src.Reset()
	if _, err := tiffmeta.OpenPage(f, file.Pages[700].Offset); err != nil {
		t.Fatal(err)
	}
	if n := src.Bytes(); n > 2048 {
		t.Errorf("one page took %d bytes", n)
	}
}

// TestLies checks that a directory cannot make anybody allocate.
func TestLies(t *testing.T) {
	good := description("x", 1)
	for at := 8; at < 8+2+12*7; at++ {
		for _, b := range []string{"\xff", "\x7f", "\x00"} {
			f, _ := open(t, good[:at]+b+good[at+1:])
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			file, err := tiffmeta.Open(t.Context(), f)
			if err == nil {
				_, err = file.Places(file.Pages[0])
			}
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
				t.Errorf("% x at %d: %d bytes allocated, error %v", b, at, allocated, err)
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join(fixtures, "*.tif"))
	if err != nil || len(seeds) < 80 {
		f.Fatalf("%d seeds, %v", len(seeds), err)
	}
	for _, name := range seeds {
		f.Add([]byte(fixture(f, filepath.Base(name))))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, _ := open(t, string(data))
		file, err := tiffmeta.Open(t.Context(), r)
		if err == nil {
			_, err = file.Metadata(file.Pages[0])
		}
		if err == nil {
			_, err = file.Places(file.Pages[0])
		}
		var s *tiffmeta.Series
		if err == nil {
			s, err = file.Series()
		}
		if err != nil {
			if !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		if len(s.Shape) != len(s.Axes) && s.Kind != "shaped" || len(s.Pages) == 0 {
			t.Fatalf("%+v", s)
		}
	})
}
