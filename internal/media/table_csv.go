package media

import (
	"bytes"
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
)

// tableCSV is text/csv and its kin as pandas' to_csv writes it, without an
// index: missing values are empty, quotes stand where they must. The header
// is left out with header=absent.
//
// What pandas decides by a whole column (whether dates are written with a
// time) is decided batch by batch; integers with missing values stay integers.
type tableCSV struct{}

func (tableCSV) Version() int { return 1 }

func (tableCSV) Plan(Payload) (int64, error) { return -1, nil }

func (tableCSV) Encode(ctx context.Context, w io.Writer, p Payload) error {
	out := newSink(w)
	if p.Params["header"] != "absent" {
		for i, name := range p.Table.names() {
			if i > 0 {
				out.buf = append(out.buf, ',')
			}
			start := len(out.buf)
			out.buf = quoteCSV(append(out.buf, name...), start)
		}
		out.buf = append(out.buf, '\n')
	}
	alone := p.Table.Schema.NumFields() == 1
	err := p.Table.batches(ctx, nil, func(batch arrow.RecordBatch) error {
		columns := make([]cells, batch.NumCols())
		for i := range columns {
			columns[i] = cellsOf(batch.Column(i), inText)
		}
		for row := range int(batch.NumRows()) {
			out.buf = appendCSVRow(out.buf, columns, row, alone)
			if err := out.room(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.flush(ctx)
}

// appendCSVRow writes one row. A row of one empty cell is quoted, since it
// would else be no row.
func appendCSVRow(dst []byte, columns []cells, row int, alone bool) []byte {
	for i, column := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		start := len(dst)
		if !column.missing(row) {
			dst = quoteCSV(column.write(dst, row), start)
		}
		if alone && len(dst) == start {
			dst = append(dst, `""`...)
		}
	}
	return append(dst, '\n')
}

// quoteCSV puts quotes around what was appended since start, if it needs them.
func quoteCSV(dst []byte, start int) []byte {
	cell := dst[start:]
	if !bytes.ContainsAny(cell, ",\"\r\n") {
		return dst
	}
	cell = bytes.Clone(cell)
	dst = append(dst[:start], '"')
	for _, c := range cell {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
