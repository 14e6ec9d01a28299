package ndslice

import (
	"fmt"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// A Grid cuts an array into regular blocks; the last of each axis is clipped.
// Block has as many extents as Shape, each >= 1.
type Grid struct {
	Shape, Block []int64
}

// Validate says with [errdef.ErrUnprocessable] what is wrong with the grid:
// another number of axes, a negative extent, a block extent below 1.
func (g Grid) Validate() error {
	if len(g.Shape) != len(g.Block) {
		return fmt.Errorf("grid: blocks of %d axes for a shape of %d: %w",
			len(g.Block), len(g.Shape), errdef.ErrUnprocessable)
	}
	for i := range g.Shape {
		if g.Shape[i] < 0 || g.Block[i] < 1 {
			return fmt.Errorf("grid: axis %d: an extent of %d in blocks of %d: %w",
				i, g.Shape[i], g.Block[i], errdef.ErrUnprocessable)
		}
	}
	return nil
}

// Counts is the number of blocks along each axis: none along an axis of
// extent 0.
func (g Grid) Counts() []int64 {
	counts := make([]int64, len(g.Shape))
	for i := range g.Shape {
		counts[i] = g.count(i)
	}
	return counts
}

func (g Grid) count(axis int) int64 {
	if g.Shape[axis] == 0 {
		return 0
	}
	return (g.Shape[axis]-1)/g.Block[axis] + 1
}

// Contains says whether block is the index of a block of the grid.
func (g Grid) Contains(block []int64) bool {
	if len(block) != len(g.Shape) {
		return false
	}
	for i, index := range block {
		if index < 0 || index >= g.count(i) {
			return false
		}
	}
	return true
}

// BlockShape is the shape of a block that the grid contains, clipped at the
// end of each axis.
func (g Grid) BlockShape(block []int64) []int64 {
	shape := make([]int64, len(block))
	for i, index := range block {
		shape[i] = g.extent(i, index)
	}
	return shape
}

func (g Grid) extent(axis int, index int64) int64 {
	return min(g.Block[axis], g.Shape[axis]-index*g.Block[axis])
}

// Of is the selection of a block that the grid contains. No axis is dropped.
func (g Grid) Of(block []int64) Selection {
	selection := make(Selection, len(block))
	for i, index := range block {
		selection[i] = Axis{Start: index * g.Block[i], Step: 1, Count: g.extent(i, index)}
	}
	return selection
}
