package zarr_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/zarr"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

func open(tb testing.TB, src adapter.Source, inside ...string) (*adapter.Description, adapter.ArrayReader) {
	tb.Helper()
	f := zarr.New()
	d, err := f.Describe(tb.Context(), src, inside)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := f.Open(src, inside, d)
	if err != nil {
		tb.Fatal(err)
	}
	return d, r.(adapter.ArrayReader)
}

// v2 is the metadata of an array of version 2.
func v2(shape, chunks, dtype, rest string) string {
	return fmt.Sprintf(`{"zarr_format": 2, "shape": %s, "chunks": %s, "dtype": "%s", "order": "C", "filters": null, %s}`,
		shape, chunks, dtype, rest)
}

// TestOpens counts: the metadata alone to describe, the listing alone for a
// group, one chunk file for a block, and of a shard the index and the chunk.
func TestOpens(t *testing.T) {
	src := adaptertest.NewFolder(t, "testdata/layout2.zarr")
	if _, err := zarr.New().Describe(t.Context(), src, nil); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(src.Opened()); got != "map[.zarray:1 .zattrs:1 .zgroup:1 .zmetadata:1 zarr.json:1]" {
		t.Errorf("a group: opened %s", got)
	}
	src = adaptertest.NewFolder(t, "testdata/codecs2.zarr")
	_, r := open(t, src, "zstd")
	if got := fmt.Sprint(src.Opened()); got != "map[zstd/.zarray:1 zstd/.zattrs:1 zstd/zarr.json:1]" {
		t.Errorf("an array: opened %s", got)
	}
	src.Reset()
	if _, err := r.ReadBlock(t.Context(), []int64{0, 0}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(src.Opened()); got != "map[zstd/0.0:1 zstd/1.0:1]" { // two small chunks, joined
		t.Errorf("a block: opened %s", got)
	}
}

func TestShardReadsItsPart(t *testing.T) {
	meta := `{"zarr_format": 3, "node_type": "array", "shape": [4096, 512], "data_type": "uint16", "fill_value": 0,
		"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4096, 512]}},
		"chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "sharding_indexed", "configuration": {
		"chunk_shape": [1024, 512], "codecs": [{"name": "bytes"}], "index_codecs": [{"name": "bytes"}]}}]}`
	var shard bytes.Buffer
	shard.Write(make([]byte, 1<<20))
	shard.Write(bytes.Repeat([]byte{7, 0}, 1<<19))
	for _, n := range []uint64{0, 1 << 20, ^uint64(0), ^uint64(0), 1 << 20, 1 << 20, 1 << 63, 1 << 62} {
		_ = binary.Write(&shard, binary.LittleEndian, n)
	}
	src := adaptertest.NewMemory(map[string]string{"zarr.json": meta, "c/0/0": shard.String()})
	d, r := open(t, src)
	if !slices.Equal(d.Grid.Block, []int64{1024, 512}) || fmt.Sprint(d.Array.Chunks) != "[[1024 1024 1024 1024] [512]]" {
		t.Fatalf("blocks %v, chunks %v", d.Grid.Block, d.Array.Chunks)
	}
	for block, want := range []byte{0, 0, 7} {
		src.Reset()
		got, err := r.ReadBlock(t.Context(), []int64{int64(block), 0})
		if err != nil || got.Data[1<<19] != want {
			t.Errorf("block %d: %v", block, err)
		}
		limit := int64(1<<20 + 64)
		if block == 1 { // was not written
			limit = 64
		}
		if n := src.Bytes(); n != limit || src.Opened()["c/0/0"] != 1 {
			t.Errorf("block %d: read %d bytes, opened %v", block, n, src.Opened())
		}
	}
	if _, err := r.ReadBlock(t.Context(), []int64{3, 0}); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("a chunk beyond the file: %v", err)
	}
}

