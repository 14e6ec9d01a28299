package source

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/tinylib/msgp/msgp"
	"github.com/zeebo/xxh3"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/structure"
)

// recordVersion is raised when the form of records changes.
const recordVersion = 2

// encode writes a record as it is kept on disk: a checksum, then MessagePack.
// A uint64 that fits comes back as an int64, times come back in UTC; both look
// the same on the wire.
func encode(r *record) []byte {
	b := make([]byte, 8, 512)
	b = msgp.AppendInt(b, recordVersion)
	kind, text := -1, ""
	if r.err != nil {
		kind, text = kindOf(r.err), r.err.Error()
	}
	b = msgp.AppendInt(b, kind)
	b = msgp.AppendString(b, text)
	b = msgp.AppendArrayHeader(b, uint32(len(r.files)))
	for _, f := range r.files {
		b = msgp.AppendBytes(b, []byte(f.Name))
		b = msgp.AppendUint64(b, f.Stamp.Inode)
		b = msgp.AppendInt64(b, f.Stamp.Size)
		b = msgp.AppendInt64(b, f.Stamp.Mtime)
		b = msgp.AppendInt64(b, f.Stamp.Ctime)
		b = msgp.AppendBool(b, f.Stamp.Absent)
	}
	if r.d != nil {
		b = appendDescription(b, r.d)
	}
	binary.LittleEndian.PutUint64(b, xxh3.Hash(b[8:]))
	return b
}

func kindOf(err error) int {
	for i, kind := range sentinels() {
		if errors.Is(err, kind) {
			return i
		}
	}
	return 0
}

func appendDescription(b []byte, d *adapter.Description) []byte {
	var array, schema []byte
	parts := 0
	if d.Array != nil {
		array, _ = json.Marshal(d.Array) // plain numbers and texts
	}
	if d.Table != nil {
		schema, parts = structure.SchemaMessage(d.Table.Schema), d.Table.NPartitions
	}
	b = msgp.AppendString(b, string(d.Family))
	b = msgp.AppendBytes(b, array)
	b = appendInts(b, d.Grid.Shape)
	b = appendInts(b, d.Grid.Block)
	b = msgp.AppendBytes(b, schema)
	b = msgp.AppendInt(b, parts)
	b = msgp.AppendArrayHeader(b, uint32(len(d.Partitions)))
	for _, p := range d.Partitions {
		b = msgp.AppendInt64(b, p.Rows)
		b = appendInts(b, p.ColumnBytes)
	}
	b = msgp.AppendArrayHeader(b, uint32(len(d.Keys)))
	for _, k := range d.Keys {
		b = msgp.AppendString(b, k)
	}
	b = msgp.AppendBool(b, d.Inline)
	b = appendPlain(b, d.Metadata)
	b = msgp.AppendArrayHeader(b, uint32(len(d.Specs)))
	for _, s := range d.Specs {
		b = msgp.AppendString(b, s.Name)
		b = msgp.AppendString(b, s.Version)
	}
	b = msgp.AppendString(b, d.MediaType)
	b = msgp.AppendBool(b, d.AppendOnly)
	b = msgp.AppendBool(b, d.InPlace)
	return msgp.AppendBytes(b, d.Notes)
}

// appendInts tells nil from empty: a nil list is a nil.
func appendInts(b []byte, values []int64) []byte {
	if values == nil {
		return msgp.AppendNil(b)
	}
	b = msgp.AppendArrayHeader(b, uint32(len(values)))
	for _, v := range values {
		b = msgp.AppendInt64(b, v)
	}
	return b
}

func appendPlain(b []byte, value any) []byte {
	switch v := value.(type) {
	case map[string]any:
		b = msgp.AppendMapHeader(b, uint32(len(v)))
		for k, e := range v {
			b = appendPlain(msgp.AppendString(b, k), e)
		}
		return b
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(v)))
		for _, e := range v {
			b = appendPlain(b, e)
		}
		return b
	}
	out, err := msgp.AppendIntf(b, value)
	if err != nil {
		return msgp.AppendNil(b) // no plain value: the vocabulary forbids it
	}
	return out
}

// inUTC puts the times in metadata into UTC, in which they are remembered.
func inUTC(metadata map[string]any) map[string]any {
	if metadata == nil {
		return map[string]any{}
	}
	out, _ := utc(metadata).(map[string]any)
	return out
}

func utc(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UTC()
	case []any:
		for i := range v {
			v[i] = utc(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = utc(v[k])
		}
	}
	return value
}
