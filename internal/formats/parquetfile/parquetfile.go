// Package parquetfile reads Parquet files: a row group is a partition, and of
// it only the column chunks that are wanted are read.
//
// Decoding is the Arrow library's. What it would allocate by what a file claims
// is checked before: the footer is walked ([checkFooter]), the pages of a chunk
// are ([checkPages]), and what is decoded has a budget ([budget]). Where the
// library panics on damaged files, [guard] makes an error of it.
package parquetfile

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the Parquet format. Its zero value is ready.
type Format struct{}

// Kind says which files are Parquet files.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "parquet", MediaType: "application/x-parquet", Extensions: []string{".parquet"},
		Reads: "github.com/apache/arrow-go, pure Go",
	}
}

// Describe reads the footer and nothing else. The schema is the file's own, as
// pyarrow gives it, with pandas' metadata. A damaged file, one with a footer of
// more than 16 MiB, or a schema of more than 65,536 elements or 64 levels is
// errdef.ErrUnprocessable, an encrypted one errdef.ErrUnsupported.
func (Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	if len(inside) > 0 {
		return nil, fmt.Errorf("parquet %s: has no member %.40q: %w", name, inside[0], errdef.ErrNotFound)
	}
	f, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	text, err := readFooter(f)
	if err != nil {
		return nil, fmt.Errorf("parquet %s: %w", name, err)
	}
	foot, err := parseFooter(text)
	if err != nil {
		return nil, fmt.Errorf("parquet %s: %w", name, err)
	}
	partitions := foot.partitions()
	d := &adapter.Description{
		Family:     structure.FamilyTable,
		Table:      &structure.Table{Schema: foot.schema, NPartitions: len(partitions)},
		Partitions: partitions,
		Metadata:   map[string]any{},
		MediaType:  Format{}.Kind().MediaType,
		Notes:      text,
	}
	_, err = d.Live(func() (any, error) { return foot, nil })
	return d, err
}

// partitions is one for each row group; a file without any has an empty one.
func (f *footer) partitions() []adapter.Partition {
	groups := f.meta.RowGroups
	if len(groups) == 0 {
		return []adapter.Partition{{ColumnBytes: make([]int64, len(f.leaves))}}
	}
	out := make([]adapter.Partition, len(groups))
	for i, g := range groups {
		sizes := make([]int64, len(f.leaves))
		for field, leaves := range f.leaves {
			for _, leaf := range leaves {
				m := g.Columns[leaf].MetaData
				sizes[field] = add(sizes[field], f.decoded(leaf, m.NumValues, m.TotalUncompressedSize))
				if s := m.SizeStatistics; s != nil && s.UnencodedByteArrayDataBytes != nil {
					sizes[field] = add(sizes[field], max(*s.UnencodedByteArrayDataBytes, 0))
				}
			}
		}
		out[i] = adapter.Partition{Rows: g.NumRows, ColumnBytes: sizes}
	}
	return out
}

// decoded is the size of a leaf in memory. Text adds its encoded size, which
// may be far less than the decoded one where it has a dictionary.
func (f *footer) decoded(leaf int, values, encoded int64) int64 {
	width := f.width(leaf)
	size := add(mul(values, width), values/8+1)
	if f.meta.Schema.Column(leaf).PhysicalType() == parquet.Types.ByteArray {
		size = add(size, encoded)
	}
	return size
}

// width is the size of one value in memory, texts without their bytes.
func (f *footer) width(leaf int) int64 {
	column := f.meta.Schema.Column(leaf)
	switch column.PhysicalType() {
	case parquet.Types.Boolean:
		return 1
	case parquet.Types.Int32, parquet.Types.Float:
		return 4
	case parquet.Types.Int96:
		return 12
	case parquet.Types.FixedLenByteArray:
		return int64(max(column.TypeLength(), 1))
	default:
		return 8
	}
}

