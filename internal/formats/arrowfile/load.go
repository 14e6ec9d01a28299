package arrowfile

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
)

// maxColumn bounds the bytes of one column of one batch, its dictionaries
// included.
const maxColumn = 1 << 30

// loader reads columns of one batch.
type loader struct {
	layout    *layout
	file      adapter.File
	partition int
	batch     *ipcmeta.Batch
	unpack    unpacker
	// left is what the present column may still take.
	left int64
}

// column reads one column, and checks it.
func (l *loader) column(number int) (out arrow.Array, err error) {
	defer guard(&err)
	f := l.layout.fields[number]
	if len(l.layout.notes.Blocks) == 0 {
		return array.NewBuilder(memory.DefaultAllocator, f.kind).NewArray(), nil
	}
	b := l.layout.notes.Blocks[l.partition]
	if l.batch == nil {
		if l.batch, err = readBlock(l.file, b, ipcmeta.KindBatch); err != nil {
			return nil, err
		}
	}
	l.left = maxColumn
	dictionaries, err := l.dictionaries(f.ids)
	if err != nil {
		return nil, err
	}
	c := &cursor{
		loader: l, batch: l.batch, body: b[0] + b[1], node: f.nodes, variadic: f.variadic,
		buffer:       f.buffers + viewBuffers(l.batch, f.variadic),
		dictionaries: dictionaries,
	}
	data, err := c.load(f.kind)
	if err != nil {
		return nil, err
	}
	if int64(data.Len()) != l.layout.notes.Rows[l.partition] {
		return nil, unprocessable("%d rows, expected %d", data.Len(), l.layout.notes.Rows[l.partition])
	}
	out = array.MakeFromData(data)
	return out, validate(out)
}

// viewBuffers counts the buffers of views before a field, of which each batch
// has as many as it likes.
func viewBuffers(batch *ipcmeta.Batch, before int) int {
	total := int64(0)
	for _, n := range batch.Variadic[:min(before, len(batch.Variadic))] {
		total += min(max(n, 0), int64(len(batch.Buffers)))
	}
	return int(min(total, int64(len(batch.Buffers))))
}

// dictionaries reads those with the ids, in their order: the last that stands
// before the batch, with what was added to it since.
func (l *loader) dictionaries(ids []int64) ([]arrow.Array, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	n := l.layout.notes
	blocks := n.Dictionaries
	if n.Before != nil {
		blocks = blocks[:min(max(n.Before[l.partition], 0), len(blocks))]
	}
	pieces := map[int64][]arrow.Array{}
	for _, id := range ids {
		pieces[id] = nil
	}
	for _, b := range blocks {
		batch, err := readBlock(l.file, b, ipcmeta.KindDictionary)
		if err != nil {
			return nil, err
		}
		id := batch.Dictionary
		if _, wanted := pieces[id]; !wanted {
			continue
		}
		c := &cursor{loader: l, batch: batch, body: b[0] + b[1]}
		data, err := c.load(l.layout.kinds[id])
		if err != nil {
			return nil, err
		}
		values := array.MakeFromData(data)
		if err := validate(values); err != nil {
			return nil, err
		}
		if !batch.Delta {
			pieces[id] = nil
		}
		pieces[id] = append(pieces[id], values)
	}
	return l.joined(ids, pieces)
}

func (l *loader) joined(ids []int64, pieces map[int64][]arrow.Array) ([]arrow.Array, error) {
	out := make([]arrow.Array, len(ids))
	for i, id := range ids {
		var err error
		switch parts := pieces[id]; len(parts) {
		case 0:
			out[i] = array.NewBuilder(memory.DefaultAllocator, l.layout.kinds[id]).NewArray()
		case 1:
			out[i] = parts[0]
		default:
			if out[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
				return nil, unprocessable("dictionary %d: %w", id, err)
			}
		}
	}
	return out, nil
}

// cursor walks the nodes and buffers of a batch.
type cursor struct {
	*loader
	batch                  *ipcmeta.Batch
	body                   int64 // where it stands in the file
	node, buffer, variadic int
	dictionaries           []arrow.Array
}

