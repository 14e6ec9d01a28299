// Package structure says what data looks like without holding any of it:
// structure families, data types, shapes, chunks and specs, and the documents
// that describe them on the wire.
//
// The words are Tiled's. A document is made of plain values (nil, bool, int64,
// float64, string, []any, map[string]any) that any encoder of metadata can
// write.
package structure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
)

// Family is a structure family: what kind of thing a node is.
type Family string

// The structure families of the protocol.
const (
	FamilyArray     Family = "array"
	FamilyTable     Family = "table"
	FamilyContainer Family = "container"
	FamilySparse    Family = "sparse"
	FamilyAwkward   Family = "awkward"
	FamilyRagged    Family = "ragged"
	FamilyBytes     Family = "bytes"
)

// Spec names a convention that a node follows, such as "xarray_dataset".
type Spec struct {
	Name string `json:"name"`
	// Version is empty where the convention has none.
	Version string `json:"version,omitempty"`
}

// Document returns the spec as it stands on the wire.
func (s Spec) Document() map[string]any {
	doc := map[string]any{"name": s.Name, "version": nil}
	if s.Version != "" {
		doc["version"] = s.Version
	}
	return doc
}

// Array is the structure of an array.
type Array struct {
	DataType DType `json:"data_type"`
	// Shape has one extent for each axis; it is empty for a scalar.
	Shape []int64 `json:"shape"`
	// Chunks are those advertised to clients: for each axis the extents of
	// its chunks, which add up to the shape. They may be irregular, and are
	// not the block grid that data are read by.
	Chunks [][]int64 `json:"chunks"`
	// Dims names the axes, or is nil.
	Dims []string `json:"dims,omitzero"`
}

// Document returns the structure as it stands on the wire.
func (a *Array) Document() map[string]any {
	chunks := make([]any, len(a.Chunks))
	for i, axis := range a.Chunks {
		chunks[i] = integers(axis)
	}
	doc := map[string]any{
		"data_type": a.DataType.Document(),
		"shape":     integers(a.Shape),
		"chunks":    chunks,
		"dims":      nil,
		"resizable": false,
	}
	if a.Dims != nil {
		dims := make([]any, len(a.Dims))
		for i, d := range a.Dims {
			dims[i] = d
		}
		doc["dims"] = dims
	}
	return doc
}

// DataSize returns the bytes of an array of items of that many bytes each, and
// whether that is a number that int64 holds.
func DataSize(shape []int64, item int64) (int64, bool) {
	if slices.Contains(shape, 0) {
		return 0, true
	}
	size := item
	for _, n := range shape {
		if size > math.MaxInt64/n {
			return 0, false
		}
		size *= n
	}
	return size, true
}

// RegularChunks returns the chunks of a regular grid: for each axis of shape,
// extents of chunk with a shorter last one. An axis of extent zero has one
// chunk of extent zero, as dask writes it.
func RegularChunks(shape, chunk []int64) [][]int64 {
	out := make([][]int64, len(shape))
	for i, n := range shape {
		size := max(1, min(chunk[i], max(n, 1)))
		axis := make([]int64, 0, n/size+1)
		for at := int64(0); at < n; at += size {
			axis = append(axis, min(size, n-at))
		}
		if n == 0 {
			axis = append(axis, 0)
		}
		out[i] = axis
	}
	return out
}

// Table is the structure of a table.
type Table struct {
	// Schema holds names and types of the columns, in order, with whatever
	// metadata (pandas' index among it) clients should see.
	Schema      *arrow.Schema
	NPartitions int
}

const schemaPrefix = "data:application/vnd.apache.arrow.file;base64,"

// Columns returns the names of the columns in order, without those that hold
// pandas' index.
func (t *Table) Columns() []string {
	index := t.IndexColumns()
	names := make([]string, 0, t.Schema.NumFields())
	for _, f := range t.Schema.Fields() {
		if !slices.Contains(index, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// IndexColumns returns the names of the columns that hold the index of a
// pandas data frame, by the schema's metadata under "pandas".
func (t *Table) IndexColumns() []string {
	metadata := t.Schema.Metadata()
	text, ok := metadata.GetValue("pandas")
	if !ok {
		return nil
	}
	var pandas struct {
		IndexColumns []any `json:"index_columns"`
	}
	if json.Unmarshal([]byte(text), &pandas) != nil {
		return nil
	}
	var names []string
	for _, column := range pandas.IndexColumns {
		// A range index is described by an object and has no column.
		if name, ok := column.(string); ok && t.Schema.HasField(name) {
			names = append(names, name)
		}
	}
	return names
}

// Document returns the structure as it stands on the wire. Tiled keeps names
// that start with '_' for itself, and its client gives up on a table that lists
// one, and on the whole container around it: such columns are in the schema and
// in the data, and are not listed.
func (t *Table) Document() map[string]any {
	columns := []any{}
	for _, name := range t.Columns() {
		if !strings.HasPrefix(name, "_") {
			columns = append(columns, name)
		}
	}
	return map[string]any{
		"arrow_schema": schemaPrefix + base64.StdEncoding.EncodeToString(SchemaMessage(t.Schema)),
		"npartitions":  int64(t.NPartitions),
		"columns":      columns,
		"resizable":    false,
	}
}

// SchemaMessage returns the schema as an encapsulated Arrow IPC message, the
// form in which it travels and is remembered.
func SchemaMessage(schema *arrow.Schema) []byte {
	payload := ipc.GetSchemaPayload(schema, memory.DefaultAllocator)
	defer payload.Release()
	var b bytes.Buffer
	_, _ = payload.WritePayload(&b) // a bytes.Buffer does not fail
	return b.Bytes()
}

// ParseSchemaMessage is the reverse of [SchemaMessage]. What does not parse is
// errdef.ErrUnprocessable; nothing is allocated by a size that the message
// only claims.
func ParseSchemaMessage(message []byte) (*arrow.Schema, error) {
	if _, err := ipcmeta.CheckSchema(message); err != nil {
		return nil, fmt.Errorf("arrow schema: %w", err)
	}
	r, err := ipc.NewReader(bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("arrow schema: %w: %w", err, errdef.ErrUnprocessable)
	}
	defer r.Release()
	return r.Schema(), nil
}

func integers(values []int64) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}
