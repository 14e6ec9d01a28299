package source

import (
	"slices"
	"strconv"
	"testing"
)

// TestDistinct: each name once, in the order met, however many; a search through
// all names for each of a million would take hours.
func TestDistinct(t *testing.T) {
	for _, n := range []int{0, 1, fewFiles, fewFiles + 1, 200_000} {
		want := []string{"described", "too"}
		touched := func(yield func(string) bool) {
			for i := range n {
				for _, name := range []string{"too", strconv.Itoa(i), "described", strconv.Itoa(i / 2)} {
					if !yield(name) {
						return
					}
				}
			}
		}
		for i := range n {
			want = append(want, strconv.Itoa(i))
		}
		if got := distinct([]string{"described", "too"}, touched, maxTouched); !slices.Equal(got, want) {
			t.Errorf("%d: %d names, expected %d", n, len(got), len(want))
		}
	}
	endless := func(yield func(string) bool) {
		for i := 0; yield(strconv.Itoa(i)); i++ {
		}
	}
	if got := len(distinct(nil, endless, 1000)); got != 1001 {
		t.Errorf("of endless names %d were taken", got)
	}
}
