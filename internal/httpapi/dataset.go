package httpapi

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// datasetRead is variables of an xarray data set that are read as one table,
// as xarray's to_dataframe does it: a row for each point of all their axes,
// the last axis fastest, and a column for each variable.
type datasetRead struct {
	variables []datasetVariable
	// dims and sizes are the axes of all variables, in the order in which
	// they appear.
	dims  []string
	sizes []int64
	// rows in all; rowBytes of one.
	rows, rowBytes int64
}

type datasetVariable struct {
	arrayRead
	column columnKind
	// axes are the places in datasetRead.dims of the array's axes.
	axes []int
}

// sendDataset answers with variables of a data set as a table: all, or those
// that fields names, in that order.
func (c *call) sendDataset(n node, fields []string, choice media.Choice) error {
	if len(fields) == 0 {
		fields = n.desc.Keys
	}
	read, version, err := c.variables(n, fields)
	if err != nil {
		return err
	}
	size := bytesOf(read.rows, read.rowBytes)
	if err := c.limit(size); err != nil {
		return err
	}
	schema := make([]arrow.Field, len(read.variables))
	for i, v := range read.variables {
		schema[i] = arrow.Field{Name: fields[i], Type: v.column.arrow, Nullable: true}
	}
	payload := media.Payload{Params: choice.Params, Table: &media.Table{Schema: arrow.NewSchema(schema, nil), Rows: read.rows}}
	planned, err := choice.Encoder.Plan(payload)
	if err != nil {
		return err
	}
	chosen, err := c.negotiateCoding(choice.MediaType, max(planned, size))
	if err != nil {
		return err
	}
	check := validate(version, "dataset", strings.Join(n.path, "/"), fmt.Sprintf("%q", fields), choice.ContentType,
		strconv.Itoa(choice.Encoder.Version()), fmt.Sprint(choice.Params))
	if err := c.notModified(check, chosen.Tag(), c.accepts); err != nil {
		return err
	}
	return c.send(check, body{
		contentType: choice.ContentType, size: planned, typeSize: 1, coding: chosen,
		encode: func(ctx context.Context, w io.Writer) error {
			payload.Table.Batches = func(columns []int) iter.Seq2[arrow.RecordBatch, error] {
				return c.datasetBatches(ctx, read, payload.Table.Schema, columns)
			}
			return choice.Encoder.Encode(ctx, w, payload)
		},
	})
}

// variables describes the members of a data set that were asked for and pins
// their versions. Nothing is read.
func (c *call) variables(n node, fields []string) (*datasetRead, adapter.Version, error) {
	version := n.version
	container, ok := adapter.As[adapter.Container](n.adapter)
	if !ok {
		return nil, version, c.notFamily(n, structure.FamilyContainer)
	}
	if len(fields) > maxExport {
		return nil, version, invalid("parameter field: %d fields, at most %d are sent at once", len(fields), maxExport)
	}
	read := &datasetRead{rows: 1}
	seen := map[string]bool{}
	for _, key := range fields {
		if seen[key] {
			return nil, version, invalid("parameter field: %s is there twice", quoted(key))
		}
		seen[key] = true
		child, err := container.Child(c.ctx, key)
		if err != nil {
			return nil, version, invalid("parameter field: the data set has no member %s: %v", quoted(key), err)
		}
		d, _, err := child.Describe(c.ctx)
		if err != nil {
			return nil, version, err
		}
		variable, ok := adapter.As[adapter.Array](child)
		if !ok || d.Family != structure.FamilyArray {
			return nil, version, unprocessable("parameter field: %s is no array: a member of a data set must be", quoted(key))
		}
		sel := ndslice.All(d.Array.Shape)
		v, err := variable.Version(c.ctx, d, sel)
		if err != nil {
			return nil, version, err
		}
		version = catalog.Combine(version, v)
		if err := read.add(key, arrayRead{source: variable, desc: d, version: v, sel: sel}); err != nil {
			return nil, version, err
		}
	}
	if len(read.variables) == 0 {
		read.dims, read.sizes, read.rows = []string{""}, []int64{0}, 0
	}
	return read, version, nil
}

