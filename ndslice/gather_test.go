package ndslice_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

func mustSelect(tb testing.TB, text string, shape []int64) ndslice.Selection {
	tb.Helper()
	slice, err := ndslice.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	selection, err := slice.Normalise(shape)
	if err != nil {
		tb.Fatal(err)
	}
	return selection
}

func TestGatherRefusesWrongSizes(t *testing.T) {
	shape := []int64{4, 4}
	grid := ndslice.Grid{Shape: shape, Block: []int64{2, 4}}
	selection := mustSelect(t, "1:4,::-1", shape)
	for piece := range selection.Plan(grid) {
		wrong := piece
		wrong.Target = []int64{2, 1}
		result, block := make([]byte, 12), make([]byte, 8)
		for name, err := range map[string]error{
			"short result":    ndslice.Gather(result[1:], selection, piece, block, piece.Shape, 1),
			"short block":     ndslice.Gather(result, selection, piece, block[1:], piece.Shape, 1),
			"long block":      ndslice.Gather(result, selection, piece, make([]byte, 9), piece.Shape, 1),
			"other item size": ndslice.Gather(result, selection, piece, block, piece.Shape, 2),
			"negative size":   ndslice.Gather(result, selection, piece, block, piece.Shape, -1),
			"other shape":     ndslice.Gather(result, selection, piece, block, []int64{8}, 1),
			"leaves block":    ndslice.Gather(result, selection, piece, block, []int64{8, 1}, 1),
			"leaves result":   ndslice.Gather(result, selection, wrong, block, piece.Shape, 1),
		} {
			if !errors.Is(err, errdef.ErrUnprocessable) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if !bytes.Equal(result, make([]byte, 12)) {
			t.Error("something was copied")
		}
	}
}

func TestGatherAllocatesNothing(t *testing.T) {
	shape := []int64{64, 64, 8}
	grid := ndslice.Grid{Shape: shape, Block: []int64{16, 16, 8}}
	selection := mustSelect(t, "::-1,3:60:2,1:5", shape)
	block := make([]byte, 16*16*8*8)
	result := make([]byte, selection.Len()*8)
	if blocks := selection.Touched(grid); blocks != 16 {
		t.Fatalf("%d blocks", blocks)
	}
	// Two slabs, the odometer and the closures; nothing for each block.
	allocations := testing.AllocsPerRun(10, func() {
		for piece := range selection.Plan(grid) {
			if err := ndslice.Gather(result, selection, piece, block, piece.Shape, 8); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocations > 6 {
		t.Errorf("%v allocations for 16 blocks", allocations)
	}
}

// BenchmarkGather reads selections of a 1024 x 1024 array in 8 blocks; rows and
// whole blocks should come close to the plain copy at its end.
func BenchmarkGather(b *testing.B) {
	shape := []int64{1024, 1024}
	for name, text := range map[string]string{
		"contiguous": "64:1024:1,:", "rows": ":,128:384", "strided": "::2,::2", "reversed": "::-1,::-1",
	} {
		for _, size := range []int{1, 2, 4, 8} {
			b.Run(name+"/"+string('0'+rune(size)), func(b *testing.B) {
				grid := ndslice.Grid{Shape: shape, Block: []int64{128, 1024}}
				selection := mustSelect(b, text, shape)
				result := make([]byte, selection.Len()*int64(size))
				block := make([]byte, 128*1024*size)
				b.SetBytes(int64(len(result)))
				for b.Loop() {
					for piece := range selection.Plan(grid) {
						if err := ndslice.Gather(result, selection, piece, block, piece.Shape, size); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
	b.Run("memcpy/8", func(b *testing.B) {
		result, block := make([]byte, 1<<23), make([]byte, 1<<20)
		b.SetBytes(int64(len(result)))
		for b.Loop() {
			for at := 0; at < len(result); at += len(block) {
				copy(result[at:], block)
			}
		}
	})
}
