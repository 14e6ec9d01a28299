package adapter

import (
	"sync"

	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Description is what a source says of itself, once per version: its
// structure, its metadata, how it is best read, and every file behind that.
// It is immutable once it was returned.
type Description struct {
	Family structure.Family
	// Array belongs to FamilyArray (and, with its coordinates, to sparse).
	Array *structure.Array
	// Grid is the adapter's own regular grid of blocks, in which an array is
	// read and cached. 0.25 to 8 MiB a block is the aim. Its Shape is the
	// array's.
	Grid ndslice.Grid
	// Table and Partitions belong to FamilyTable; one partition each for
	// Table.NPartitions.
	Table      *structure.Table
	Partitions []Partition
	// Keys are the members of a container inside files, in their order.
	Keys []string
	// Inline says that a container is small and is best sent with its members.
	Inline bool

	// Metadata holds plain values only: nil, bool, int64, uint64, float64,
	// string, []byte, time.Time, []any and map[string]any of these.
	Metadata map[string]any
	Specs    []structure.Spec
	// MediaType is that of the files behind it, such as "application/x-zarr".
	MediaType string
	// AppendOnly says that what lies below the last extent never changes.
	AppendOnly bool
	// InPlace says, of what is append-only, that files may be written to
	// without becoming longer while it grows (HDF5 in SWMR mode).
	InPlace bool

	// Files are all that was opened, listed or found absent to learn the
	// above, with the stamps they had. Whoever calls a [Format] fills it in.
	Files []Dependency
	// Notes are the format's own, kept beside the description so that
	// opening need not read again what describing learnt (offsets of
	// partitions, parsed headers). At most a few MiB.
	Notes []byte

	live     sync.Once
	liveWhat any
	liveErr  error
}

// Partition is one partition of a table.
type Partition struct {
	Rows int64
	// ColumnBytes is the size of each column in memory, in the schema's
	// order, as well as it can be known without reading; nil if it cannot.
	ColumnBytes []int64
}

// Dependency is a file that a description depends on.
type Dependency struct {
	Name  string
	Stamp Stamp
}

// Live returns what open made of the description the first time, such as the
// parsed form of Notes. All later calls get the same value or error. It is for
// the format that made d, and must be safe for concurrent use.
func (d *Description) Live(open func() (any, error)) (any, error) {
	d.live.Do(func() { d.liveWhat, d.liveErr = open() })
	return d.liveWhat, d.liveErr
}
