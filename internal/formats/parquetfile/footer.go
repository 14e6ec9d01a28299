package parquetfile

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
)

const (
	tailSize = 8
	// maxFooter bounds the footer: some 100,000 columns of row groups.
	maxFooter = 16 << 20
	// maxElements and maxDepth bound the schema.
	maxElements = 1 << 16
	maxDepth    = 64
)

// footer is what is made of a file's footer, once per description.
type footer struct {
	meta     *metadata.FileMetaData
	manifest *pqarrow.SchemaManifest
	schema   *arrow.Schema
	// leaves are the columns of the file that belong to each field.
	leaves [][]int
}

// readFooter reads the bytes of the footer.
func readFooter(f adapter.File) ([]byte, error) {
	size := f.Size()
	if size < 4+tailSize {
		return nil, unprocessable("%d bytes are no Parquet file", size)
	}
	tail := make([]byte, tailSize)
	if err := adapter.ReadFull(f, tail, size-tailSize); err != nil {
		return nil, err
	}
	switch string(tail[4:]) {
	case "PAR1":
	case "PARE":
		return nil, fmt.Errorf("the file is encrypted: %w", errdef.ErrUnsupported)
	default:
		return nil, unprocessable("does not end in PAR1: it is cut off, or no Parquet file")
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	if length > size-tailSize-4 || length > maxFooter {
		return nil, unprocessable("a footer of %d bytes in a file of %d; the limit is %d", length, size, maxFooter)
	}
	text := make([]byte, length)
	return text, adapter.ReadFull(f, text, size-tailSize-length)
}

// parseFooter checks the footer and makes something of it.
func parseFooter(text []byte) (f *footer, err error) {
	defer guard(&err)
	if err := checkFooter(text); err != nil {
		return nil, err
	}
	meta, err := metadata.NewFileMetaData(text, nil)
	if err != nil {
		return nil, unprocessable("footer: %w", err)
	}
	if meta.IsSetEncryptionAlgorithm() {
		return nil, fmt.Errorf("the file is encrypted: %w", errdef.ErrUnsupported)
	}
	if origin := meta.KeyValueMetadata().FindValue("ARROW:schema"); origin != nil {
		if err := checkOrigin(*origin); err != nil {
			return nil, err
		}
	}
	f = &footer{meta: meta}
	props := &pqarrow.ArrowReadProperties{}
	if f.manifest, err = pqarrow.NewSchemaManifest(meta.Schema, meta.KeyValueMetadata(), props); err != nil {
		return nil, unprocessable("schema: %w", err)
	}
	full, err := pqarrow.FromParquet(meta.Schema, props, meta.KeyValueMetadata())
	if err != nil {
		return nil, unprocessable("schema: %w", err)
	}
	f.schema = f.withoutIDs(full)
	f.leaves = make([][]int, len(f.manifest.Fields))
	for i := range f.manifest.Fields {
		f.leaves[i] = leaves(&f.manifest.Fields[i], nil)
	}
	return f, f.checkRowGroups()
}

func leaves(field *pqarrow.SchemaField, out []int) []int {
	if field.IsLeaf() {
		return append(out, field.ColIndex)
	}
	for i := range field.Children {
		out = leaves(&field.Children[i], out)
	}
	return out
}

// checkFooter walks FileMetaData: field 2 is the list of schema elements,
// flattened depth first, of which field 5 counts the children.
func checkFooter(text []byte) error {
	c := &compact{data: text}
	children := []int64{}
	c.fields(0, func(id int, kind byte) bool {
		if id != 2 || kind != thriftList {
			return false
		}
		n, kind := c.list()
		if n > maxElements || kind != thriftStruct {
			c.fail("the schema has too many elements")
			return true
		}
		for range n {
			children = append(children, elementChildren(c))
		}
		return true
	})
	if c.err != nil {
		return c.err
	}
	return checkDepth(children)
}

func elementChildren(c *compact) (n int64) {
	c.fields(1, func(id int, kind byte) bool {
		if id != 5 || kind != thriftI32 {
			return false
		}
		n = c.int()
		return true
	})
	return n
}

// checkDepth bounds the recursion of whoever makes a tree of the elements.
func checkDepth(children []int64) error {
	open := []int64{1}
	for _, n := range children {
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			return unprocessable("schema: more elements than its groups have members")
		}
		open[len(open)-1]--
		if n < 0 || n > int64(len(children)) || len(open) > maxDepth {
			return unprocessable("schema: a group of %d members, %d deep", n, len(open))
		}
		open = append(open, n)
	}
	for _, n := range open {
		if n != 0 {
			return unprocessable("schema: fewer elements than its groups have members")
		}
	}
	return nil
}

func checkOrigin(text string) error {
	message, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		if message, err = base64.RawStdEncoding.DecodeString(text); err != nil {
			return unprocessable("ARROW:schema: %w", err)
		}
	}
	if _, err := ipcmeta.CheckSchema(message); err != nil {
		return fmt.Errorf("ARROW:schema: %w", err)
	}
	return nil
}

// checkRowGroups: each has all columns, and no negative sizes.
func (f *footer) checkRowGroups() error {
	columns := f.meta.Schema.NumColumns()
	for i, g := range f.meta.RowGroups {
		if len(g.Columns) != columns || g.NumRows < 0 {
			return unprocessable("row group %d: %d columns of %d, %d rows", i, len(g.Columns), columns, g.NumRows)
		}
		for j, c := range g.Columns {
			m := c.MetaData
			if m == nil || m.NumValues < 0 || m.TotalCompressedSize < 0 || m.TotalUncompressedSize < 0 {
				return unprocessable("row group %d, column %d: its metadata are missing or negative", i, j)
			}
		}
	}
	return nil
}

// withoutIDs drops the field ids that the library adds to what was written.
func (f *footer) withoutIDs(s *arrow.Schema) *arrow.Schema {
	fields := make([]arrow.Field, s.NumFields())
	for i, field := range s.Fields() {
		fields[i] = fieldWithoutID(field)
		leaf := f.manifest.Fields[i]
		if leaf.IsLeaf() && f.meta.Schema.Column(leaf.ColIndex).PhysicalType() == parquet.Types.Int96 {
			fields[i].Type = withoutZone(field.Type)
		}
	}
	metadata := s.Metadata()
	return arrow.NewSchema(fields, &metadata)
}