// TestJoined: tiny chunks are joined; those that are missing have the fill
// value.
func TestJoined(t *testing.T) {
	files := map[string]string{".zarray": v2("[100]", "[2]", "<u2", `"compressor": null, "fill_value": 9`)}
	want := bytes.Repeat([]byte{9, 0}, 100)
	for _, i := range []int{0, 3, 20, 49} {
		files[fmt.Sprint(i)] = string([]byte{byte(i), 1, byte(i), 2})
		copy(want[4*i:], files[fmt.Sprint(i)])
	}
	src := adaptertest.NewMemory(files)
	d, r := open(t, src)
	if !slices.Equal(d.Grid.Block, []int64{32}) || len(d.Array.Chunks[0]) != 50 {
		t.Fatalf("blocks %v, %d chunks", d.Grid.Block, len(d.Array.Chunks[0]))
	}
	var got []byte
	for i := range int64(4) {
		block, err := r.ReadBlock(t.Context(), []int64{i})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, block.Data...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	touched := slices.Collect(r.Touches(ndslice.Selection{{Start: 33, Step: 1, Count: 1}}))
	if len(touched) != 16 || touched[0] != "16" || touched[15] != "31" {
		t.Errorf("element 33 touches %v", touched)
	}
}

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		shape, chunks string
		want          []int64
	}{
		{"[100, 1000, 1000]", "[1, 1000, 1000]", []int64{1, 1000, 1000}},
		{"[100, 100, 100]", "[1, 100, 100]", []int64{6, 100, 100}},
		{"[100, 1000]", "[50, 10]", []int64{50, 160}},
		{"[1000, 20]", "[10, 10]", []int64{80, 20}},
		{"[9000, 9000]", "[9000, 9000]", []int64{9000, 9000}},
		{"[0, 5]", "[2, 2]", []int64{2, 6}},
		{"[]", "[]", []int64{}},
	} {
		src := adaptertest.NewMemory(map[string]string{".zarray": v2(c.shape, c.chunks, "<f4", `"compressor": null, "fill_value": 0`)})
		if d, _ := open(t, src); !slices.Equal(d.Grid.Block, c.want) {
			t.Errorf("%s in chunks of %s: blocks of %v, want %v", c.shape, c.chunks, d.Grid.Block, c.want)
		}
	}
}

// TestClaims: a few bytes that claim 2^50 chunks are told as fewer.
func TestClaims(t *testing.T) {
	src := adaptertest.NewMemory(map[string]string{".zarray": v2("[1125899906842624]", "[1]", "|u1", `"compressor": null, "fill_value": 3`)})
	d, r := open(t, src)
	if n := len(d.Array.Chunks[0]); n > 1<<20 {
		t.Errorf("%d chunks", n)
	}
	block, err := r.ReadBlock(t.Context(), []int64{1 << 40})
	if err != nil || len(block.Data) != 16 || block.Data[15] != 3 {
		t.Errorf("%v, %v", block, err)
	}
}

