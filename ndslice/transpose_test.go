package ndslice_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/terrazzo-data/terrazzo/ndslice"
)

// transposed does it one element after the other.
func transposed(src []byte, shape []int64, order []int, item int) []byte {
	dst := make([]byte, 0, len(src))
	at := make([]int64, len(shape))
	for len(dst) < len(src) {
		from := int64(0)
		index := make([]int64, len(shape))
		for i, axis := range order {
			index[axis] = at[i]
		}
		for i, n := range shape {
			from = from*n + index[i]
		}
		dst = append(dst, src[from*int64(item):][:item]...)
		for i := len(order) - 1; i >= 0; i-- {
			if at[i]++; at[i] < shape[order[i]] {
				break
			}
			at[i] = 0
		}
	}
	return dst
}

func TestTranspose(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		axes, item := random.IntN(6), []int{1, 2, 3, 4, 8, 16}[random.IntN(6)]
		shape, size := make([]int64, axes), item
		for i := range shape {
			shape[i] = 1 + random.Int64N([]int64{1, 3, 7, 40}[random.IntN(4)])
			if size*int(shape[i]) > 1<<16 {
				shape[i] = 1
			}
			size *= int(shape[i])
		}
		order := random.Perm(axes)
		src := make([]byte, size)
		for i := range src {
			src[i] = byte(random.Uint32())
		}
		dst := make([]byte, size)
		ndslice.Transpose(dst, src, shape, order, item)
		if !bytes.Equal(dst, transposed(src, shape, order, item)) {
			t.Fatalf("shape %v, order %v, elements of %d: wrong", shape, order, item)
		}
	}
	ndslice.Transpose(nil, nil, []int64{0, 3}, []int{1, 0}, 4)
	if n := testing.AllocsPerRun(10, func() {
		ndslice.Transpose(make([]byte, 0), nil, []int64{3, 0}, []int{1, 0}, 4)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTranspose(b *testing.B) {
	for name, item := range map[string]int{"2": 2, "8": 8} {
		b.Run(name, func(b *testing.B) {
			shape := []int64{1024, 1024}
			src, dst := make([]byte, 1<<20*item), make([]byte, 1<<20*item)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				ndslice.Transpose(dst, src, shape, []int{1, 0}, item)
			}
		})
	}
}