// Open returns a reader of the table. Notes that do not parse are
// errdef.ErrUnprocessable.
func (Format) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	name := src.Names()[0]
	live, err := d.Live(func() (any, error) { return parseFooter(d.Notes) })
	if err != nil {
		return nil, fmt.Errorf("parquet %s: %w", name, err)
	}
	foot, ok := live.(*footer)
	if !ok {
		return nil, fmt.Errorf("parquet %s: the description is another format's: %w", name, errdef.ErrUnprocessable)
	}
	return &reader{src: src, name: name, footer: foot}, nil
}

type reader struct {
	src    adapter.Source
	name   string
	footer *footer
}

// Touches yields the one file.
func (r *reader) Touches(int) iter.Seq[string] {
	return func(yield func(string) bool) { yield(r.name) }
}

// ReadColumns reads the column chunks of the fields that are wanted. A field
// that needs more than 1 GiB to decode in one row group, or unpacks to more
// than its metadata allow for, is errdef.ErrUnprocessable; a codec that is not
// known (LZO, Hadoop's LZ4) errdef.ErrUnsupported.
func (r *reader) ReadColumns(ctx context.Context, partition int, columns []int) (adapter.Columns, error) {
	groups := r.footer.meta.RowGroups
	if partition < 0 || partition >= max(len(groups), 1) {
		return adapter.Columns{}, fmt.Errorf("parquet %s: partition %d of %d: %w", r.name, partition, max(len(groups), 1), errdef.ErrInvalid)
	}
	out := adapter.Columns{Arrays: make([]arrow.Array, len(columns))}
	if len(groups) > 0 {
		out.Rows = groups[partition].NumRows
	}
	for _, column := range columns {
		if column < 0 || column >= len(r.footer.leaves) {
			return adapter.Columns{}, fmt.Errorf("parquet %s: column %d of %d: %w", r.name, column, len(r.footer.leaves), errdef.ErrInvalid)
		}
	}
	if len(columns) == 0 {
		return out, nil
	}
	f, err := r.src.Open(ctx, r.name)
	if err != nil {
		return adapter.Columns{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	g, err := r.group(f, partition)
	if err != nil {
		return adapter.Columns{}, fmt.Errorf("parquet %s: %w", r.name, err)
	}
	for i, column := range columns {
		if err := ctx.Err(); err != nil {
			return adapter.Columns{}, err
		}
		if out.Arrays[i], err = g.column(ctx, column); err != nil {
			field := r.footer.schema.Field(column).Name
			return adapter.Columns{}, fmt.Errorf("parquet %s: row group %d, column %.40q: %w", r.name, partition, field, err)
		}
	}
	return out, nil
}

// group is one row group of an open file.
type group struct {
	footer *footer
	file   adapter.File
	number int
	rows   int64
	// chunks are those of the field that is read, space is what is left of
	// its budget.
	chunks *pieces
	space  *budget
	fields *pqarrow.FileReader
}

// maxColumn bounds what decoding one field of one row group may take.
const maxColumn = 1 << 30

func (r *reader) group(f adapter.File, number int) (g *group, err error) {
	defer guard(&err)
	g = &group{footer: r.footer, file: f, number: number, chunks: &pieces{size: f.Size()}, space: &budget{left: maxColumn}}
	if groups := r.footer.meta.RowGroups; len(groups) > 0 {
		g.rows = groups[number].NumRows
	}
	props := parquet.NewReaderProperties(g.space)
	props.BufferedStreamEnabled = true // no second copy of the chunk
	opened, err := file.NewParquetReader(g.chunks, file.WithReadProps(props), file.WithMetadata(r.footer.meta))
	if err != nil {
		return nil, unprocessable("%w", err)
	}
	if g.fields, err = pqarrow.NewFileReader(opened, pqarrow.ArrowReadProperties{}, g.space); err != nil {
		return nil, unprocessable("%w", err)
	}
	for i := range g.fields.Manifest.Fields {
		asIntegers(&g.fields.Manifest.Fields[i])
	}
	return g, nil
}

// column reads one field.
func (g *group) column(ctx context.Context, column int) (out arrow.Array, err error) {
	defer guard(&err)
	kind := g.footer.schema.Field(column).Type
	if g.rows == 0 {
		return array.NewBuilder(g.space, kind).NewArray(), nil
	}
	if g.space.left, err = g.needs(column); err != nil {
		return nil, err
	}
	*g.chunks = pieces{size: g.chunks.size}
	included := map[int]bool{}
	for _, leaf := range g.footer.leaves[column] {
		included[leaf] = true
		if err := g.load(leaf); err != nil {
			return nil, err
		}
	}
	values, err := g.fields.GetFieldReader(ctx, column, included, []int{g.number})
	if err != nil {
		return nil, unprocessable("%w", err)
	}
	read, err := values.NextBatch(g.rows)
	if err != nil {
		return nil, unprocessable("%w", err)
	}
	return g.whole(read, kind)
}

// whole makes one array of what was read.
func (g *group) whole(read *arrow.Chunked, kind arrow.DataType) (arrow.Array, error) {
	if int64(read.Len()) != g.rows {
		return nil, unprocessable("%d rows, the footer says %d", read.Len(), g.rows)
	}
	one := read.Chunks()[0]
	if len(read.Chunks()) > 1 {
		var err error
		if one, err = array.Concatenate(read.Chunks(), g.space); err != nil {
			return nil, unprocessable("%w", err)
		}
	}
	return array.MakeFromData(retyped(one.Data(), kind)), nil
}

// needs is what may be allocated to decode a field: four times what its
// metadata say, for buffers that double; texts in a dictionary may be 256 bytes
// long on average.
func (g *group) needs(column int) (int64, error) {
	need, texts := int64(0), int64(0)
	for _, leaf := range g.footer.leaves[column] {
		m := g.footer.meta.RowGroups[g.number].Columns[leaf].MetaData
		// Levels take 2 bytes each, headers of values 24.
		need = add(need, add(g.footer.decoded(leaf, m.NumValues, m.TotalUncompressedSize), mul(m.NumValues, 6)))
		switch g.footer.meta.Schema.Column(leaf).PhysicalType() {
		case parquet.Types.ByteArray:
			texts = add(texts, m.NumValues)
			need = add(need, mul(m.NumValues, 24))
		case parquet.Types.FixedLenByteArray:
			need = add(need, mul(m.NumValues, 24))
		}
	}
	if need > maxColumn {
		return 0, unprocessable("%d rows take %d bytes to decode, the limit is %d: write smaller row groups", g.rows, need, maxColumn)
	}
	return min(64<<20+4*need+256*texts, 3*maxColumn/2), nil
}

// load reads the chunk of a leaf, and checks its pages.
func (g *group) load(leaf int) error {
	m := g.footer.meta.RowGroups[g.number].Columns[leaf].MetaData
	chunk, err := g.footer.meta.RowGroup(g.number).ColumnChunk(leaf)
	if err != nil {
		return unprocessable("%w", err)
	}
	if err := known(chunk.Compression()); err != nil {
		return err
	}
	start := chunk.DataPageOffset()
	if at := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && at > 0 && at < start {
		start = at
	}
	size := m.TotalCompressedSize
	if start < 0 || start > g.file.Size() || size > g.file.Size()-start || size > maxColumn {
		return unprocessable("%d bytes at %d of a file of %d", size, start, g.file.Size())
	}
	if g.footer.meta.WriterVersion().LessThan(metadata.Parquet816FixedVersion) {
		size += min(100, g.file.Size()-start-size) // as the library does for files of parquet-mr before 1.2.9
	}
	data := make([]byte, size)
	if err := adapter.ReadFull(g.file, data, start); err != nil {
		return err
	}
	width := g.footer.width(leaf)
	if g.footer.meta.Schema.Column(leaf).PhysicalType() == parquet.Types.ByteArray {
		width = 4
	}
	g.chunks.add(start, data)
	return checkPages(data, chunk.Compression(), m.NumValues, width)
}

// add and mul stop at the largest number.
func add(a, b int64) int64 {
	if a > 1<<62-b {
		return 1 << 62
	}
	return a + b
}

func mul(a, b int64) int64 {
	if b > 0 && a > 1<<62/b {
		return 1 << 62
	}
	return a * b
}
