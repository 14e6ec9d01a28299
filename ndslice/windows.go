package ndslice

import "iter"

// Windows cuts the result into consecutive pieces of at most maxBytes each,
// the bytes of which, one after the other, are the bytes of the result in C
// order. Each window is a selection of the same array, and of the same number
// of axes, as s. A result without elements has no window.
//
// The cut goes along the first axis that has to be cut: the axes before it
// have one element per window, those behind it are whole. It falls on a border
// between blocks of g whenever a border lies in reach, so that no block lies
// in two windows unless a row of blocks is larger than maxBytes. A window has
// at least one element, even if that one is larger than maxBytes.
func (s Selection) Windows(itemSize, maxBytes int64, g Grid) iter.Seq[Selection] {
	return func(yield func(Selection) bool) {
		if s.Len() == 0 {
			return
		}
		cut, rows := s.cut(itemSize, maxBytes)
		if cut < 0 {
			yield(s)
			return
		}
		wheel := make([]int64, cut)
		for {
			for at := int64(0); at < s[cut].Count; {
				end := s[cut].end(at, rows, g.Block[cut])
				if !yield(s.window(wheel, cut, at, end)) {
					return
				}
				at = end
			}
			level := cut - 1
			for ; level >= 0; level-- {
				if wheel[level]++; wheel[level] < s[level].Count {
					break
				}
				wheel[level] = 0
			}
			if level < 0 {
				return
			}
		}
	}
}

// cut finds the axis to cut along, and how many elements of it, with all of
// the axes behind it, fit into a window; -1 if all fits into one.
func (s Selection) cut(itemSize, maxBytes int64) (axis int, rows int64) {
	row := max(itemSize, 1)
	for i := len(s) - 1; i >= 0; i-- {
		whole := mul(row, s[i].Count)
		if whole > maxBytes {
			return i, max(maxBytes/row, 1)
		}
		row = whole
	}
	return -1, 0
}

// end is where a window that begins with element at ends: after rows elements
// at most, on a border between blocks of the extent if there is one.
func (a Axis) end(at, rows, extent int64) int64 {
	if rows >= a.Count-at {
		return a.Count
	}
	end := at + rows
	// The first element that lies in the block of the first one left out.
	block := (a.Start + end*a.Step) / extent
	if border := a.enters(block, extent); border > at {
		return border
	}
	return end
}

// window is elements wheel of the axes before cut, [at, end) of that axis and
// all of the others.
func (s Selection) window(wheel []int64, cut int, at, end int64) Selection {
	window := make(Selection, len(s))
	copy(window, s)
	for i, first := range wheel {
		window[i] = s[i].sub(first, 1)
	}
	window[cut] = s[cut].sub(at, end-at)
	return window
}