func TestFillValues(t *testing.T) {
	for _, c := range []struct {
		dtype, fill string
		want        []byte
	}{
		{"<f4", `"0x7fc00001"`, []byte{1, 0, 0xc0, 0x7f}},
		{">f4", `"0x7fc00001"`, []byte{0x7f, 0xc0, 0, 1}},
		{"<f2", `"Infinity"`, []byte{0, 0x7c}},
		{"<f8", `NaN`, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}},
		{"<c8", `["-Infinity", "0x00000001"]`, []byte{0, 0, 0x80, 0xff, 1, 0, 0, 0}},
		{"|S3", `"YQ=="`, []byte("a\x00\x00")},
		{"|V2", `[1, 255]`, []byte{1, 255}},
		{"<u8", `18446744073709551615`, bytes.Repeat([]byte{255}, 8)},
		{"<i2", `-2.0`, []byte{0xfe, 0xff}},
		{"<M8[s]", `"NaT"`, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}},
		{"|b1", `true`, []byte{1}},
		{"<i4", `null`, []byte{0, 0, 0, 0}},
		{"<i4", `2147483648`, nil},
		{"|u1", `-1`, nil},
		{"|u1", `256`, nil},
		{"|b1", `2`, nil},
		{"<f4", `"0x7f"`, nil},
		{"<f4", `"nan"`, nil},
		{"|S2", `"YWJj"`, nil},
		{"<U1", `"ab"`, nil},
		{"<c8", `[1]`, nil},
	} {
		src := adaptertest.NewMemory(map[string]string{".zarray": v2("[1]", "[1]", c.dtype, `"compressor": null, "fill_value": `+c.fill)})
		d, err := zarr.New().Describe(t.Context(), src, nil)
		if err != nil {
			if c.want != nil || !errors.Is(err, errdef.ErrUnprocessable) {
				t.Errorf("%s of %s: %v", c.fill, c.dtype, err)
			}
			continue
		}
		r, err := zarr.New().Open(src, nil, d)
		if err != nil {
			t.Fatal(err)
		}
		if block, err := r.(adapter.ArrayReader).ReadBlock(t.Context(), []int64{0}); err != nil || !bytes.Equal(block.Data, c.want) {
			t.Errorf("%s of %s: got %x, %v, want %x", c.fill, c.dtype, block.Data, err, c.want)
		}
	}
}

