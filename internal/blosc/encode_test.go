package blosc_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/blosc"
)

func TestEncodeRoundTrip(t *testing.T) {
	var d blosc.Decoder
	for _, codec := range []blosc.Codec{blosc.LZ4, blosc.Zstd} {
		e := blosc.Encoder{Codec: codec}
		for _, kind := range []string{"smooth", "noise", "zeros"} {
			for _, typesize := range []int{1, 2, 3, 4, 7, 8, 16, 24, 255} {
				for _, size := range []int{1, 15, 255, 256, 4096, 4097, 262143, 262144, 600001} {
					raw := testData(kind, typesize, size)
					chunk, err := e.Append([]byte("before"), raw, typesize)
					if err != nil {
						t.Fatal(err)
					}
					chunk = chunk[len("before"):]
					name := fmt.Sprintf("codec %d %s %dx%d", codec, kind, typesize, size)
					if len(chunk) > size+blosc.HeaderSize {
						t.Errorf("%s: %d bytes", name, len(chunk))
					}
					if h, err := blosc.ParseHeader(chunk); err != nil || h.Encoded != len(chunk) || h.Decoded != size {
						t.Fatalf("%s: header %+v, %v", name, h, err)
					}
					got := make([]byte, size)
					if _, err := d.Decode(got, chunk); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if !bytes.Equal(got, raw) {
						t.Fatalf("%s: bytes differ", name)
					}
				}
			}
		}
	}
}

func TestEncodeShuffleHelps(t *testing.T) {
	raw := make([]byte, 1<<20)
	for i := range len(raw) / 4 {
		binary.LittleEndian.PutUint32(raw[4*i:], uint32(i*3))
	}
	for _, codec := range []blosc.Codec{blosc.LZ4, blosc.Zstd} {
		e := blosc.Encoder{Codec: codec}
		plain, _ := e.Append(nil, raw, 1)
		shuffled, _ := e.Append(nil, raw, 4)
		if len(shuffled) >= len(plain) {
			t.Errorf("codec %d: %d bytes shuffled, %d plain", codec, len(shuffled), len(plain))
		}
	}
}

func TestEncodeEdges(t *testing.T) {
	var e blosc.Encoder
	if out, err := e.Append(nil, nil, 2); err != nil || len(out) != 0 {
		t.Errorf("nothing: %d bytes, %v", len(out), err)
	}
	if _, err := (&blosc.Encoder{Codec: 3}).Append(nil, make([]byte, 64), 2); !errors.Is(err, errdef.ErrUnsupported) {
		t.Errorf("zlib: %v", err)
	}
}

// frame makes a detector image's likeness: a smooth ground, Poisson-like noise
// in the low bits, some bright spots.
func frame(pixels int) []byte {
	out := make([]byte, 2*pixels)
	state := uint32(1)
	for i := range pixels {
		state = state*1664525 + 1013904223
		v := 40 + (i%2048)/64 + int(state>>28)
		if state>>12&0x3ff == 0 {
			v += int(state >> 20)
		}
		out[2*i], out[2*i+1] = byte(v), byte(v>>8)
	}
	return out
}

func BenchmarkEncode(b *testing.B) {
	raw := frame(1 << 20)
	for name, codec := range map[string]blosc.Codec{"lz4": blosc.LZ4, "zstd": blosc.Zstd} {
		b.Run(name, func(b *testing.B) {
			e := blosc.Encoder{Codec: codec}
			out, err := e.Append(nil, raw, 2)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if out, err = e.Append(out[:0], raw, 2); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(raw))/float64(len(out)), "ratio")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	raw := frame(1 << 20)
	for name, codec := range map[string]blosc.Codec{"lz4": blosc.LZ4, "zstd": blosc.Zstd} {
		for _, typesize := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, typesize), func(b *testing.B) {
				e, d := blosc.Encoder{Codec: codec}, blosc.Decoder{}
				chunk, err := e.Append(nil, raw, typesize)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					if _, err := d.Decode(raw, chunk); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
