package zarr_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/internal/blosc"
)

// encodings returns chunks of 2 MiB of 16-bit counts, encoded.
func encodings(tb testing.TB) (plain string, encoded map[string]string) {
	tb.Helper()
	data := make([]byte, 2<<20)
	for i := range len(data) / 2 {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(1000+i*i%97))
	}
	packed, err := (&blosc.Encoder{}).Append(nil, data, 2)
	if err != nil {
		tb.Fatal(err)
	}
	w, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	var gz bytes.Buffer
	g := gzip.NewWriter(&gz)
	if _, err := g.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := g.Close(); err != nil {
		tb.Fatal(err)
	}
	return string(data), map[string]string{
		`null`:            string(data),
		`{"id": "blosc"}`: string(packed),
		`{"id": "zstd"}`:  string(w.EncodeAll(data, nil)),
		`{"id": "gzip"}`:  gz.String(),
	}
}

func chunkOf(compressor, chunk string) *adaptertest.Folder {
	return adaptertest.NewMemory(map[string]string{
		".zarray": v2("[1024, 1024]", "[1024, 1024]", "<u2", `"fill_value": 0, "compressor": `+compressor), "0.0": chunk,
	})
}

// TestOneCopy: a block costs its own memory and little more, once the working
// memory is there.
func TestOneCopy(t *testing.T) {
	plain, all := encodings(t)
	for compressor, chunk := range all {
		_, r := open(t, chunkOf(compressor, chunk))
		read := func() {
			if block, err := r.ReadBlock(t.Context(), []int64{0, 0}); err != nil || string(block.Data) != plain {
				t.Fatalf("%s: %v", compressor, err)
			}
		}
		const times = 20
		read()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			read()
		}
		runtime.ReadMemStats(&after)
		// The race detector empties pools at random.
		if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 2<<20+3<<19 {
			t.Errorf("%s: %d bytes for each block of 2 MiB", compressor, each)
		}
	}
}

func BenchmarkReadBlock(b *testing.B) {
	_, all := encodings(b)
	for compressor, chunk := range all {
		b.Run(compressor, func(b *testing.B) {
			_, r := open(b, chunkOf(compressor, chunk))
			b.SetBytes(2 << 20)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadBlock(b.Context(), []int64{0, 0}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