// bombs are chunks that decode to far more than the 4096 bytes of a chunk.
func bombs(t *testing.T) map[string]string {
	t.Helper()
	const size = 32 << 20
	zeros := make([]byte, 1<<20)
	var gz, zl, zs bytes.Buffer
	gw, lw := gzip.NewWriter(&gz), zlib.NewWriter(&zl)
	sw, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	for range size >> 20 {
		for _, w := range []interface{ Write([]byte) (int, error) }{gw, lw, sw} {
			if _, err := w.Write(zeros); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(gw.Close(), lw.Close(), sw.Close()); err != nil {
		t.Fatal(err)
	}
	claim := binary.LittleEndian.AppendUint32(nil, 1<<31-1)
	blosc := append([]byte{2, 1, 0x21, 4}, claim...)
	blosc = append(binary.LittleEndian.AppendUint32(blosc, 1<<20), 100, 0, 0, 0)
	return map[string]string{
		"gzip": gz.String(), "zlib": zl.String(), "zstd": zs.String(), "lz4": string(claim) + gz.String()[:1000],
		"blosc": string(blosc) + strings.Repeat("\x00", 100), "bz2": "BZh9" + strings.Repeat("x", 100),
	}
}

// TestBombs: a chunk cannot make anybody allocate more than it may hold.
func TestBombs(t *testing.T) {
	for id, bomb := range bombs(t) {
		for name, chunk := range map[string]string{"whole": bomb, "start": bomb[:min(len(bomb), 8000)]} {
			meta := v2("[1024]", "[1024]", "<u4", `"fill_value": 0, "compressor": {"id": "`+id+`"}`)
			src := adaptertest.NewMemory(map[string]string{".zarray": meta, "0": chunk})
			_, r := open(t, src)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := r.ReadBlock(t.Context(), []int64{0})
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, errdef.ErrUnprocessable) || n > 8<<20 {
				t.Errorf("%s, %s: %d bytes allocated, %v", id, name, n, err)
			}
		}
	}
}

// TestTouchesIsWhatIsRead compares Touches of selections with what reading
// their blocks opens.
func TestTouchesIsWhatIsRead(t *testing.T) {
	for _, c := range [][2]string{
		{"layout2.zarr", "cube"},
		{"layout3.zarr", "slashes"},
		{"shards.zarr", "zstd"},
		{"shards.zarr", "holes"},
		{"codecs2.zarr", "zlib"},
		{"layout3.zarr", "scalar"},
		{"layout2.zarr", "nothing"},
	} {
		src := adaptertest.NewFolder(t, filepath.Join("testdata", c[0]))
		d, r := open(t, src, c[1])
		for _, text := range []string{"", "1", "-1", "::2", "4:1:-3", "0:0"} {
			slice, err := ndslice.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			sel, err := slice.Normalise(d.Grid.Shape)
			if err != nil {
				continue // an axis too many
			}
			src.Reset()
			for piece := range sel.Plan(d.Grid) {
				if _, err := r.ReadBlock(t.Context(), piece.Block); err != nil {
					t.Fatal(err)
				}
			}
			opened := []string{}
			for name := range src.Opened() {
				opened = append(opened, name)
			}
			slices.Sort(opened)
			touches := slices.AppendSeq([]string{}, r.Touches(sel))
			slices.Sort(touches)
			if !slices.Equal(opened, touches) {
				t.Errorf("%v %q: opened %v, touches %v", c, text, opened, touches)
			}
		}
	}
}

// TestChecksums: what has another checksum is refused, wherever that stands.
func TestChecksums(t *testing.T) {
	for _, c := range [][3]string{
		{"codecs3.zarr", "crc", "crc/c/0/0"},
		{"codecs3.zarr", "zstd_crc", "zstd_crc/c/0/0"},
		{"codecs3.zarr", "nc_adler", "nc_adler/c/0/0"},
		{"codecs3.zarr", "nc_crc32", "nc_crc32/c/0/0"},
		{"codecs2.zarr", "filter_crc32", "filter_crc32/0.0"},
		{"codecs2.zarr", "gzip", "gzip/0.0"},
		{"codecs2.zarr", "zlib", "zlib/0.0"},
		{"codecs2.zarr", "zstd_sum", "zstd_sum/0.0"},
		{"codecs3.zarr", "zstd_sum", "zstd_sum/c/0/0"},
		{"shards.zarr", "start", "start/c/0/0/0"},
	} {
		src := adaptertest.NewFolder(t, filepath.Join("testdata", c[0]))
		d, r := open(t, src, c[1])
		block := make([]int64, len(d.Grid.Shape))
		stamp, err := src.Stat(t.Context(), c[2])
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for at := range stamp.Size {
			src.Reset()
			src.Corrupt(c[2], at)
			if _, err := r.ReadBlock(t.Context(), block); errors.Is(err, errdef.ErrUnprocessable) {
				refused++
			}
		}
		// A few bytes of headers (times, levels) mean nothing, and a shard
		// has other chunks.
		if least := int(stamp.Size) - 10; refused < least && c[0] != "shards.zarr" || refused < 100 {
			t.Errorf("%v: %d of %d corrupted bytes noticed", c, refused, stamp.Size)
		}
	}
}

// TestConsolidated: the group has the members that it is said to have.
func TestConsolidated(t *testing.T) {
	const member = `{"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|u1", "order": "C", "filters": null, "compressor": null, "fill_value": 5}`
	files := map[string]string{
		".zgroup": `{"zarr_format": 2}`, "stray/x": "", "b/.zarray": member,
		".zmetadata": `{"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}, ".zattrs": {},
			"b/.zarray": ` + member + `, "a/.zgroup": {"zarr_format": 2}, "a/c/.zarray": ` + member + `, "a/c/.zattrs": {"k": 1}}}`,
	}
	src := adaptertest.NewMemory(files)
	d, err := zarr.New().Describe(t.Context(), src, nil)
	if err != nil || !slices.Equal(d.Keys, []string{"a", "b"}) {
		t.Errorf("keys %v, %v", d.Keys, err)
	}
	d, _ = open(t, src, "a", "c")
	if fmt.Sprint(d.Metadata) != "map[attributes:map[k:1]]" {
		t.Errorf("a member that is only there: metadata %v", d.Metadata)
	}
	delete(files, ".zmetadata")
	d, err = zarr.New().Describe(t.Context(), adaptertest.NewMemory(files), nil)
	if err != nil || !slices.Equal(d.Keys, []string{"b", "stray"}) {
		t.Errorf("not consolidated: keys %v, %v", d.Keys, err)
	}
}
