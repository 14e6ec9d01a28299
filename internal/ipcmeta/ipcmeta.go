// Package ipcmeta looks at the metadata of the Arrow IPC format, which are
// flatbuffers, before anything is made of them.
//
// A flatbuffer is a graph: many references may lead to one table, and tables
// may be nested without end. What the Arrow library makes of some hundred
// bytes can therefore be larger than any memory, or its recursion deeper than
// any stack, which ends a Go program. The functions here walk such a graph
// within fixed bounds and return what a reader of batches needs.
//
// They never panic: flatbuffers are read with bounds checks, and what fails
// one is caught in one place ([guard]) and becomes errdef.ErrUnprocessable,
// like everything else that is wrong.
package ipcmeta

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	maxFields = 1 << 17
	maxDepth  = 64
	// maxText bounds the names and metadata of a schema, in bytes.
	maxText = 32 << 20
)

// Kind says what an encapsulated message holds.
type Kind uint8

// The messages that tables are made of, by their number in Message.fbs.
const (
	KindSchema     Kind = 1
	KindDictionary Kind = 2
	KindBatch      Kind = 3
)

// Span is a piece of bytes: Offset within a file or a body, and Length.
type Span struct{ Offset, Length int64 }

// Node is a field of a batch.
type Node struct{ Length, Nulls int64 }

// Block is where a message stands in a file: Meta bytes at Offset, and Body
// bytes behind them.
type Block struct{ Offset, Meta, Body int64 }

// Batch is a record batch, or the values of a dictionary.
type Batch struct {
	// Dictionary is the id of a dictionary, and Delta says that it adds to
	// what came before; both belong to KindDictionary.
	Dictionary int64
	Delta      bool
	Rows       int64
	// Nodes and Buffers are in the order of the fields, depth first. Spans
	// are relative to the body, and lie within it.
	Nodes   []Node
	Buffers []Span
	// Codec of compressed buffers: "", "lz4" or "zstd".
	Codec string
	// Variadic counts the data buffers of each view field.
	Variadic []int64
}

// Message is the metadata of one encapsulated message.
type Message struct {
	Kind Kind
	Body int64 // its length
	// Batch belongs to KindBatch and KindDictionary.
	Batch *Batch
	// Dictionaries belongs to KindSchema: the ids of the dictionary-encoded
	// fields, depth first.
	Dictionaries []int64
}

// Parse reads the flatbuffer of a message. What breaks a bound, or is no such
// message, is errdef.ErrUnprocessable; a codec that is not known, and data of
// the other byte order, are errdef.ErrUnsupported.
func Parse(metadata []byte) (m Message, err error) {
	defer guard(&err)
	t, err := root(metadata)
	if err != nil {
		return Message{}, err
	}
	m = Message{Kind: Kind(t.GetByteSlot(slot(1), 0)), Body: t.GetInt64Slot(slot(3), 0)}
	header, ok := child(t, 2)
	if !ok || m.Body < 0 {
		return Message{}, invalid("a message without a header")
	}
	switch m.Kind {
	case KindSchema:
		m.Dictionaries, err = schema(header)
	case KindBatch:
		m.Batch, err = batch(header, m.Body)
	case KindDictionary:
		data, ok := child(header, 1)
		if !ok {
			return Message{}, invalid("a dictionary without values")
		}
		if m.Batch, err = batch(data, m.Body); err != nil {
			return Message{}, err
		}
		m.Batch.Dictionary = header.GetInt64Slot(slot(0), 0)
		m.Batch.Delta = header.GetBoolSlot(slot(2), false)
	default:
		return Message{}, invalid(fmt.Sprintf("a message of kind %d", m.Kind))
	}
	return m, err
}

// Footer reads the flatbuffer at the end of a file: where its dictionaries
// and batches stand. Errors as [Parse]; that blocks lie within the file is for
// the caller to check.
func Footer(footer []byte) (dictionaries, batches []Block, err error) {
	defer guard(&err)
	t, err := root(footer)
	if err != nil {
		return nil, nil, err
	}
	if dictionaries, err = blocks(t, 2); err != nil {
		return nil, nil, err
	}
	batches, err = blocks(t, 3)
	return dictionaries, batches, err
}

