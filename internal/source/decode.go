package source

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/tinylib/msgp/msgp"
	"github.com/zeebo/xxh3"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// reader takes values off a record; after the first error it gives zeros.
type reader struct {
	b   []byte
	err error
}

func take[T any](r *reader, read func([]byte) (T, []byte, error)) T {
	var none T
	if r.err != nil {
		return none
	}
	v, rest, err := read(r.b)
	if err != nil {
		r.err = err
		return none
	}
	r.b = rest
	return v
}

func (r *reader) text() string  { return take(r, msgp.ReadStringBytes) }
func (r *reader) int64() int64  { return take(r, msgp.ReadInt64Bytes) }
func (r *reader) flag() bool    { return take(r, msgp.ReadBoolBytes) }
func (r *reader) plain() any    { return take(r, msgp.ReadIntfBytes) }
func (r *reader) bytes() []byte { return bytes.Clone(take(r, msgp.ReadBytesZC)) }

// count reads the length of a list, which is no longer than what is left.
func (r *reader) count() int {
	n := take(r, msgp.ReadArrayHeaderBytes)
	if r.err == nil && int64(n) > int64(len(r.b)) {
		r.err = fmt.Errorf("a list of %d in %d bytes: %w", n, len(r.b), errdef.ErrUnprocessable)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

func (r *reader) ints() []int64 {
	if r.err == nil && len(r.b) > 0 && msgp.IsNil(r.b) {
		r.b = r.b[1:]
		return nil
	}
	out := make([]int64, r.count())
	for i := range out {
		out[i] = r.int64()
	}
	return out
}

// remembered is an error about files that was met before.
type remembered struct {
	text string
	kind error
}

func (e *remembered) Error() string { return e.text }
func (e *remembered) Unwrap() error { return e.kind }

// decode is the reverse of [encode]. Whatever is wrong with the value is an
// error, nothing is allocated on its word before its checksum was seen.
func decode(value []byte, n *Node) (*record, error) {
	if len(value) < 8 || binary.LittleEndian.Uint64(value) != xxh3.Hash(value[8:]) {
		return nil, fmt.Errorf("state: a record is damaged: %w", errdef.ErrUnprocessable)
	}
	r := &reader{b: value[8:]}
	if v := r.int64(); v != recordVersion {
		return nil, fmt.Errorf("state: a record of version %d: %w", v, errdef.ErrUnsupported)
	}
	out := &record{key: n.key, trusted: true, size: 2*int64(len(value)) + 1024}
	kind, text := r.int64(), r.text()
	if known := sentinels(); kind >= 0 && kind < int64(len(known)) {
		out.err = &remembered{text: text, kind: known[kind]}
	}
	out.files = make([]adapter.Dependency, r.count())
	for i := range out.files {
		out.files[i].Name = string(r.bytes())
		s := &out.files[i].Stamp
		s.Inode = take(r, msgp.ReadUint64Bytes)
		s.Size, s.Mtime, s.Ctime, s.Absent = r.int64(), r.int64(), r.int64(), r.flag()
	}
	if out.err == nil {
		out.d = r.description()
		out.d.Files = out.files
	}
	if r.err != nil {
		return nil, fmt.Errorf("state: a record: %w: %w", r.err, errdef.ErrUnprocessable)
	}
	return out.finished(n), nil
}

func (r *reader) description() *adapter.Description {
	d := &adapter.Description{Family: structure.Family(r.text())}
	if array := r.bytes(); len(array) > 0 && r.err == nil {
		d.Array = &structure.Array{}
		r.err = json.Unmarshal(array, d.Array)
	}
	d.Grid = ndslice.Grid{Shape: r.ints(), Block: r.ints()}
	schema, parts := r.bytes(), r.int64()
	if len(schema) > 0 && r.err == nil {
		d.Table = &structure.Table{NPartitions: int(parts)}
		d.Table.Schema, r.err = structure.ParseSchemaMessage(schema)
	}
	if n := r.count(); n > 0 {
		d.Partitions = make([]adapter.Partition, n)
	}
	for i := range d.Partitions {
		d.Partitions[i] = adapter.Partition{Rows: r.int64(), ColumnBytes: r.ints()}
	}
	if n := r.count(); n > 0 {
		d.Keys = make([]string, n)
	}
	for i := range d.Keys {
		d.Keys[i] = r.text()
	}
	d.Inline = r.flag()
	metadata, _ := r.plain().(map[string]any)
	d.Metadata = inUTC(metadata)
	if n := r.count(); n > 0 {
		d.Specs = make([]structure.Spec, n)
	}
	for i := range d.Specs {
		d.Specs[i] = structure.Spec{Name: r.text(), Version: r.text()}
	}
	d.MediaType, d.AppendOnly, d.InPlace, d.Notes = r.text(), r.flag(), r.flag(), r.bytes()
	return d
}