// load reads a field with all that is nested in it.
func (c *cursor) load(t arrow.DataType) (*array.Data, error) {
	switch t := t.(type) {
	case arrow.ExtensionType:
		stored, err := c.load(t.StorageType())
		if err != nil {
			return nil, err
		}
		return array.NewData(t, stored.Len(), stored.Buffers(), stored.Children(), stored.NullN(), 0), nil
	case *arrow.DictionaryType:
		return c.encoded(t)
	}
	if c.node >= len(c.batch.Nodes) {
		return nil, unprocessable("the batch has fewer fields than the schema")
	}
	node := c.batch.Nodes[c.node]
	c.node++
	rows, nulls := int(node.Length), int(node.Nulls)
	if t.ID() == arrow.NULL {
		return array.NewData(t, rows, []*memory.Buffer{nil}, nil, rows, 0), nil
	}
	buffers, err := c.buffers(t, node)
	if err != nil {
		return nil, err
	}
	var nested []arrow.ArrayData
	for _, kind := range children(t) {
		child, err := c.load(kind)
		if err != nil {
			return nil, err
		}
		if list, ok := t.(*arrow.FixedSizeListType); ok && int64(child.Len()) < product(node.Length, int64(list.Len())) {
			return nil, unprocessable("lists of %d in %d rows have %d values", list.Len(), rows, child.Len())
		}
		nested = append(nested, child)
	}
	return array.NewData(t, rows, buffers, nested, nulls, 0), nil
}

// encoded reads the indices of a dictionary-encoded field.
func (c *cursor) encoded(t *arrow.DictionaryType) (*array.Data, error) {
	indices, err := c.load(t.IndexType)
	if err != nil {
		return nil, err
	}
	if len(c.dictionaries) == 0 {
		return nil, unprocessable("a dictionary is missing")
	}
	values := c.dictionaries[0]
	c.dictionaries = c.dictionaries[1:]
	dictionary, ok := values.Data().(*array.Data)
	if !ok {
		return nil, unprocessable("a dictionary of no data")
	}
	return array.NewDataWithDictionary(t, indices.Len(), indices.Buffers(), indices.NullN(), 0, dictionary), nil
}

// buffers reads those of one node, and checks that they hold its rows.
func (c *cursor) buffers(t arrow.DataType, node ipcmeta.Node) ([]*memory.Buffer, error) {
	specs := t.Layout().Buffers
	if t.Layout().VariadicSpec != nil {
		if c.variadic >= len(c.batch.Variadic) || c.batch.Variadic[c.variadic] < 0 ||
			c.batch.Variadic[c.variadic] > int64(len(c.batch.Buffers)) {
			return nil, unprocessable("a view without its buffers")
		}
		specs = specs[:len(specs):len(specs)]
		for range c.batch.Variadic[c.variadic] {
			specs = append(specs, arrow.SpecVariableWidth())
		}
		c.variadic++
	}
	out := make([]*memory.Buffer, len(specs))
	for i, spec := range specs {
		if c.buffer >= len(c.batch.Buffers) {
			return nil, unprocessable("the batch has fewer buffers than the schema needs")
		}
		span := c.batch.Buffers[c.buffer]
		c.buffer++
		if i == 0 && node.Nulls == 0 {
			continue // all are valid, whatever the bits say
		}
		data, err := c.read(span)
		if err != nil {
			return nil, err
		}
		need := least(t, spec, node.Length)
		if int64(len(data)) < need {
			return nil, unprocessable("a buffer of %d bytes for %d rows", len(data), node.Length)
		}
		out[i] = memory.NewBufferBytes(data)
	}
	return out, nil
}

// least is how long a buffer must be at least.
func least(t arrow.DataType, spec arrow.BufferSpec, rows int64) int64 {
	switch spec.Kind {
	case arrow.KindBitmap:
		return rows/8 + (rows%8+7)/8
	case arrow.KindFixedWidth:
		if _, ok := t.(arrow.OffsetsDataType); ok && rows > 0 {
			rows++
		}
		return product(rows, int64(spec.ByteWidth))
	default:
		return 0
	}
}

// read reads a buffer of the batch, and unpacks it.
func (c *cursor) read(span ipcmeta.Span) ([]byte, error) {
	if c.left -= span.Length; c.left < 0 {
		return nil, unprocessable("more than %d bytes in one batch", maxColumn)
	}
	data := make([]byte, span.Length)
	if err := adapter.ReadFull(c.file, data, c.body+span.Offset); err != nil {
		return nil, err
	}
	if c.batch.Codec == "" || len(data) == 0 {
		return data, nil
	}
	data, err := c.unpack.buffer(c.batch.Codec, data, c.left)
	c.left -= int64(len(data))
	return data, err
}
