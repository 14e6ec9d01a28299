package coding_test

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
)

// bodies are what a server sends: a detector frame, floats with noise, JSON.
func bodies() map[string][]byte {
	var numbers strings.Builder
	floats := make([]byte, 0, 2<<20)
	state := uint32(1)
	for i := range 1 << 19 {
		state = state*1664525 + 1013904223
		floats = append(floats, byte(state>>24), byte(state>>16), byte(i>>12), 0x41)
		if i < 1<<17 {
			numbers.WriteString(`{"id":` + strconv.Itoa(i) + `,"n":` + strconv.Itoa(int(state>>22)) + "},")
		}
	}
	return map[string][]byte{"u2": frame(1 << 20), "f4": floats, "json": []byte(numbers.String())}
}

// BenchmarkWriter and BenchmarkReader are the figures of
// docs/design/0004-content-codings.md.
func BenchmarkWriter(b *testing.B) {
	for kind, body := range bodies() {
		typesize := map[string]int{"u2": 2, "f4": 4, "json": 1}[kind]
		for _, setting := range []string{"gzip:1", "gzip:6", "zstd:1", "zstd:3", "lz4", "blosc2:lz4", "blosc2:zstd"} {
			b.Run(kind+"/"+setting, func(b *testing.B) {
				c := parse(b, setting)
				var out bytes.Buffer
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					out.Reset()
					w := c.NewWriter(&out, typesize)
					if _, err := w.Write(body); err != nil {
						b.Fatal(err)
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(body))/float64(out.Len()), "ratio")
			})
		}
	}
}

func BenchmarkReader(b *testing.B) {
	for kind, body := range bodies() {
		for _, setting := range []string{"gzip:1", "zstd:1", "lz4", "blosc2:lz4", "blosc2:zstd"} {
			b.Run(kind+"/"+setting, func(b *testing.B) {
				c := parse(b, setting)
				data := encode(b, c, body, len(body))
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					r := c.NewReader(bytes.NewReader(data), int64(len(body)))
					if _, err := io.Copy(io.Discard, r); err != nil {
						b.Fatal(err)
					}
					r.Close()
				}
			})
		}
	}
}
