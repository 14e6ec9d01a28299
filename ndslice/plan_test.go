package ndslice_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

func drawShape(t *rapid.T, most int64) []int64 {
	return rapid.SliceOfN(rapid.Int64Range(0, most), 0, 4).Draw(t, "shape")
}

func drawBound(t *rapid.T, extent int64, name string) *int64 {
	if rapid.Bool().Draw(t, "no "+name) {
		return nil
	}
	value := rapid.Int64Range(-extent-2, extent+2).Draw(t, name)
	return &value
}

// drawSelection draws a slice of shape the way a client would ask for it.
func drawSelection(t *rapid.T, shape []int64) ndslice.Selection {
	slice := make(ndslice.Slice, 0, len(shape))
	for _, extent := range shape[:rapid.IntRange(0, len(shape)).Draw(t, "parts")] {
		if extent > 0 && rapid.IntRange(0, 4).Draw(t, "index") == 0 {
			index := rapid.Int64Range(-extent, extent-1).Draw(t, "at")
			slice = append(slice, ndslice.Part{Index: true, Start: &index})
			continue
		}
		part := ndslice.Part{Start: drawBound(t, extent, "start"), Stop: drawBound(t, extent, "stop")}
		if step := drawBound(t, extent, "step"); step != nil && *step != 0 {
			part.Step = step
		}
		slice = append(slice, part)
	}
	selection, err := slice.Normalise(shape)
	if err != nil {
		t.Fatal(err)
	}
	return selection
}

func drawGrid(t *rapid.T, shape []int64) ndslice.Grid {
	grid := ndslice.Grid{Shape: shape, Block: make([]int64, len(shape))}
	for i, extent := range shape {
		grid.Block[i] = rapid.Int64Range(1, extent+2).Draw(t, "block")
	}
	if err := grid.Validate(); err != nil {
		t.Fatal(err)
	}
	return grid
}

// item is the bytes of the element at a flat position.
func item(flat int64, size int) []byte {
	data := bytes.Repeat([]byte{0xA5}, max(size, 8))
	binary.LittleEndian.PutUint64(data, uint64(flat)*0x9E3779B97F4A7C15)
	return data[:size]
}

func itemsOf(selection ndslice.Selection, shape []int64, size int) []byte {
	data := []byte{}
	for _, flat := range elements(selection, shape) {
		data = append(data, item(flat, size)...)
	}
	return data
}

// gather reads a selection block by block.
func gather(t *rapid.T, selection ndslice.Selection, grid ndslice.Grid, size int) []byte {
	result := make([]byte, selection.Len()*int64(size))
	for piece := range selection.Plan(grid) {
		block := itemsOf(grid.Of(piece.Block), grid.Shape, size)
		if err := ndslice.Gather(result, selection, piece, block, grid.BlockShape(piece.Block), size); err != nil {
			t.Fatal(err)
		}
		if piece.Whole() && selection.Touched(grid) == 1 && !bytes.Equal(block, result) {
			t.Fatalf("%v of %v: a whole block is not the result", selection, grid)
		}
	}
	return result
}

func TestGatherIsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := drawShape(t, 7)
		selection, grid := drawSelection(t, shape), drawGrid(t, shape)
		size := rapid.SampledFrom([]int{0, 1, 2, 3, 4, 8, 16, 21}).Draw(t, "size")
		got, want := gather(t, selection, grid, size), itemsOf(selection, shape, size)
		if !bytes.Equal(got, want) {
			t.Fatalf("%v of %v: got\n%x, want\n%x", selection, grid, got, want)
		}
	})
}

func TestPlanTouchesEachBlockOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := drawShape(t, 12)
		selection, grid := drawSelection(t, shape), drawGrid(t, shape)
		counts := grid.Counts()
		// By brute force: the blocks of all elements, as flat indices.
		want := map[int64]int64{}
		for _, flat := range elements(selection, shape) {
			index, scale := int64(0), int64(1)
			for i := len(shape) - 1; i >= 0; i-- {
				index += flat % shape[i] / grid.Block[i] * scale
				flat, scale = flat/shape[i], scale*counts[i]
			}
			want[index]++
		}
		last := int64(-1)
		for piece := range selection.Plan(grid) {
			if !grid.Contains(piece.Block) || !slices.Equal(piece.Shape, grid.BlockShape(piece.Block)) {
				t.Fatalf("%v of %v: block %v of shape %v", selection, grid, piece.Block, piece.Shape)
			}
			index := int64(0)
			for i, at := range piece.Block {
				index = index*counts[i] + at
			}
			if index <= last || want[index] != piece.Len() {
				t.Fatalf("%v of %v: block %v after %d has %d elements, want %d",
					selection, grid, piece.Block, last, piece.Len(), want[index])
			}
			last = index
			delete(want, index)
		}
		if len(want) != 0 {
			t.Fatalf("%v of %v: blocks not planned: %v", selection, grid, want)
		}
	})
}

func TestTouchedCountsThePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := drawShape(t, 20)
		selection, grid := drawSelection(t, shape), drawGrid(t, shape)
		count := int64(0)
		for range selection.Plan(grid) {
			count++
		}
		if touched := selection.Touched(grid); touched != count {
			t.Fatalf("%v of %v: Touched %d, the plan has %d", selection, grid, touched, count)
		}
	})
}

func TestComposeIsSliceAfterSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := drawShape(t, 9)
		first := drawSelection(t, shape)
		second := drawSelection(t, first.Shape())
		outer := elements(first, shape)
		want := []int64{}
		for _, flat := range elements(second, first.Shape()) {
			want = append(want, outer[flat])
		}
		composed := first.Compose(second)
		if !slices.Equal(elements(composed, shape), want) || !slices.Equal(composed.Shape(), second.Shape()) {
			t.Fatalf("%v then %v: got %v", first, second, composed)
		}
		if composed.String() != drawAgain(t, composed, shape).String() {
			t.Fatalf("%v then %v: %v is not canonical", first, second, composed)
		}
	})
}

