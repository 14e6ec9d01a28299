package media

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/internal/document"
)

// tableJSON is application/json of tables: {"column": [values]}. It keeps the
// columns side by side while the text is small, and goes column by column
// through a table that is not.
type tableJSON struct{}

func (tableJSON) Version() int { return 1 }

func (tableJSON) Plan(Payload) (int64, error) { return -1, nil }

// maxKept is how much text of all columns is kept before it is given up.
const maxKept = 16 << 20

func (tableJSON) Encode(ctx context.Context, w io.Writer, p Payload) error {
	out := newSink(w)
	columns, err := keepColumns(ctx, p.Table)
	if err != nil {
		return err
	}
	for i, name := range p.Table.names() {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		out.buf = append(document.AppendString(append(out.buf, separator), name), ':', '[')
		if columns != nil {
			if err := out.flush(ctx); err != nil {
				return err
			}
			if _, err := w.Write(columns[i]); err != nil {
				return err
			}
		} else if err := writeColumn(ctx, out, p.Table, i); err != nil {
			return err
		}
		out.buf = append(out.buf, ']')
	}
	if p.Table.Schema.NumFields() == 0 {
		out.buf = append(out.buf, '{')
	}
	out.buf = append(out.buf, '}')
	return out.flush(ctx)
}

// errLarge ends keepColumns; nobody outside sees it.
var errLarge = errors.New("the table is large")

// keepColumns writes all columns at once, each to memory; nil if that is too
// much of it.
func keepColumns(ctx context.Context, t *Table) ([][]byte, error) {
	texts := make([][]byte, t.Schema.NumFields())
	if t.Rows > 0 && saturate(t.Rows, int64(len(texts))) > maxKept/2 {
		return nil, nil // each value has two bytes at least
	}
	kept := 0
	err := t.batches(ctx, nil, func(batch arrow.RecordBatch) error {
		for i := range texts {
			before := len(texts[i])
			texts[i] = appendValues(texts[i], batch.Column(i), before > 0)
			if kept += len(texts[i]) - before; kept > maxKept {
				return errLarge
			}
		}
		return nil
	})
	if errors.Is(err, errLarge) {
		return nil, nil
	}
	return texts, err
}

func appendValues(dst []byte, a arrow.Array, comma bool) []byte {
	column := cellsOf(a, inJSON)
	for row := range a.Len() {
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = column.append(dst, row)
	}
	return dst
}

// writeColumn writes the values of one column, read for itself.
func writeColumn(ctx context.Context, out *sink, t *Table, i int) error {
	comma := false
	return t.batches(ctx, []int{i}, func(batch arrow.RecordBatch) error {
		column := cellsOf(batch.Column(0), inJSON)
		for row := range int(batch.NumRows()) {
			if comma {
				out.buf = append(out.buf, ',')
			}
			comma = true
			out.buf = column.append(out.buf, row)
			if err := out.room(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}
