// Package arrowfile reads Arrow IPC files (Feather version 2 among them) and
// streams: a record batch is a partition, and of it only the buffers of the
// columns that are wanted are read.
//
// Describing reads the schema and the metadata of each batch, which say how
// many rows it has; data are not looked at. The Arrow library parses the schema,
// after internal/ipcmeta has checked it, and checks what is made of the buffers
// (offsets and the like), so that nobody who gets an array meets a damaged one.
package arrowfile

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the Arrow IPC format. Its zero value is ready.
type Format struct{}

// Kind says which files are Arrow files.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "arrow", MediaType: "application/vnd.apache.arrow.file",
		Extensions: []string{".arrow", ".feather", ".arrows"}, Reads: "Terrazzo's own with github.com/apache/arrow-go, pure Go",
	}
}

// notes is where the messages of a file stand. A block is its offset, the
// length of its metadata with their prefix, and that of its body.
type notes struct {
	Blocks [][3]int64 `json:"blocks"`
	Rows   []int64    `json:"rows"`
	// Dictionaries are blocks too. Before, if there is one for each batch, is
	// how many of them stand before it in a stream; in a file all count.
	Dictionaries [][3]int64 `json:"dictionaries,omitempty"`
	Before       []int      `json:"before,omitempty"`
	// IDs are those of the dictionary-encoded fields, depth first.
	IDs []int64 `json:"ids,omitempty"`
}

// maxBatches bounds the record batches of a file.
const maxBatches = 1 << 17

// Describe reads the metadata of all messages. Files that are damaged or have
// more than 131,072 batches are errdef.ErrUnprocessable. Feather version 1,
// big-endian files, unions, run-end encoded columns, list views and
// dictionaries within dictionaries are errdef.ErrUnsupported.
func (Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	if len(inside) > 0 {
		return nil, fmt.Errorf("arrow %s: has no member %.40q: %w", name, inside[0], errdef.ErrNotFound)
	}
	f, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	s, err := scan(ctx, f)
	if err == nil {
		_, err = newLayout(s.schema, s.notes)
	}
	if err != nil {
		return nil, fmt.Errorf("arrow %s: %w", name, err)
	}
	text, err := json.Marshal(s.notes)
	if err != nil {
		return nil, fmt.Errorf("arrow %s: notes: %w", name, err)
	}
	if len(s.partitions) == 0 {
		s.partitions = []adapter.Partition{{ColumnBytes: make([]int64, s.schema.NumFields())}}
	}
	return &adapter.Description{
		Family:     structure.FamilyTable,
		Table:      &structure.Table{Schema: s.schema, NPartitions: len(s.partitions)},
		Partitions: s.partitions,
		Metadata:   map[string]any{},
		MediaType:  Format{}.Kind().MediaType,
		Notes:      text,
	}, nil
}

// Open returns a reader of the table. Notes that do not parse are
// errdef.ErrUnprocessable.
func (Format) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	name := src.Names()[0]
	live, err := d.Live(func() (any, error) {
		n := &notes{}
		if err := json.Unmarshal(d.Notes, n); err != nil || len(n.Rows) != len(n.Blocks) ||
			n.Before != nil && len(n.Before) != len(n.Blocks) {
			return nil, unprocessable("the description's notes do not parse: %v", err)
		}
		return newLayout(d.Table.Schema, n)
	})
	if err != nil {
		return nil, fmt.Errorf("arrow %s: %w", name, err)
	}
	l, ok := live.(*layout)
	if !ok {
		return nil, fmt.Errorf("arrow %s: the description is another format's: %w", name, errdef.ErrUnprocessable)
	}
	return &reader{src: src, name: name, layout: l}, nil
}

type reader struct {
	src    adapter.Source
	name   string
	layout *layout
}

// Touches yields the one file.
func (r *reader) Touches(int) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// ReadColumns reads the buffers of the columns that are wanted, and the
// dictionaries that they need. A column of more than 1 GiB in one batch is
// errdef.ErrUnprocessable, as is whatever does not hold together.
func (r *reader) ReadColumns(ctx context.Context, partition int, columns []int) (adapter.Columns, error) {
	n, fields := r.layout.notes, r.layout.fields
	if partition < 0 || partition >= max(len(n.Blocks), 1) {
		return adapter.Columns{}, fmt.Errorf("arrow %s: partition %d of %d: %w", r.name, partition, max(len(n.Blocks), 1), errdef.ErrInvalid)
	}
	out := adapter.Columns{Arrays: make([]arrow.Array, len(columns))}
	if len(n.Blocks) > 0 {
		out.Rows = n.Rows[partition]
	}
	for _, column := range columns {
		if column < 0 || column >= len(fields) {
			return adapter.Columns{}, fmt.Errorf("arrow %s: column %d of %d: %w", r.name, column, len(fields), errdef.ErrInvalid)
		}
	}
	if len(columns) == 0 {
		return out, nil
	}
	f, err := r.src.Open(ctx, r.name)
	if err != nil {
		return adapter.Columns{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	l := &loader{layout: r.layout, file: f, partition: partition}
	for i, column := range columns {
		if err := ctx.Err(); err != nil {
			return adapter.Columns{}, err
		}
		if out.Arrays[i], err = l.column(column); err != nil {
			return adapter.Columns{}, fmt.Errorf("arrow %s: batch %d, column %.40q: %w", r.name, partition, fields[column].name, err)
		}
	}
	return out, nil
}

func unprocessable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}

// block is the form of ipcmeta's blocks that is remembered.
func block(b ipcmeta.Block) [3]int64 { return [3]int64{b.Offset, b.Meta, b.Body} }
