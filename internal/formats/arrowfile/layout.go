package arrowfile

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
)

// layout says where the parts of each field stand in a batch.
type layout struct {
	notes  *notes
	fields []field
	// kinds are the types of the values of each dictionary.
	kinds map[int64]arrow.DataType
}

// field is a top-level field, and the parts that stand before it.
type field struct {
	name                     string
	kind                     arrow.DataType
	nodes, buffers, variadic int
	// ids are the dictionaries that it needs, depth first.
	ids []int64
}

// counts are how many parts of a batch a field takes.
type counts struct {
	nodes, buffers, variadic int
	dictionaries             []arrow.DataType
}

func newLayout(schema *arrow.Schema, n *notes) (*layout, error) {
	l := &layout{notes: n, kinds: map[int64]arrow.DataType{}}
	before := counts{}
	for _, f := range schema.Fields() {
		at := before
		if err := before.add(f.Type); err != nil {
			return nil, fmt.Errorf("column %.40q: %w", f.Name, err)
		}
		used := len(before.dictionaries)
		if used > len(n.IDs) {
			return nil, unprocessable("column %.40q: a dictionary without an id", f.Name)
		}
		ids := n.IDs[len(at.dictionaries):used]
		for i, id := range ids {
			l.kinds[id] = before.dictionaries[len(at.dictionaries)+i]
		}
		l.fields = append(l.fields, field{
			name: f.Name, kind: f.Type, nodes: at.nodes, buffers: at.buffers, variadic: at.variadic, ids: ids,
		})
	}
	if len(before.dictionaries) != len(n.IDs) {
		return nil, fmt.Errorf("dictionaries within dictionaries: %w", errdef.ErrUnsupported)
	}
	return l, nil
}

// add counts the parts of a type.
func (c *counts) add(t arrow.DataType) error {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		c.dictionaries = append(c.dictionaries, t.ValueType)
		inner := counts{}
		if err := inner.add(t.ValueType); err != nil || len(inner.dictionaries) > 0 {
			return fmt.Errorf("a dictionary of %s: %w", t.ValueType, errdef.ErrUnsupported)
		}
		return c.add(t.IndexType)
	case arrow.ExtensionType:
		return c.add(t.StorageType())
	case *arrow.NullType:
		c.nodes++
		return nil
	case arrow.UnionType, *arrow.RunEndEncodedType, *arrow.ListViewType, *arrow.LargeListViewType:
		return fmt.Errorf("the type %s: %w", t, errdef.ErrUnsupported)
	}
	c.nodes++
	c.buffers += len(t.Layout().Buffers)
	if t.Layout().VariadicSpec != nil {
		c.variadic++
	}
	for _, child := range children(t) {
		if err := c.add(child); err != nil {
			return err
		}
	}
	return nil
}

// children are the types of the fields nested in t, as they are stored.
func children(t arrow.DataType) []arrow.DataType {
	nested, ok := t.(arrow.NestedType)
	if !ok {
		return nil
	}
	fields := nested.Fields()
	out := make([]arrow.DataType, len(fields))
	for i, f := range fields {
		out[i] = f.Type
	}
	if m, ok := t.(*arrow.MapType); ok {
		return []arrow.DataType{m.Elem()}
	}
	return out
}

// sizes estimates what the columns of a batch take in memory: exactly, but for
// compressed texts, which are taken for a fourth of themselves.
func sizes(schema *arrow.Schema, b *ipcmeta.Batch) []int64 {
	out := make([]int64, schema.NumFields())
	l := sizer{batch: b}
	for i, f := range schema.Fields() {
		out[i] = l.size(f.Type)
	}
	return out
}

// sizer walks the nodes and buffers of a batch.
type sizer struct {
	batch                   *ipcmeta.Batch
	node, buffer, variadics int
}

func (s *sizer) size(t arrow.DataType) int64 {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return s.size(t.IndexType)
	case arrow.ExtensionType:
		return s.size(t.StorageType())
	}
	if s.node >= len(s.batch.Nodes) {
		return 0
	}
	rows := s.batch.Nodes[s.node].Length
	s.node++
	if t.ID() == arrow.NULL {
		return rows // they take nothing here, but something wherever they are sent
	}
	total := int64(0)
	for _, spec := range t.Layout().Buffers {
		total = sum(total, s.next(spec, rows))
	}
	if t.Layout().VariadicSpec != nil && s.variadics < len(s.batch.Variadic) {
		for range min(s.batch.Variadic[s.variadics], int64(len(s.batch.Buffers))) {
			total = sum(total, s.next(arrow.SpecVariableWidth(), rows))
		}
		s.variadics++
	}
	for _, child := range children(t) {
		total = sum(total, s.size(child))
	}
	return total
}

func (s *sizer) next(spec arrow.BufferSpec, rows int64) int64 {
	if s.buffer >= len(s.batch.Buffers) {
		return 0
	}
	stored := s.batch.Buffers[s.buffer].Length
	s.buffer++
	switch {
	case stored == 0 || s.batch.Codec == "":
		return stored
	case spec.Kind == arrow.KindBitmap:
		return rows/8 + 1
	case spec.Kind == arrow.KindFixedWidth:
		return product(rows+1, int64(spec.ByteWidth))
	default:
		return product(stored, 4)
	}
}

func sum(a, b int64) int64 {
	if a > 1<<62-b {
		return 1 << 62
	}
	return a + b
}

func product(a, b int64) int64 {
	if b > 0 && a > 1<<62/b {
		return 1 << 62
	}
	return a * b
}
