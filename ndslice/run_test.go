package ndslice_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/terrazzo-data/terrazzo/ndslice"
)

// TestRun compares with Gather: a run's bytes are what would be gathered, and
// whatever is not contiguous is no run.
func TestRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ndim := rapid.IntRange(0, 3).Draw(t, "ndim")
		shape, sel := make([]int64, ndim), make(ndslice.Selection, ndim)
		size := int64(1)
		for i := range shape {
			shape[i] = rapid.Int64Range(1, 4).Draw(t, "extent")
			size *= shape[i]
			start := rapid.Int64Range(0, shape[i]-1).Draw(t, "start")
			step := rapid.Int64Range(1, 2).Draw(t, "step")
			sel[i] = ndslice.Axis{Start: start, Step: step, Count: rapid.Int64Range(1, (shape[i]-start-1)/step+1).Draw(t, "count")}
		}
		block := make([]byte, size)
		for i := range block {
			block[i] = byte(i)
		}
		grid := ndslice.Grid{Shape: shape, Block: shape}
		for p := range sel.Plan(grid) {
			got := make([]byte, p.Len())
			if err := ndslice.Gather(got, sel, p, block, shape, 1); err != nil {
				t.Fatal(err)
			}
			contiguous := true
			for i := 1; i < len(got); i++ {
				contiguous = contiguous && got[i] == got[i-1]+1
			}
			from, count, ok := p.Run()
			if ok != contiguous {
				t.Fatalf("%v of %v: a run: %v, contiguous: %v", sel, shape, ok, contiguous)
			}
			if ok && !bytes.Equal(block[from:from+count], got) {
				t.Fatalf("%v of %v: run %d+%d, gathered %v", sel, shape, from, count, got)
			}
		}
	})
}

func TestRunOfNothing(t *testing.T) {
	p := ndslice.Piece{Shape: []int64{3}, Source: ndslice.Selection{{Step: 1}}}
	if _, _, ok := p.Run(); ok {
		t.Error("nothing is called a run")
	}
}
