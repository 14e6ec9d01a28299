package hdf5file

import (
	"slices"
	"testing"
)

// TestBlocks: blocks are neither tiny nor huge, and made of whole chunks.
func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		name               string
		shape, chunk, want []int64
		item               int64
		how                func([]int64, int64) []int64
		grows              []int
	}{
		{"a frame a chunk", []int64{100, 1024, 1024}, []int64{1, 1024, 1024}, []int64{1, 1024, 1024}, 2, nil, nil},
		{"tiles of a frame", []int64{100, 1024, 1024}, []int64{1, 64, 64}, []int64{1, 1024, 1024}, 2, nil, nil},
		{"small frames", []int64{100, 64, 64}, []int64{1, 64, 64}, []int64{100, 64, 64}, 2, nil, nil},
		{"one row a chunk", []int64{1_000_000}, []int64{1}, []int64{250_000}, 8, nil, nil},
		{"huge chunks", []int64{4, 4096, 4096}, []int64{2, 4096, 4096}, []int64{2, 4096, 4096}, 4, nil, nil},
		{"chunks larger than the array", []int64{3, 5}, []int64{1000, 5}, []int64{3, 5}, 8, nil, nil},
		{"nothing yet", []int64{0, 5}, []int64{10, 5}, []int64{1, 5}, 8, nil, nil},
		{"rows", []int64{1000, 1000}, nil, []int64{250, 1000}, 8, rows, nil},
		{"long rows", []int64{10, 3_000_000}, nil, []int64{1, 250_000}, 8, rows, nil},
		{"frames behind a virtual data set", []int64{100, 2167, 2070}, nil, []int64{1, 2167, 2070}, 4, frames, nil},
		{"a scan of one frame", []int64{1, 64, 64}, []int64{1, 64, 64}, []int64{256, 64, 64}, 2, nil, []int{0}},
		{"a scan of many", []int64{300, 64, 64}, []int64{1, 64, 64}, []int64{256, 64, 64}, 2, nil, []int{0}},
		{"a growing last axis", []int64{4, 70}, []int64{2, 100}, []int64{2, 1300}, 8 * 100, nil, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []int64
			if c.how != nil {
				got = c.how(c.shape, c.item)
			} else {
				got = joined(c.shape, c.chunk, c.item, c.grows, aimBytes)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