// add places a variable's axes among those of the others.
func (d *datasetRead) add(key string, read arrayRead) error {
	form := read.desc.Array
	kind, err := columnOf(form.DataType)
	if err != nil {
		return fmt.Errorf("variable %s: %w", quoted(key), err)
	}
	v := datasetVariable{arrayRead: read, column: kind, axes: make([]int, len(form.Shape))}
	for i, extent := range form.Shape {
		name := fmt.Sprintf("%s axis %d", key, i)
		if i < len(form.Dims) {
			name = form.Dims[i]
		}
		at := 0
		for at < len(d.dims) && d.dims[at] != name {
			at++
		}
		if at == len(d.dims) {
			d.dims, d.sizes = append(d.dims, name), append(d.sizes, extent)
			d.rows = bytesOf(d.rows, extent)
		}
		if d.sizes[at] != extent {
			return unprocessable("variable %s: its axis %s has the extent %d, that of another variable %d", quoted(key), quoted(name), extent, d.sizes[at])
		}
		v.axes[i] = at
	}
	d.variables = append(d.variables, v)
	d.rowBytes += max(form.DataType.ItemSize, 1)
	return nil
}

// batchBytes is about how large the batches of a data set are.
const batchBytes = 4 << 20

// datasetBatches yields the rows, cut along the first axis, of the columns
// with those indices or of all. Each batch holds its share of the flight
// budget until the next is asked for.
func (c *call) datasetBatches(ctx context.Context, d *datasetRead, schema *arrow.Schema, columns []int) iter.Seq2[arrow.RecordBatch, error] {
	if columns != nil {
		fields := make([]arrow.Field, len(columns))
		for i, col := range columns {
			fields[i] = schema.Field(col)
		}
		schema = arrow.NewSchema(fields, nil)
	} else {
		for i := range d.variables {
			columns = append(columns, i)
		}
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		if len(d.sizes) == 0 {
			c.datasetBatch(ctx, d, schema, columns, 0, 1, yield)
			return
		}
		first := d.sizes[0]
		if d.rows == 0 {
			return
		}
		step := max(1, batchBytes/max(1, bytesOf(d.rows/first, d.rowBytes)))
		for at := int64(0); at < first; at += step {
			if !c.datasetBatch(ctx, d, schema, columns, at, min(step, first-at), yield) {
				return
			}
		}
	}
}

// datasetBatch reads and yields the rows of count steps along the first axis.
func (c *call) datasetBatch(ctx context.Context, d *datasetRead, schema *arrow.Schema, columns []int, from, count int64, yield func(arrow.RecordBatch, error) bool) bool {
	sizes, rows := append([]int64(nil), d.sizes...), int64(1)
	if len(sizes) > 0 {
		sizes[0] = count
	}
	for _, n := range sizes {
		rows *= n
	}
	need := int64(0)
	for _, col := range columns {
		v := &d.variables[col]
		need = max(need, c.blocksOf(&v.arrayRead)+bytesOf(v.sel.Len(), v.itemSize()))
	}
	held, err := c.reserve(ctx, need+2*bytesOf(rows, d.rowBytes))
	if err != nil {
		yield(nil, err)
		return false
	}
	defer held.Release()
	arrays := make([]arrow.Array, len(columns))
	for i, col := range columns {
		v := &d.variables[col]
		data, err := c.datasetColumn(ctx, v, sizes, from, rows)
		if err != nil {
			yield(nil, err)
			return false
		}
		arrays[i] = v.column.array(data, rows)
	}
	return yield(array.NewRecordBatch(schema, arrays, rows), nil)
}

// datasetColumn reads the part of a variable that belongs to the rows, and
// repeats it along the axes that the variable has not.
func (c *call) datasetColumn(ctx context.Context, v *datasetVariable, sizes []int64, from, rows int64) ([]byte, error) {
	window := ndslice.All(v.desc.Array.Shape)
	for i, axis := range v.axes {
		if axis == 0 {
			window[i] = ndslice.Axis{Start: from, Count: sizes[0], Step: 1}
		}
	}
	item := v.itemSize()
	data, err := c.gather(ctx, &v.arrayRead, window, window.Len()*item)
	if err != nil {
		return nil, err
	}
	strides, step, plain := make([]int64, len(sizes)), int64(1), len(v.axes) == len(sizes)
	for i := len(v.axes) - 1; i >= 0; i-- {
		strides[v.axes[i]] += step
		step *= sizes[v.axes[i]]
		plain = plain && v.axes[i] == i
	}
	if plain {
		return data, nil
	}
	out := make([]byte, 0, rows*item)
	wheel, at := make([]int64, len(sizes)), int64(0)
	for range rows {
		out = append(out, data[at*item:(at+1)*item]...)
		for axis := len(sizes) - 1; axis >= 0; axis-- {
			wheel[axis]++
			at += strides[axis]
			if wheel[axis] < sizes[axis] {
				break
			}
			at -= strides[axis] * sizes[axis]
			wheel[axis] = 0
		}
	}
	return out, nil
}
