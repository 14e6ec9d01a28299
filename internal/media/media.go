// Package media turns arrays, tables and containers into the bytes of a media
// type, and decides from the request which one that is.
//
// Every [Encoder] works in bounded memory: it takes the data piece by piece
// from the [Payload] and writes as it goes. What it can refuse or know before
// data are read it says in Plan. The [Registry] holds them by structure family
// and spec; [New] builds the one that this program has.
//
// # Adding a media type
//
// Write one file like table_jsonseq.go, and add a row to the table in
// formats.go. Where the bytes for equal data change later, raise what Version
// returns: it is part of every ETag.
package media

import (
	"context"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/structure"
)

// Encoder writes one structure family, or one spec, as one media type.
//
// Encoders hold no state and are safe for concurrent use. They are given the
// member of the Payload that belongs to the key they are registered under.
type Encoder interface {
	// Version is raised whenever equal data would give other bytes than
	// before. It belongs into the ETag.
	Version() int
	// Plan says, before any data are read, how many bytes the body will
	// have, or -1 where that depends on the data. Data that this media type
	// cannot hold are errdef.ErrNotAcceptable. It reads nothing.
	Plan(p Payload) (size int64, err error)
	// Encode writes the body. It stops at the first error of the data, of w
	// and of ctx and returns it; what was written until then is no body and
	// must not look like one to the client. Data that turn out to be other
	// than the payload says are errdef.ErrUnprocessable.
	Encode(ctx context.Context, w io.Writer, p Payload) error
}

// Payload is what is encoded: one of the three is set.
type Payload struct {
	Array     *Array
	Table     *Table
	Container *Container
	// Params are the parameters of the media type, such as header=absent.
	Params map[string]string
}

// Array is an array to be encoded.
type Array struct {
	Type structure.DType
	// Shape is that of the result, without dropped axes.
	Shape []int64
	// Data yields the elements in C order, a whole number of them at a time,
	// in the byte order of Type. The bytes are only read, and only until the
	// next are asked for. After an error it yields nothing more.
	//
	// It may be called again, and then starts again: image/png goes through
	// the data three times. Who can hold them cheaply does.
	Data iter.Seq2[[]byte, error]
}

// Table is a table to be encoded.
type Table struct {
	// Schema holds the columns in the order in which they are wanted.
	Schema *arrow.Schema
	// Rows is how many there will be, or -1 if nobody knows.
	Rows int64
	// Batches yields the rows in order. columns are indices into Schema, of
	// the columns that the batches shall have; nil is all of them. The
	// batches are in memory of the garbage collector, and nobody releases
	// them. After an error it yields nothing more.
	//
	// It may be called again, and then starts again: application/json goes
	// column by column through tables that are too large to hold, Arrow files
	// go through dictionary columns beforehand to find all of their values.
	Batches func(columns []int) iter.Seq2[arrow.RecordBatch, error]
}

// Container is a container to be encoded with everything below it.
type Container struct {
	// Metadata are plain values as in adapter.Description.
	Metadata map[string]any
	// Members yields what is in it; nil for what has no members. Members
	// that the asker may not see, and broken links, are not yielded.
	Members iter.Seq2[Member, error]
	// Array is what the node is, if it is an array, Dims names its axes, or is
	// nil, and Specs are the node's. They are set for encoders that write data,
	// see [TakesData].
	Array *Array
	Dims  []string
	Specs []structure.Spec
}

// TakesData says whether an encoder of containers wants the arrays in them.
func TakesData(e Encoder) bool {
	_, ok := e.(containerHDF5)
	return ok
}

// Member is one member of a container: an array, a column, a container.
type Member struct {
	Key string
	Container
}
