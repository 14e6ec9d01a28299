package ipcmeta

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// walk is one walk over a schema, with what may still be spent on it.
type walk struct {
	fields, text int
	dictionaries []int64
}

func schema(t flatbuffers.Table) ([]int64, error) {
	if t.GetInt16Slot(slot(0), 0) != 0 {
		return nil, fmt.Errorf("arrow metadata: big-endian data: %w", errdef.ErrUnsupported)
	}
	w := &walk{fields: maxFields, text: maxText}
	if err := w.metadata(t, 2); err != nil {
		return nil, err
	}
	if err := w.children(t, 1, 0); err != nil {
		return nil, err
	}
	return w.dictionaries, nil
}

func (w *walk) children(t flatbuffers.Table, field, depth int) error {
	at, n, err := vector(t, field, 4)
	if err != nil {
		return err
	}
	if w.fields -= n; w.fields < 0 {
		return invalid(fmt.Sprintf("more than %d fields", maxFields))
	}
	if depth > maxDepth {
		return invalid(fmt.Sprintf("fields are nested more than %d deep", maxDepth))
	}
	for i := range n {
		f := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at + flatbuffers.UOffsetT(4*i))}
		if err := w.field(f, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) field(f flatbuffers.Table, depth int) error {
	if err := w.string(f, 0); err != nil {
		return err
	}
	// Time zones are the only text in a type; in other types the slot holds
	// something that is no reference.
	const timestamp = 10
	if kind, ok := child(f, 3); ok && f.GetByteSlot(slot(2), 0) == timestamp {
		if err := w.string(kind, 1); err != nil {
			return err
		}
	}
	if dictionary, ok := child(f, 4); ok {
		w.dictionaries = append(w.dictionaries, dictionary.GetInt64Slot(slot(0), 0))
	}
	if err := w.metadata(f, 6); err != nil {
		return err
	}
	return w.children(f, 5, depth+1)
}

func (w *walk) metadata(t flatbuffers.Table, field int) error {
	at, n, err := vector(t, field, 4)
	if err != nil {
		return err
	}
	for i := range n {
		if w.text -= 8; w.text < 0 {
			return invalid("too many metadata")
		}
		pair := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at + flatbuffers.UOffsetT(4*i))}
		for part := range 2 {
			if err := w.string(pair, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// string counts the bytes of a text. It may be referred to many times, and is
// copied each time.
func (w *walk) string(t flatbuffers.Table, field int) error {
	_, n, err := vector(t, field, 1)
	if err != nil {
		return err
	}
	if w.text -= n; w.text < 0 {
		return invalid(fmt.Sprintf("names and metadata of more than %d bytes", maxText))
	}
	return nil
}
