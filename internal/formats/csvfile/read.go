package csvfile

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// Open returns a reader of the table. Notes that do not parse are
// errdef.ErrUnprocessable.
func (Format) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	live, err := d.Live(func() (any, error) { return parseNotes(d.Notes) })
	if err != nil {
		return nil, err
	}
	n, ok := live.(*notes)
	if !ok {
		return nil, fmt.Errorf("csv: the description is another format's: %w", errdef.ErrUnprocessable)
	}
	return &reader{src: src, name: src.Names()[0], notes: n}, nil
}

type reader struct {
	src   adapter.Source
	name  string
	notes *notes
}

// Touches yields the one file.
func (r *reader) Touches(int) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// ReadColumns reads the text of the partition, and parses what is wanted of it.
// A file that is not as long as it was described is errdef.ErrChanged, one that
// holds other values than those described errdef.ErrUnprocessable.
func (r *reader) ReadColumns(ctx context.Context, partition int, columns []int) (adapter.Columns, error) {
	rows, from, to, err := r.extent(partition)
	if err != nil {
		return adapter.Columns{}, err
	}
	builders := make([]builder, len(columns))
	keep := 0
	for i, column := range columns {
		if column < 0 || column >= r.notes.Width {
			return adapter.Columns{}, fmt.Errorf("csv %s: column %d of %d: %w", r.name, column, r.notes.Width, errdef.ErrInvalid)
		}
		field := r.notes.field(column)
		builders[i] = builder{field: field, kind: kind(r.notes.Kinds[field]), latin1: r.notes.Encoding == encLatin1}
		keep = max(keep, field+1)
	}
	out := adapter.Columns{Arrays: make([]arrow.Array, len(columns)), Rows: rows}
	if len(columns) == 0 {
		return out, nil
	}
	text, err := r.load(ctx, from, to)
	if err != nil {
		return adapter.Columns{}, err
	}
	s := scanner{text: text, comma: comma(r.name), last: true, keep: keep}
	if err := r.parse(ctx, &s, rows, builders); err != nil {
		return adapter.Columns{}, err
	}
	for i := range builders {
		out.Arrays[i] = builders[i].array()
	}
	return out, nil
}

// extent is where a partition stands in the file.
func (r *reader) extent(partition int) (rows, from, to int64, err error) {
	n := r.notes
	if partition < 0 || partition >= max(len(n.Rows), 1) {
		return 0, 0, 0, fmt.Errorf("csv %s: partition %d of %d: %w", r.name, partition, max(len(n.Rows), 1), errdef.ErrInvalid)
	}
	if len(n.Rows) == 0 {
		return 0, n.Size, n.Size, nil
	}
	to = n.Size
	if partition+1 < len(n.Starts) {
		to = n.Starts[partition+1]
	}
	return n.Rows[partition], n.Starts[partition], to, nil
}

func (r *reader) load(ctx context.Context, from, to int64) (string, error) {
	file, err := r.src.Open(ctx, r.name)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	doc := document{file: file, name: r.name, size: r.notes.Size, enc: r.notes.Encoding}
	now := file.Size()
	half := doc.enc.wide() && now == doc.size+1 // of a character, at the end
	if now != doc.size && !half || from < 0 || to < from {
		return "", fmt.Errorf("csv %s: has %d bytes, %d when it was described: %w", r.name, now, doc.size, errdef.ErrChanged)
	}
	return doc.load(ctx, from, to)
}

// parse gives each builder its fields of all records.
func (r *reader) parse(ctx context.Context, s *scanner, rows int64, builders []builder) error {
	for i := range builders {
		builders[i].grow(min(rows, int64(len(s.text))))
	}
	seen := int64(0)
	for ; s.next(len(s.text)) == found; seen++ {
		for i := range builders {
			b, value := &builders[i], ""
			if b.field < len(s.fields) {
				value = s.fields[b.field]
			}
			if !b.add(value) {
				return fmt.Errorf("csv %s: row %d of a partition: %.40q does not fit its column: %s: %w",
					r.name, seen, value, edited, errdef.ErrUnprocessable)
			}
		}
		if seen%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if seen != rows || s.at != len(s.text) {
		return fmt.Errorf("csv %s: a partition of %d rows, expected %d: %s: %w", r.name, seen, rows, edited, errdef.ErrUnprocessable)
	}
	return nil
}

const edited = "the file is not what was described; was it edited while it grew?"