// guard turns a failed bounds check into an error.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = invalid("it leads out of its bounds")
	}
}

func invalid(why string) error {
	return fmt.Errorf("arrow metadata: %s: %w", why, errdef.ErrUnprocessable)
}

func root(data []byte) (flatbuffers.Table, error) {
	if len(data) < 8 {
		return flatbuffers.Table{}, invalid("cut off")
	}
	return flatbuffers.Table{Bytes: data, Pos: flatbuffers.GetUOffsetT(data)}, nil
}

// slot is the place of a field in the table's directory.
func slot(field int) flatbuffers.VOffsetT { return flatbuffers.VOffsetT(4 + 2*field) }

func child(t flatbuffers.Table, field int) (flatbuffers.Table, bool) {
	at := t.Offset(slot(field))
	if at == 0 {
		return flatbuffers.Table{}, false
	}
	return flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(t.Pos + flatbuffers.UOffsetT(at))}, true
}

// vector returns the first element and the number of elements of size bytes.
func vector(t flatbuffers.Table, field, size int) (at flatbuffers.UOffsetT, n int, err error) {
	o := t.Offset(slot(field))
	if o == 0 {
		return 0, 0, nil
	}
	at, n = t.Vector(flatbuffers.UOffsetT(o)), t.VectorLen(flatbuffers.UOffsetT(o))
	if n < 0 || int64(at)+int64(n)*int64(size) > int64(len(t.Bytes)) {
		return 0, 0, invalid("a list is longer than what holds it")
	}
	return at, n, nil
}

func blocks(t flatbuffers.Table, field int) ([]Block, error) {
	at, n, err := vector(t, field, 24)
	if err != nil {
		return nil, err
	}
	out := make([]Block, n)
	for i := range out {
		p := at + flatbuffers.UOffsetT(24*i)
		out[i] = Block{Offset: t.GetInt64(p), Meta: int64(t.GetInt32(p + 8)), Body: t.GetInt64(p + 16)}
	}
	return out, nil
}

func batch(t flatbuffers.Table, body int64) (*Batch, error) {
	b := &Batch{Rows: t.GetInt64Slot(slot(0), 0)}
	at, n, err := vector(t, 1, 16)
	if err != nil {
		return nil, err
	}
	b.Nodes = make([]Node, n)
	for i := range b.Nodes {
		p := at + flatbuffers.UOffsetT(16*i)
		b.Nodes[i] = Node{Length: t.GetInt64(p), Nulls: t.GetInt64(p + 8)}
		if b.Nodes[i].Length < 0 || b.Nodes[i].Nulls < 0 || b.Nodes[i].Nulls > b.Nodes[i].Length {
			return nil, invalid("a field of a negative length")
		}
	}
	if at, n, err = vector(t, 2, 16); err != nil {
		return nil, err
	}
	b.Buffers = make([]Span, n)
	for i := range b.Buffers {
		p := at + flatbuffers.UOffsetT(16*i)
		s := Span{Offset: t.GetInt64(p), Length: t.GetInt64(p + 8)}
		if s.Offset < 0 || s.Length < 0 || s.Offset > body || s.Length > body-s.Offset {
			return nil, invalid("a buffer lies outside of its body")
		}
		b.Buffers[i] = s
	}
	if b.Rows < 0 {
		return nil, invalid("a negative number of rows")
	}
	return b, b.more(t)
}

func (b *Batch) more(t flatbuffers.Table) error {
	if compression, ok := child(t, 3); ok {
		codec := compression.GetInt8Slot(slot(0), 0)
		if codec < 0 || codec > 1 || compression.GetInt8Slot(slot(1), 0) != 0 {
			return fmt.Errorf("arrow metadata: compression %d is not known: %w", codec, errdef.ErrUnsupported)
		}
		b.Codec = [...]string{"lz4", "zstd"}[codec]
	}
	at, n, err := vector(t, 4, 8)
	if err != nil {
		return err
	}
	b.Variadic = make([]int64, n)
	for i := range b.Variadic {
		b.Variadic[i] = t.GetInt64(at + flatbuffers.UOffsetT(8*i))
	}
	return nil
}
