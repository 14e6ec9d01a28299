package media

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// tableParquet is application/x-parquet: Snappy, a row group for each batch
// that comes, the Arrow schema beside Parquet's own. Durations are counts of
// their unit.
type tableParquet struct{}

func (tableParquet) Version() int { return 1 }

func (tableParquet) Plan(p Payload) (int64, error) {
	properties, arrowProperties := parquetProperties()
	if _, err := pqarrow.ToParquet(parquetable(p.Table.Schema), properties, arrowProperties); err != nil {
		return 0, fmt.Errorf("%s: %w: %w", typeParquet, errdef.ErrNotAcceptable, err)
	}
	return -1, nil
}

func parquetProperties() (*parquet.WriterProperties, pqarrow.ArrowWriterProperties) {
	return parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithVersion(parquet.V2_6)),
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())
}

func (tableParquet) Encode(ctx context.Context, w io.Writer, p Payload) error {
	properties, arrowProperties := parquetProperties()
	schema := parquetable(p.Table.Schema)
	file, err := pqarrow.NewFileWriter(schema, onlyWriter{w}, properties, arrowProperties)
	if err != nil {
		return fmt.Errorf("%s: %w", typeParquet, err)
	}
	err = p.Table.batches(ctx, nil, func(batch arrow.RecordBatch) error {
		if batch.NumRows() == 0 {
			return nil
		}
		columns := make([]arrow.Array, batch.NumCols())
		for i := range columns {
			columns[i] = parquetableColumn(batch.Column(i))
		}
		// The batch may lack the metadata of the schema, which the file wants equal.
		return file.Write(array.NewRecordBatch(schema, columns, batch.NumRows()))
	})
	if err != nil {
		return err
	}
	return file.Close()
}
