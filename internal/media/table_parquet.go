package media

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// tableParquet is application/x-parquet: Snappy, a row group for each batch
// that comes, the Arrow schema beside Parquet's own.
type tableParquet struct{}

func (tableParquet) Version() int { return 1 }

func (tableParquet) Plan(Payload) (int64, error) { return -1, nil }

func (tableParquet) Encode(ctx context.Context, w io.Writer, p Payload) error {
	properties := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Snappy),
		parquet.WithVersion(parquet.V2_6),
	)
	file, err := pqarrow.NewFileWriter(p.Table.Schema, onlyWriter{w}, properties,
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return fmt.Errorf("%s: %w: %w", typeParquet, errdef.ErrNotAcceptable, err)
	}
	err = p.Table.batches(ctx, nil, func(batch arrow.RecordBatch) error {
		if batch.NumRows() == 0 {
			return nil
		}
		return file.Write(batch)
	})
	if err != nil {
		return err
	}
	return file.Close()
}
