// Package excelfile reads workbooks (.xlsx, ECMA-376 SpreadsheetML) as
// pandas.read_excel does by default, which is what Tiled serves: each sheet is
// a table, its first row names the columns, and their types are found in the
// whole sheet.
//
// # What a sheet says
//
// A column is int64, uint64, float64, bool, a time, a duration or text,
// whichever fits all of its cells; what is missing is null. Numbers are dates
// or durations by their cell's number format. Text that reads as a number
// counts as one, an error value as missing, and so do the words that pandas
// takes for that (NA, null, …). Where kinds differ a column is text, as Python
// writes the values. The cells that a merged one covers are missing. Formulas
// give the value that was stored with them.
//
// # Bounds
//
// A workbook is an archive of XML. Parts are read as streams, never as a
// whole, each up to a limit; what a sheet costs is by the cells that stand in
// it, not by the corner that it claims to reach to. A sheet is read once to be
// described and once for each read, since an archive cannot be entered in the
// middle: as in Tiled, it is one partition.
package excelfile

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the Excel format. Its zero value is ready.
type Format struct{}

// Kind says which files are workbooks.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "excel", MediaType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		Extensions: []string{".xlsx", ".xlsm"}, Reads: "Terrazzo's own, pure Go",
	}
}

// Describe lists the sheets, or reads one: inside is its name. A file that is
// no workbook or is damaged is errdef.ErrUnprocessable; one with a part of
// more than 1 GiB, or more than 256 MiB of text shared by its cells,
// errdef.ErrUnsupported, as is one with a password.
func (f Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	if len(inside) > 1 {
		return nil, fmt.Errorf("excel %s: has no member %.80q: %w", name, inside, errdef.ErrNotFound)
	}
	file, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	b, err := openBook(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("excel %s: %w", name, err)
	}
	if len(inside) == 0 {
		return &adapter.Description{
			Family: structure.FamilyContainer, Keys: b.names(), Metadata: map[string]any{}, MediaType: f.Kind().MediaType,
		}, nil
	}
	d, err := b.describe(ctx, inside[0])
	if err != nil {
		return nil, fmt.Errorf("excel %s: sheet %.40q: %w", name, inside[0], err)
	}
	return d, nil
}

// notes is what reading needs of a description.
type notes struct {
	Kinds []int `json:"kinds"`
	Rows  int64 `json:"rows"`
}

func (b *book) describe(ctx context.Context, sheet string) (*adapter.Description, error) {
	l := &learner{}
	if err := b.rows(ctx, sheet, l.row); err != nil {
		return nil, err
	}
	l.finish()
	n := notes{Kinds: make([]int, len(l.columns)), Rows: l.rows}
	fields, sizes := make([]arrow.Field, len(l.columns)), make([]int64, len(l.columns))
	for i, name := range columnNames(l.header) {
		kind := l.columns[i].kind(l.rows)
		n.Kinds[i] = int(kind)
		fields[i] = arrow.Field{Name: name, Type: kind.arrowType(), Nullable: true}
		sizes[i] = kind.size(l.rows, l.columns[i].text)
	}
	text, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	return &adapter.Description{
		Family:     structure.FamilyTable,
		Table:      &structure.Table{Schema: arrow.NewSchema(fields, nil), NPartitions: 1},
		Partitions: []adapter.Partition{{Rows: l.rows, ColumnBytes: sizes}},
		Metadata:   map[string]any{},
		MediaType:  Format{}.Kind().MediaType,
		Notes:      text,
	}, nil
}

// Open returns a reader of a sheet, nil for the whole. Notes that do not parse
// are errdef.ErrUnprocessable.
func (Format) Open(src adapter.Source, inside []string, d *adapter.Description) (any, error) {
	if d.Family == structure.FamilyContainer {
		return nil, nil
	}
	r := &reader{src: src, name: src.Names()[0]}
	if err := json.Unmarshal(d.Notes, &r.notes); err != nil || len(inside) != 1 || d.Table == nil ||
		len(r.notes.Kinds) != d.Table.Schema.NumFields() || r.notes.Rows < 0 {
		return nil, fmt.Errorf("excel %s: the description's notes do not parse: %w", r.name, errdef.ErrUnprocessable)
	}
	r.sheet = inside[0]
	return r, nil
}

type reader struct {
	src         adapter.Source
	name, sheet string
	notes       notes
}

// Touches yields the one file.
func (r *reader) Touches(int) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// ReadColumns reads the sheet and keeps what is wanted of it. A sheet that
// holds other values than those described is errdef.ErrUnprocessable.
func (r *reader) ReadColumns(ctx context.Context, partition int, columns []int) (adapter.Columns, error) {
	if partition != 0 {
		return adapter.Columns{}, fmt.Errorf("excel %s: partition %d of 1: %w", r.name, partition, errdef.ErrInvalid)
	}
	builders := make([]*builder, len(columns))
	for i, column := range columns {
		if column < 0 || column >= len(r.notes.Kinds) {
			return adapter.Columns{}, fmt.Errorf("excel %s: column %d of %d: %w", r.name, column, len(r.notes.Kinds), errdef.ErrInvalid)
		}
		builders[i] = &builder{column: column, kind: columnKind(r.notes.Kinds[column])}
	}
	out := adapter.Columns{Rows: r.notes.Rows, Arrays: make([]arrow.Array, len(columns))}
	if len(columns) == 0 && len(r.notes.Kinds) > 0 {
		return out, nil
	}
	file, err := r.src.Open(ctx, r.name)
	if err != nil {
		return adapter.Columns{}, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	if err := r.fill(ctx, file, builders); err != nil {
		return adapter.Columns{}, fmt.Errorf("excel %s: sheet %.40q: %w", r.name, r.sheet, err)
	}
	for i, b := range builders {
		out.Arrays[i] = b.array()
	}
	return out, nil
}

// fill gives each builder its column.
func (r *reader) fill(ctx context.Context, file adapter.File, builders []*builder) error {
	b, err := openBook(ctx, file)
	if err != nil {
		return err
	}
	last := int64(0)
	err = b.rows(ctx, r.sheet, func(row int64, cells []cell) error {
		if row == 0 || empty(cells) {
			return nil
		}
		if row > r.notes.Rows {
			return unprocessable("row %d: %d were described", row, r.notes.Rows)
		}
		for _, to := range builders {
			to.skip(row - 1 - last)
			at, there := slices.BinarySearchFunc(cells, to.column, func(c cell, column int) int { return c.column - column })
			if !there {
				to.skip(1)
				continue
			}
			if !to.add(&cells[at]) {
				return unprocessable("row %d, column %d: %.40q is not what the column was described as", row, to.column, cells[at].String())
			}
		}
		last = row
		return nil
	})
	if err != nil {
		return err
	}
	if last != r.notes.Rows {
		return unprocessable("%d rows, %d were described", last, r.notes.Rows)
	}
	return nil
}

// empty says whether a row has nothing in it.
func empty(cells []cell) bool {
	return !slices.ContainsFunc(cells, func(c cell) bool { return !c.empty() })
}

func unprocessable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdef.ErrUnprocessable)
}
