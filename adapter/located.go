package adapter

import "github.com/terrazzo-data/terrazzo/ndslice"

// Extent is a run of bytes in a file, by its name in the source. An empty name
// stands for bytes that are all zero.
type Extent struct {
	Name           string
	Offset, Length int64
}

// Mapped is an [ArrayReader] whose elements lie in files as they are: in C
// order, in the byte order of the structure, not encoded. Whoever can read the
// files need not ask the reader for blocks.
type Mapped interface {
	ArrayReader
	// Extents are the array's bytes, in order, or none if they do not lie so.
	// It does no I/O.
	Extents() []Extent
}

// Part says which elements of an array come from a file.
type Part struct {
	Name string
	// Start and Stop bound a box along each axis of the array.
	Start, Stop []int64
}

// Parted is an [ArrayReader] that can say in a form that can be sent what
// Touches says in a method.
type Parted interface {
	ArrayReader
	// Parts are the files of which only a part of the array needs each; what
	// else the description depends on is touched by every read.
	Parts() []Part
}

// Meets says whether the selection takes anything of the box.
func (p Part) Meets(sel ndslice.Selection) bool {
	if len(p.Start) != len(sel) || len(p.Stop) != len(sel) {
		return true
	}
	for i, axis := range sel {
		if axis.Count == 0 || p.Start[i] >= p.Stop[i] {
			return false
		}
		low, step := axis.Start, axis.Step
		if step < 0 {
			low, step = axis.Start+(axis.Count-1)*axis.Step, -step
		}
		// The first place at or behind the start of the box.
		k := int64(0)
		if p.Start[i] > low {
			k = (p.Start[i]-low-1)/step + 1
		}
		if k >= axis.Count || low+k*step >= p.Stop[i] {
			return false
		}
	}
	return true
}
