package media

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/internal/document"
)

// tableJSONSeq is application/json-seq (RFC 7464): one object for each row,
// after a record separator and before a line feed. The parameter rs=absent
// leaves out the separator, which Tiled's web page cannot read.
type tableJSONSeq struct{}

func (tableJSONSeq) Version() int { return 1 }

func (tableJSONSeq) Plan(Payload) (int64, error) { return -1, nil }

func (tableJSONSeq) Encode(ctx context.Context, w io.Writer, p Payload) error {
	out := newSink(w)
	keys := make([][]byte, p.Table.Schema.NumFields())
	for i, name := range p.Table.names() {
		if i > 0 {
			keys[i] = []byte{','}
		}
		keys[i] = append(document.AppendString(keys[i], name), ':')
	}
	begin := []byte{0x1E, '{'}
	if p.Params["rs"] == "absent" {
		begin = begin[1:]
	}
	err := p.Table.batches(ctx, nil, func(batch arrow.RecordBatch) error {
		columns := make([]cells, len(keys))
		for i := range columns {
			columns[i] = cellsOf(batch.Column(i), inJSON)
		}
		for row := range int(batch.NumRows()) {
			out.buf = append(out.buf, begin...)
			for i, column := range columns {
				out.buf = column.append(append(out.buf, keys[i]...), row)
			}
			out.buf = append(out.buf, '}', '\n')
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
