package ipcmeta_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
)

// stream is a small table with a dictionary and a nested column.
func stream(tb testing.TB) []byte {
	tb.Helper()
	list := arrow.ListOf(arrow.PrimitiveTypes.Int32)
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	metadata := arrow.NewMetadata([]string{"k"}, []string{"v"})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "l", Type: list, Nullable: true}, {Name: "d", Type: dictionary}, {Name: "t", Type: arrow.FixedWidthTypes.Timestamp_ns},
	}, &metadata)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	l := b.Field(0).(*array.ListBuilder)
	l.Append(true)
	l.ValueBuilder().(*array.Int32Builder).AppendValues([]int32{1, 2}, nil)
	l.AppendNull()
	if err := b.Field(1).(*array.BinaryDictionaryBuilder).AppendString("x"); err != nil {
		tb.Fatal(err)
	}
	b.Field(1).AppendNull()
	b.Field(2).AppendNull()
	b.Field(2).AppendNull()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema), ipc.WithZstd())
	if err := w.Write(b.NewRecordBatch()); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// messages are the flatbuffers of a stream.
func messages(tb testing.TB, data []byte) (out [][]byte) {
	tb.Helper()
	for {
		size, metadata, err := ipcmeta.Prefix(data)
		if err != nil {
			tb.Fatal(err)
		}
		if metadata == 0 {
			return out
		}
		out = append(out, data[size:size+metadata])
		m, err := ipcmeta.Parse(data[size : size+metadata])
		if err != nil {
			tb.Fatal(err)
		}
		data = data[size+metadata+m.Body:]
	}
}

func TestParse(t *testing.T) {
	data := stream(t)
	var kinds []ipcmeta.Kind
	for _, metadata := range messages(t, data) {
		m, err := ipcmeta.Parse(metadata)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, m.Kind)
		if m.Kind == ipcmeta.KindSchema {
			if len(m.Dictionaries) != 1 || m.Body != 0 {
				t.Errorf("schema %+v", m)
			}
		}
		if m.Kind == ipcmeta.KindBatch {
			b := m.Batch
			want := []ipcmeta.Node{{Length: 2, Nulls: 1}, {Length: 2}, {Length: 2, Nulls: 1}, {Length: 2, Nulls: 2}}
			if b.Rows != 2 || !slices.Equal(b.Nodes, want) || len(b.Buffers) != 8 || b.Codec != "zstd" {
				t.Errorf("batch %+v", b)
			}
		}
	}
	if !slices.Equal(kinds, []ipcmeta.Kind{1, 2, 3}) {
		t.Errorf("messages %v", kinds)
	}
	if ids, err := ipcmeta.CheckSchema(data); err != nil || len(ids) != 1 {
		t.Errorf("schema: %v, %v", ids, err)
	}
}

// bomb builds a schema message. Each level has fields that all refer to the
// same table on the level below.
func bomb(levels, fields int, name string, pairs int) []byte {
	b := flatbuffers.NewBuilder(1024)
	text := b.CreateString(name)
	vector := func(refs []flatbuffers.UOffsetT) flatbuffers.UOffsetT {
		b.StartVector(4, len(refs), 4)
		for _, r := range refs {
			b.PrependUOffsetT(r)
		}
		return b.EndVector(len(refs))
	}
	b.StartObject(2)
	b.PrependUOffsetTSlot(0, text, 0)
	b.PrependUOffsetTSlot(1, text, 0)
	pair := b.EndObject()
	metadata := vector(slices.Repeat([]flatbuffers.UOffsetT{pair}, pairs))
	children := flatbuffers.UOffsetT(0)
	for range levels {
		b.StartObject(7)
		b.PrependUOffsetTSlot(0, text, 0)
		if children != 0 {
			b.PrependUOffsetTSlot(5, children, 0)
		}
		field := b.EndObject()
		children = vector(slices.Repeat([]flatbuffers.UOffsetT{field}, fields))
	}
	b.StartObject(4)
	b.PrependUOffsetTSlot(1, children, 0)
	b.PrependUOffsetTSlot(2, metadata, 0)
	schema := b.EndObject()
	b.StartObject(5)
	b.PrependByteSlot(1, 1, 0)
	b.PrependUOffsetTSlot(2, schema, 0)
	b.Finish(b.EndObject())
	data := b.FinishedBytes()
	head := binary.LittleEndian.AppendUint32([]byte{0xff, 0xff, 0xff, 0xff}, uint32(len(data)))
	return append(head, data...)
}

func TestBombs(t *testing.T) {
	if _, err := ipcmeta.CheckSchema(bomb(3, 3, "name", 2)); err != nil {
		t.Errorf("a small schema: %v", err)
	}
	for what, message := range map[string][]byte{
		"2^60 fields":             bomb(60, 2, "x", 0),
		"200 levels":              bomb(200, 1, "x", 0),
		"1000 names of 1 MB":      bomb(1, 1000, strings.Repeat("x", 1<<20), 0),
		"1000 metadata of 1 MB":   bomb(1, 1, strings.Repeat("x", 1<<20), 1000),
		"millions of empty pairs": bomb(1, 1, "", 4_500_000),
		"cut off":                 bomb(3, 3, "name", 2)[:60],
		"no message":              []byte("\xff\xff\xff\xff\x04\x00\x00\x00\x00\x00\x00\x00"),
		"a negative length":       []byte("\xff\xff\xff\xff\xff\xff\xff\xff"),
		"nothing":                 {},
		"a batch, not the schema": stream(t)[len(bomb(0, 0, "", 0)):],
	} {
		if _, err := ipcmeta.CheckSchema(message); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, metadata := range messages(f, stream(f)) {
		f.Add(metadata)
	}
	f.Add(bomb(3, 3, "name", 2)[8:])
	f.Add(bomb(60, 2, "x", 0)[8:])
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ipcmeta.Parse(data)
		if err != nil {
			if !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
				t.Fatal(err)
			}
		} else if m.Batch != nil && int64(len(m.Batch.Buffers)+len(m.Batch.Nodes))*16 > int64(len(data))*2 {
			t.Fatalf("%d buffers out of %d bytes", len(m.Batch.Buffers), len(data))
		}
		if _, _, err := ipcmeta.Footer(data); err != nil && !errors.Is(err, errdef.ErrUnprocessable) {
			t.Fatal(err)
		}
	})
}