func drawAgain(t *rapid.T, selection ndslice.Selection, shape []int64) ndslice.Selection {
	slice, err := ndslice.Parse(selection.String())
	if err != nil {
		t.Fatal(err)
	}
	again, err := slice.Normalise(shape)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again, selection) {
		t.Fatalf("%#v came back as %#v", selection, again)
	}
	return again
}

func TestWindowsAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := drawShape(t, 9)
		selection, grid := drawSelection(t, shape), drawGrid(t, shape)
		size := rapid.Int64Range(1, 9).Draw(t, "size")
		most := rapid.Int64Range(1, 400).Draw(t, "most")
		got := []int64{}
		for window := range selection.Windows(size, most, grid) {
			if window.Len() == 0 || window.Len() > 1 && window.Len()*size > most {
				t.Fatalf("%v of %v: window %v is empty or too large", selection, grid, window)
			}
			got = append(got, elements(window, shape)...)
			drawAgain(t, window, shape)
		}
		if want := elements(selection, shape); !slices.Equal(got, want) {
			t.Fatalf("%v of %v: got %v, want %v", selection, grid, got, want)
		}
	})
}

// Where a row of blocks fits into a window, no block lies in two of them.
func TestWindowsReadNoBlockTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := []int64{rapid.Int64Range(1, 40).Draw(t, "rows"), rapid.Int64Range(1, 9).Draw(t, "columns")}
		selection, grid := drawSelection(t, shape), drawGrid(t, shape)
		if len(selection.Shape()) != 2 || selection.Len() == 0 {
			return
		}
		most := grid.Block[0]*selection.Shape()[1] + rapid.Int64Range(0, 99).Draw(t, "spare")
		seen := map[string]bool{}
		for window := range selection.Windows(1, most, grid) {
			for piece := range window.Plan(grid) {
				key := fmt.Sprint(piece.Block)
				if seen[key] {
					t.Fatalf("%v of %v, %d at most: block %s is read twice", selection, grid, most, key)
				}
				seen[key] = true
			}
		}
	})
}

func TestWindowsFewerThanRows(t *testing.T) {
	selection := ndslice.All([]int64{100, 10})
	count := 0
	for range selection.Windows(8, 80*32, ndslice.Grid{Shape: []int64{100, 10}, Block: []int64{8, 10}}) {
		count++
	}
	if count != 4 { // 32, 32, 32 and 4 rows
		t.Errorf("%d windows, want 4", count)
	}
}

func TestPlanStopsWhenToldTo(t *testing.T) {
	selection, grid := ndslice.All([]int64{1 << 40}), ndslice.Grid{Shape: []int64{1 << 40}, Block: []int64{1}}
	count := 0
	for range selection.Plan(grid) {
		if count++; count == 3 {
			break
		}
	}
	for range selection.Windows(1, 1, grid) {
		if count++; count == 6 {
			break
		}
	}
	if count != 6 {
		t.Errorf("%d", count)
	}
}

func TestHugeShapes(t *testing.T) {
	shape := []int64{math.MaxInt64, math.MaxInt64, 0}
	if got := ndslice.All(shape[:2]).Len(); got != math.MaxInt64 {
		t.Errorf("Len = %d, want saturation", got)
	}
	if got := ndslice.All(shape).Len(); got != 0 {
		t.Errorf("Len = %d, want 0", got)
	}
	grid := ndslice.Grid{Shape: shape[:2], Block: []int64{1, 1}}
	if got := ndslice.All(shape[:2]).Touched(grid); got != math.MaxInt64 {
		t.Errorf("Touched = %d, want saturation", got)
	}
}

func TestOfBlock(t *testing.T) {
	chunks := [][]int64{{3, 5, 2}, {0, 4}}
	selection, err := ndslice.OfBlock(chunks, []int64{1, 1})
	if err != nil || selection.String() != "3:8,0:4" {
		t.Errorf("got %v, %v", selection, err)
	}
	if selection, err = ndslice.OfBlock(nil, nil); err != nil || selection.Len() != 1 {
		t.Errorf("0-d: got %v, %v", selection, err)
	}
	for _, block := range [][]int64{nil, {1}, {1, 1, 1}, {3, 0}, {-1, 0}, {0, 2}} {
		if _, err := ndslice.OfBlock(chunks, block); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%v: got %v", block, err)
		}
	}
}

func TestIsAll(t *testing.T) {
	shape := []int64{4, 1}
	index := int64(0)
	dropped, err := ndslice.Slice{{}, {Index: true, Start: &index}}.Normalise(shape)
	if err != nil {
		t.Fatal(err)
	}
	if !ndslice.All(shape).IsAll(shape) || dropped.IsAll(shape) || ndslice.All(shape).IsAll([]int64{4}) ||
		ndslice.All([]int64{3, 1}).IsAll(shape) {
		t.Error("IsAll is wrong")
	}
}

func TestGridValidate(t *testing.T) {
	for _, grid := range []ndslice.Grid{
		{Shape: []int64{1}}, {Shape: []int64{1}, Block: []int64{0}}, {Shape: []int64{-1}, Block: []int64{1}},
	} {
		if err := grid.Validate(); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%v: got %v", grid, err)
		}
	}
	grid := ndslice.Grid{Shape: []int64{5, 0}, Block: []int64{2, 3}}
	if !slices.Equal(grid.Counts(), []int64{3, 0}) || grid.Contains([]int64{0, 0}) || grid.Contains([]int64{0}) {
		t.Errorf("%v: counts %v", grid, grid.Counts())
	}
}
