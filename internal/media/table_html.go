package media

import (
	"context"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// tableHTML is text/html as pandas' to_html lays it out, without an index.
// Numbers are written in full; pandas rounds and aligns those of a column.
type tableHTML struct{}

func (tableHTML) Version() int { return 1 }

func (tableHTML) Plan(Payload) (int64, error) { return -1, nil }

func (tableHTML) Encode(ctx context.Context, w io.Writer, p Payload) error {
	escaper := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", `\n`, "\r", `\r`, "\t", `\t`)
	escape := func(text string) string { return strings.TrimSpace(escaper.Replace(text)) }
	out := newSink(w)
	out.buf = append(out.buf, "<table border=\"1\" class=\"dataframe\">\n  <thead>\n    <tr style=\"text-align: right;\">\n"...)
	for _, name := range p.Table.names() {
		out.buf = append(append(out.buf, "      <th>"...), escape(name)...)
		out.buf = append(out.buf, "</th>\n"...)
	}
	out.buf = append(out.buf, "    </tr>\n  </thead>\n  <tbody>\n"...)
	err := p.Table.batches(ctx, nil, func(batch arrow.RecordBatch) error {
		columns := make([]cells, batch.NumCols())
		nothing := make([]string, len(columns))
		for i := range columns {
			columns[i], nothing[i] = cellsOf(batch.Column(i), inText), missingText(batch.Column(i).DataType())
		}
		var cell []byte
		for row := range int(batch.NumRows()) {
			out.buf = append(out.buf, "    <tr>\n"...)
			for i, column := range columns {
				cell = append(cell[:0], nothing[i]...)
				if !column.missing(row) {
					cell = column.write(cell[:0], row)
				}
				out.buf = append(append(out.buf, "      <td>"...), escape(string(cell))...)
				out.buf = append(out.buf, "</td>\n"...)
			}
			out.buf = append(out.buf, "    </tr>\n"...)
			if err := out.room(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	out.buf = append(out.buf, "  </tbody>\n</table>"...)
	return out.flush(ctx)
}

// missingText is what pandas shows where a value is missing.
func missingText(kind arrow.DataType) string {
	switch id := kind.ID(); {
	case arrow.IsInteger(id), arrow.IsFloating(id), id == arrow.DICTIONARY:
		return "NaN"
	case id == arrow.TIMESTAMP, id == arrow.DURATION:
		return "NaT"
	default:
		return "None"
	}
}
