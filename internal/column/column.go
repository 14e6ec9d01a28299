// Package column shows one column of a table as an array, the way Tiled does:
// what pandas gives for it, and numpy makes of that.
//
// # Types
//
// Numbers, bools, times and durations keep their type. Missing values make
// floats NaN, times NaT, integers float64, and bools texts. Texts, bools with
// missing values, decimals and times of day become fixed-width unicode, as wide
// as the longest of them; bytes become fixed-width bytes. What stands for a
// missing text is what Tiled shows: "nan" for CSV, "<NA>" for Parquet, "None"
// else. Dictionary-encoded columns are decoded. Lists of one length become a
// second axis; other nested types are errdef.ErrUnsupported.
//
// # What it costs
//
// Some of these types depend on the values (is one missing, how long is the
// longest). Then the column is read once, partition by partition, when it is
// described for the first time; [Columns] remembers what came out for as long
// as the table's description lives.
package column

import (
	"context"
	"fmt"
	"sync"
	"weak"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/flight"
)

// maxRemembered bounds the columns that [Columns] remembers.
const maxRemembered = 1 << 14

// Columns makes nodes of columns, and remembers what was found out about them.
// The zero value is ready. It is safe for concurrent use and must not be copied.
type Columns struct {
	loads flight.Group[key, form]

	mu sync.Mutex
	// guards following
	known map[key]form
	order []key // oldest first
}

// key is a column of one state of a table, which its description stands for: a
// changed table is described anew.
type key struct {
	table  weak.Pointer[adapter.Description]
	column int
}

// Of returns the node of the column with that name; it reads nothing but the
// table's description. A column that is not there is errdef.ErrNotFound; other
// errors are those of the table's Describe.
func (c *Columns) Of(ctx context.Context, t adapter.Table, name string) (adapter.Adapter, error) {
	d, _, err := t.Describe(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := find(d, name); err != nil {
		return nil, err
	}
	return &node{columns: c, table: t, name: name}, nil
}

// Wait returns when no column is being read to find out about it.
func (c *Columns) Wait() { c.loads.Wait() }

// find returns the index of a column in the schema.
func find(d *adapter.Description, name string) (int, error) {
	if d.Table != nil {
		if at := d.Table.Schema.FieldIndices(name); len(at) > 0 {
			return at[0], nil
		}
	}
	return 0, fmt.Errorf("table: has no column %.100q: %w", name, errdef.ErrNotFound)
}

// form returns what the column becomes, reading it if that depends on its
// values and is not known.
func (c *Columns) form(ctx context.Context, t adapter.Table, d *adapter.Description, v adapter.Version, column int) (form, error) {
	field := d.Table.Schema.Field(column)
	if f, ok, err := formOf(field, d.MediaType); ok || err != nil {
		return f, err
	}
	k := key{weak.Make(d), column}
	c.mu.Lock()
	f, ok := c.known[k]
	c.mu.Unlock()
	if ok {
		return f, nil
	}
	f, _, err := c.loads.Do(ctx, k, func(ctx context.Context) (form, error) {
		f, err := survey(ctx, t, d, column)
		if err == nil && v.Trusted {
			c.remember(k, f)
		}
		return f, err
	})
	return f, err
}

func (c *Columns) remember(k key, f form) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[key]form{}
	}
	if _, ok := c.known[k]; !ok {
		c.order = append(c.order, k)
	}
	c.known[k] = f
	for len(c.order) > maxRemembered {
		delete(c.known, c.order[0])
		c.order = c.order[1:]
	}
}

// survey reads a column from beginning to end.
func survey(ctx context.Context, t adapter.Table, d *adapter.Description, column int) (form, error) {
	partitions := make([]int, len(d.Partitions))
	for i := range partitions {
		partitions[i] = i
	}
	v, err := t.Version(ctx, d, partitions)
	if err != nil {
		return form{}, err
	}
	field := d.Table.Schema.Field(column)
	seen := sight{missing: missingText(field.Type, d.MediaType), list: -1}
	for p := range partitions {
		got, err := t.ReadColumns(ctx, v, p, []int{column})
		if err != nil {
			return form{}, err
		}
		if err := seen.add(plain(got.Arrays[0])); err != nil {
			return form{}, fmt.Errorf("column %.100q: %w", field.Name, err)
		}
	}
	f, err := seen.form(plainType(field.Type))
	if err != nil {
		return form{}, fmt.Errorf("column %.100q: %w", field.Name, err)
	}
	return f, nil
}

// plain returns the array as it is stored, for extension types.
func plain(a arrow.Array) arrow.Array {
	for {
		extended, ok := a.(interface{ Storage() arrow.Array })
		if !ok {
			return a
		}
		a = extended.Storage()
	}
}

// plainType is the type of what a column holds: stored, and decoded.
func plainType(t arrow.DataType) arrow.DataType {
	for {
		switch inner := t.(type) {
		case arrow.ExtensionType:
			t = inner.StorageType()
		case *arrow.DictionaryType:
			t = inner.ValueType
		default:
			return t
		}
	}
}
