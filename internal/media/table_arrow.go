package media

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// tableArrow is the Arrow IPC file format, one record batch for each that
// comes, with the metadata of the schema.
type tableArrow struct{}

func (tableArrow) Version() int { return 1 }

func (tableArrow) Plan(Payload) (int64, error) { return -1, nil }

func (tableArrow) Encode(ctx context.Context, w io.Writer, p Payload) error {
	merge, err := newMerger(ctx, p.Table)
	if err != nil {
		return err
	}
	file, err := ipc.NewFileWriter(onlyWriter{w}, ipc.WithSchema(p.Table.Schema))
	if err != nil {
		return fmt.Errorf("%s: %w", typeArrow, err)
	}
	err = p.Table.batches(ctx, nil, func(batch arrow.RecordBatch) error {
		batch, err := merge.batch(batch)
		if err != nil {
			return err
		}
		return file.Write(batch)
	})
	if err != nil {
		return err
	}
	return file.Close()
}

// onlyWriter hides what else a writer can do, such as being closed.
type onlyWriter struct{ io.Writer }
