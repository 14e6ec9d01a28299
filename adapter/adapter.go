// Package adapter says what a data source must be able to do. It holds
// interfaces and plain values only; it reads nothing itself.
//
// # Two ways to be a source
//
// Whoever brings a file format implements [Format]: it looks into files that a
// [Source] hands it, and never sees a path, a version or a cache. The server
// makes an [Adapter] of it. Whoever has something else to serve (a computed
// array, a process, a remote service) implements [Adapter] itself, with the
// one of [Array], [Table] or [Container] that fits.
//
// # Versions
//
// Every answer has one [Version], asked for before anything is read and given
// to every read after it. A read that finds the source in another state says
// errdef.ErrChanged, and whoever asked starts again. So no body is ever made
// of two states of a file.
package adapter

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/ndslice"
)

// Adapter is the least that can be served: a thing that describes itself.
//
// Implementations are safe for concurrent use.
type Adapter interface {
	// Describe says what the source is now, and the version of its
	// structure. The description is shared and must not be written to. It is
	// remembered by whoever makes it: asking again while nothing changed
	// costs a look at the files' stamps, and never reads data.
	//
	// Errors: errdef.ErrNotFound when it has vanished, ErrUnprocessable for
	// damaged files, ErrUnsupported for what this installation cannot read,
	// ErrForbidden for what lies outside the wall, ErrUnavailable for what
	// may be there later.
	Describe(ctx context.Context) (*Description, Version, error)
}

// Array is an adapter whose description has an Array structure and a Grid.
type Array interface {
	Adapter
	// Version pins the state of what sel touches. d is a description that
	// Describe gave; if it no longer holds the error is errdef.ErrChanged.
	// sel is normalised against d's shape. Nothing is read.
	Version(ctx context.Context, d *Description, sel ndslice.Selection) (Version, error)
	// BlockID names the state of one block of the grid within the pinned v.
	// Equal names mean equal bytes. It does no I/O and is part of the key
	// under which a block is cached.
	BlockID(v Version, block []int64) BlockID
	// ReadBlock reads one block of the grid, touched by the selection that v
	// was pinned for. Errors are those of Describe, or errdef.ErrChanged
	// when the source was seen not to be v before or after the read.
	ReadBlock(ctx context.Context, v Version, block []int64) (Block, error)
}

// Table is an adapter whose description has a Table structure and Partitions.
type Table interface {
	Adapter
	// Version pins the state of what the partitions are read from.
	// Otherwise as in [Array].
	Version(ctx context.Context, d *Description, partitions []int) (Version, error)
	// PartitionID names the state of one partition within the pinned v.
	PartitionID(v Version, partition int) BlockID
	// ReadColumns reads columns, named by their index in the schema, of one
	// partition, in the order asked for. All have the same length. An empty
	// list of columns is allowed and gives none.
	ReadColumns(ctx context.Context, v Version, partition int, columns []int) (Columns, error)
}

// Container is an adapter with members.
type Container interface {
	Adapter
	// Child returns a member without looking into it. Errors:
	// errdef.ErrNotFound when there is none with that key.
	Child(ctx context.Context, key string) (Adapter, error)
}

// Block is one block of an array's grid. Its bytes are immutable: whoever gets
// a block may read and keep it, and never writes to it.
type Block struct {
	// Data are the elements in C order, without padding, in the byte order
	// that the structure's data type says.
	Data []byte
	// Shape is that of the grid's block, shorter at the end of an axis.
	Shape []int64
	Cost  Cost
}

// Columns are columns of one partition. They are immutable, in memory of the
// garbage collector: nobody needs to Release them.
type Columns struct {
	Arrays []arrow.Array
	Rows   int64
	Cost   Cost
}

// Cost is what one read took, without queues and locks.
type Cost struct {
	// Wait is time spent waiting for the disk or the network.
	Wait time.Duration
	// CPU is time spent in decoding.
	CPU time.Duration
	// Bytes were read from the source; Opens files were opened for it.
	Bytes, Opens int64
}

// Add returns the sum of both.
func (c Cost) Add(o Cost) Cost {
	return Cost{Wait: c.Wait + o.Wait, CPU: c.CPU + o.CPU, Bytes: c.Bytes + o.Bytes, Opens: c.Opens + o.Opens}
}

// ID is a digest that names one state of something.
type ID [16]byte

// BlockID names one state of one block, or of one partition.
type BlockID struct {
	ID ID
	// Trusted is false while the files behind it may still be changing:
	// what is read then is given to those who asked and kept by nobody.
	Trusted bool
}

// Version is one state of a source, as far as one request touches it.
type Version struct {
	// ID names the state: it is the version's part of an ETag.
	ID ID
	// Trusted is false while a file behind it may still be changing, by
	// which its stamp does not tell one state from the next.
	Trusted bool
	// Modified is the newest change known of, or zero.
	Modified time.Time
	// Pin is whatever the adapter needs to recognise the state again. It
	// means nothing to anyone else.
	Pin any
}

// As finds an ability in a stack of decorators: it returns a itself if it is a
// T, else the first T found by unwrapping it.
func As[T any](a Adapter) (T, bool) {
	for a != nil {
		if t, ok := a.(T); ok {
			return t, true
		}
		u, ok := a.(interface{ Unwrap() Adapter })
		if !ok {
			break
		}
		a = u.Unwrap()
	}
	var none T
	return none, false
}
