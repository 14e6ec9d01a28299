package blosc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
)

func TestChunkLimit(t *testing.T) {
	if err := fitsChunk(MaxDecoded); err != nil {
		t.Error(err)
	}
	if err := fitsChunk(MaxDecoded + 1); !errors.Is(err, errdef.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
}

// TestReuse asserts that a second chunk costs no memory: not by way of Decoder,
// whose pool may forget.
func TestReuse(t *testing.T) {
	raw := make([]byte, 100_000)
	copy(raw, ramp(5000))
	for _, codec := range []Codec{LZ4, Zstd} {
		chunk, err := (&Encoder{Codec: codec}).Append(nil, raw, 4)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ParseHeader(chunk)
		if err != nil || h.flags&flagMemcpyed != 0 {
			t.Fatalf("%+v, %v", h, err)
		}
		s, dst := new(scratch), make([]byte, len(raw))
		if n := testing.AllocsPerRun(20, func() { err = s.chunk(h, dst, chunk) }); n != 0 || err != nil {
			t.Errorf("codec %d: %v allocations, %v", codec, n, err)
		}
	}
}

// ramp is bytes that all positions can be told apart by.
func ramp(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i*167 + i>>8*13)
	}
	return out
}

// TestShuffleByDefinition compares the shuffle with its definition, one byte at
// a time, on all widths and on lengths around multiples of eight elements.
func TestShuffleByDefinition(t *testing.T) {
	for width := 1; width <= 20; width++ {
		for _, n := range []int{0, 1, 7, 8, 9, 16, 31, 64, 67} {
			src := ramp(n*width + width/2)
			want := bytes.Clone(src)
			for i := range n {
				for b := range width {
					want[b*n+i] = src[i*width+b]
				}
			}
			// With width/2 odd bytes there are still n whole elements.
			got, back := make([]byte, len(src)), make([]byte, len(src))
			shuffle(got, src, width)
			unshuffle(back, got, width)
			if !bytes.Equal(got, want) || !bytes.Equal(back, src) {
				t.Errorf("width %d, %d elements: wrong", width, n)
			}
		}
	}
}

// TestBitUnshuffleByDefinition does the same for bits.
func TestBitUnshuffleByDefinition(t *testing.T) {
	for width := 1; width <= 17; width++ {
		for _, n := range []int{8, 64, 72, 128, 136} {
			want := ramp(n*width + width/2)
			src := bytes.Clone(want)
			clear(src[:n*width])
			for i := range n {
				for bit := range 8 * width {
					value := want[i*width+bit/8] >> (bit % 8) & 1
					src[bit*(n/8)+i/8] |= value << (i % 8)
				}
			}
			got := make([]byte, len(src))
			bitUnshuffle(got, src, make([]byte, len(src)), width)
			if !bytes.Equal(got, want) {
				t.Errorf("width %d, %d elements: wrong", width, n)
			}
		}
	}
}

func BenchmarkUnshuffle(b *testing.B) {
	src, dst, tmp := ramp(1<<18), make([]byte, 1<<18), make([]byte, 1<<18)
	for name, width := range map[string]int{"2": 2, "3": 3, "4": 4, "8": 8, "16": 16} {
		b.Run("bytes/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				unshuffle(dst, src, width)
			}
		})
		b.Run("bits/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				bitUnshuffle(dst, src, tmp, width)
			}
		})
	}
}
