package csvfile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// maxColumns bounds the fields of a record.
	maxColumns = 1 << 16
	// maxRecord bounds the bytes of a record.
	maxRecord = 16 << 20
	// peek is what is read of the beginning, and behind the border of a cell,
	// before more is asked for.
	peek = 64 << 10
)

// head is what the first two records say.
type head struct {
	// names of the columns as they stand in the file.
	names []string
	// width is the number of fields in a record: that of the names or, if it
	// has more, of the first record of data.
	width int
	// data is the place behind the names, text what stands before it.
	data int64
	text string
}

// index is the number of leading fields without a name. As pandas does, they
// are taken for an index.
func (h *head) index() int { return h.width - len(h.names) }

// readHead reads the first two records.
func (d *document) readHead(ctx context.Context, comma byte) (*head, error) {
	for size := int64(peek); ; size *= 4 {
		text, err := d.load(ctx, d.begin, d.begin+size)
		if err != nil {
			return nil, err
		}
		s := scanner{text: text, comma: comma, last: d.begin+size >= d.size, keep: maxColumns}
		h, result := parseHead(&s)
		switch {
		case result == short && size > maxRecord:
			return nil, fmt.Errorf("csv %s: no end of the first lines within %d bytes: %w", d.name, size, errdef.ErrUnprocessable)
		case result == short:
			continue
		case result == unended:
			return nil, d.fault(ctx, &faultError{at: d.begin + d.span(text[:s.at]), why: unendedText})
		case h == nil:
			return nil, fmt.Errorf("csv %s: no columns: expected a line with their names: %w", d.name, errdef.ErrUnprocessable)
		case h.width > maxColumns:
			return nil, fmt.Errorf("csv %s: %d columns, no more than %d can be served: %w", d.name, h.width, maxColumns, errdef.ErrUnprocessable)
		}
		h.data = d.begin + d.span(h.text)
		return h, nil
	}
}

// parseHead returns nil if there is no record at all.
func parseHead(s *scanner) (*head, state) {
	border := len(s.text) + 1
	result := s.next(border)
	if result == done && !s.last {
		result = short
	}
	if result != found {
		return nil, result
	}
	h := &head{names: slices.Clone(s.fields), width: s.count, text: s.text[:s.at]}
	result = s.next(border)
	if result == found {
		h.width = max(h.width, s.count)
	}
	if result == done && !s.last {
		result = short
	}
	return h, result
}

// columnNames are the names as pandas changes them: x, x.1 for a name that is
// there twice, Unnamed: 2 for an empty one.
func (h *head) columnNames(latin1 bool) []string {
	names := make([]string, len(h.names))
	var order, unnamed []int
	present := map[string]int{}
	for i, name := range h.names {
		if latin1 {
			name = fromLatin1(name)
		}
		if name == "" {
			name = "Unnamed: " + strconv.Itoa(i)
			unnamed = append(unnamed, i)
		} else {
			order = append(order, i)
		}
		names[i] = name
		present[name]++
	}
	counts := map[string]int{}
	for _, i := range append(order, unnamed...) {
		old, name, n := names[i], names[i], counts[names[i]]
		for n > 0 {
			counts[old] = n + 1
			name = old + "." + strconv.Itoa(n)
			if present[name] > 0 {
				n++
			} else {
				n = counts[name]
			}
		}
		if name != old {
			present[old]--
			present[name]++
			names[i] = name
		}
		counts[name] = n + 1
	}
	return names
}

func (h *head) valid() bool { return utf8.ValidString(h.text) }

// schema returns the columns in the order of the table: those with names, then
// the index, which pandas' metadata tell from the others. kinds are those of
// the fields of a record.
func (h *head) schema(kinds []kind, latin1 bool) *arrow.Schema {
	names, index := h.columnNames(latin1), h.index()
	fields := make([]arrow.Field, 0, h.width)
	for i, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: kinds[index+i].arrowType(), Nullable: true})
	}
	for i := range index {
		name := "__index_level_" + strconv.Itoa(i) + "__"
		fields = append(fields, arrow.Field{Name: name, Type: kinds[i].arrowType(), Nullable: true})
	}
	if index == 0 {
		return arrow.NewSchema(fields, nil)
	}
	metadata := arrow.NewMetadata([]string{"pandas"}, []string{pandasIndex(fields, len(names))})
	return arrow.NewSchema(fields, &metadata)
}

// pandasIndex describes a table whose columns from at on are its index, in the
// form that pyarrow's to_pandas reads.
func pandasIndex(fields []arrow.Field, at int) string {
	index := []string{}
	columns := []map[string]any{}
	for i, f := range fields {
		kind := map[string]string{"large_utf8": "object", "utf8": "object"}[f.Type.Name()]
		if kind == "" {
			kind = f.Type.String()
		}
		if kind == "double" {
			kind = "float64"
		}
		column := map[string]any{
			"name": f.Name, "field_name": f.Name, "pandas_type": kind, "numpy_type": kind, "metadata": nil,
		}
		if i >= at {
			column["name"] = nil
			index = append(index, f.Name)
		}
		columns = append(columns, column)
	}
	text, err := json.Marshal(map[string]any{
		"index_columns": index, "column_indexes": []any{}, "columns": columns,
		"creator": map[string]string{"library": "terrazzo", "version": ""}, "pandas_version": nil,
	})
	if err != nil {
		return "{}" // strings and maps of them do not fail
	}
	return string(text)
}
