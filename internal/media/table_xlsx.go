package media

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/xuri/excelize/v2"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/document"
)

// tableXLSX is an Excel workbook with one sheet: a bold header, numbers and
// dates as Excel's, what Excel has no type for as text. Rows beyond 16 MiB wait
// in a temporary file for the end, since a workbook is an archive.
type tableXLSX struct{}

func (tableXLSX) Version() int { return 1 }

// maxRows and maxColumns are what a sheet can hold.
const maxRows, maxColumns = 1 << 20, 1 << 14

func (tableXLSX) Plan(p Payload) (int64, error) {
	if columns := p.Table.Schema.NumFields(); p.Table.Rows >= maxRows || columns > maxColumns {
		return 0, tooManyRows(p.Table.Rows, columns)
	}
	return -1, nil
}

func tooManyRows(rows int64, columns int) error {
	return fmt.Errorf("%s: %d rows of %d columns, a sheet holds %d of %d beside the header; use text/csv: %w",
		typeXLSX, rows, columns, maxRows-1, maxColumns, errdef.ErrNotAcceptable)
}

func (tableXLSX) Encode(ctx context.Context, w io.Writer, p Payload) (err error) {
	book := excelize.NewFile()
	defer func() {
		if closed := book.Close(); err == nil {
			err = closed
		}
	}()
	sheet, err := newSheet(book, p.Table.names())
	if err != nil {
		return fmt.Errorf("%s: %w", typeXLSX, err)
	}
	err = p.Table.batches(ctx, nil, func(batch arrow.RecordBatch) error { return sheet.add(ctx, batch) })
	if err != nil {
		return err
	}
	if err := sheet.stream.Flush(); err != nil {
		return fmt.Errorf("%s: %w", typeXLSX, err)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	_, err = book.WriteTo(w)
	return err
}

// sheet is a worksheet that grows row by row.
type sheet struct {
	stream *excelize.StreamWriter
	rows   int64
	date   int // the style of dates
	cells  []any
}

func newSheet(book *excelize.File, names []string) (*sheet, error) {
	stream, err := book.NewStreamWriter("Sheet1")
	if err != nil {
		return nil, err
	}
	bold, err := book.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return nil, err
	}
	format := "yyyy-mm-dd hh:mm:ss"
	date, err := book.NewStyle(&excelize.Style{CustomNumFmt: &format})
	if err != nil {
		return nil, err
	}
	s := &sheet{stream: stream, date: date, cells: make([]any, len(names))}
	for i, name := range names {
		s.cells[i] = excelize.Cell{StyleID: bold, Value: name}
	}
	return s, s.row()
}

// row writes what stands in cells.
func (s *sheet) row() error {
	s.rows++
	return s.stream.SetRow(fmt.Sprintf("A%d", s.rows), s.cells)
}

func (s *sheet) add(ctx context.Context, batch arrow.RecordBatch) error {
	if s.rows+batch.NumRows() > maxRows {
		return tooManyRows(s.rows+batch.NumRows()-1, len(s.cells))
	}
	columns := make([]func(int) any, len(s.cells))
	for i := range columns {
		columns[i] = s.values(batch.Column(i))
	}
	for row := range int(batch.NumRows()) {
		if row%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for i, value := range columns {
			s.cells[i] = value(row)
		}
		if err := s.row(); err != nil {
			return fmt.Errorf("%s: %w", typeXLSX, err)
		}
	}
	return nil
}

// values gives the values of a column as excelize takes them, nil where there
// is none.
func (s *sheet) values(a arrow.Array) func(row int) any {
	text := cellsOf(a, inText)
	value := func(row int) any { return string(text.write(nil, row)) }
	switch v := a.(type) {
	case *array.Boolean:
		value = func(row int) any { return v.Value(row) }
	case *array.Float32:
		value = func(row int) any { return finite(float64(v.Value(row))) }
	case *array.Float64:
		value = func(row int) any { return finite(v.Value(row)) }
	case *array.Timestamp:
		// With a zone it stays text: Excel's dates have none.
		if v.DataType().(*arrow.TimestampType).TimeZone == "" {
			at := timeOf(v)
			value = func(row int) any { return excelize.Cell{StyleID: s.date, Value: at(row)} }
		}
	default:
		if integer := integerOf(a); integer != nil {
			value = func(row int) any { return integer(row) }
		}
	}
	return func(row int) any {
		if text.missing(row) {
			return nil
		}
		return value(row)
	}
}

// finite keeps infinities out of number cells, where Excel has none.
func finite(v float64) any {
	if math.IsInf(v, 0) {
		return string(document.AppendPythonFloat(nil, v, 64))
	}
	return v
}

// integerOf reads integers; nil if the array holds something else.
func integerOf(a arrow.Array) func(row int) any {
	switch v := a.(type) {
	case *array.Int8:
		return func(row int) any { return v.Value(row) }
	case *array.Int16:
		return func(row int) any { return v.Value(row) }
	case *array.Int32:
		return func(row int) any { return v.Value(row) }
	case *array.Int64:
		return func(row int) any { return v.Value(row) }
	case *array.Uint8:
		return func(row int) any { return v.Value(row) }
	case *array.Uint16:
		return func(row int) any { return v.Value(row) }
	case *array.Uint32:
		return func(row int) any { return v.Value(row) }
	case *array.Uint64:
		return func(row int) any { return v.Value(row) }
	default:
		return nil
	}
}
