package media_test

import (
	"io"
	"iter"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/structure"
)

// BenchmarkArray writes 1024 x 1024 elements that are held in memory.
func BenchmarkArray(b *testing.B) {
	for _, kind := range []string{"<u2", "<f4", "<f8"} {
		dtype, err := structure.ParseDType(kind)
		if err != nil {
			b.Fatal(err)
		}
		data := make([]byte, 1<<20*dtype.ItemSize)
		for i := range data {
			data[i] = byte(i * i >> 7)
		}
		payload := media.Payload{Array: &media.Array{Type: dtype, Shape: []int64{1024, 1024}, Data: whole(data)}}
		for _, format := range []string{"application/octet-stream", "json", "csv", "png", "tiff"} {
			choice, err := media.New().Negotiate("array", nil, format, "")
			if err != nil {
				b.Fatal(err)
			}
			b.Run(format+"/"+kind, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if err := choice.Encoder.Encode(b.Context(), io.Discard, payload); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func whole(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { yield(data, nil) }
}
