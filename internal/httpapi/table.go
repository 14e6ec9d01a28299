package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/structure"
)

// tableRead is some columns of some partitions at a pinned version.
type tableRead struct {
	source     adapter.Table
	desc       *adapter.Description
	version    adapter.Version
	partitions []int
	columns    []int
	schema     *arrow.Schema
}

// tableFull answers GET and POST /table/full/{path}.
func (c *call) tableFull() error { return c.tableOf([]string{"column", "field"}, false) }

// tablePartition answers GET and POST /table/partition/{path}.
func (c *call) tablePartition() error { return c.tableOf([]string{"column", "field"}, true) }

// tableOf answers with columns of a table, of one partition or of all.
func (c *call) tableOf(parameters []string, onePartition bool) error {
	names, err := c.names(parameters...)
	if err != nil {
		return err
	}
	return c.twice(func() error {
		n, err := c.lookup()
		if err != nil {
			return err
		}
		table, ok := adapter.As[adapter.Table](n.adapter)
		if !ok || n.desc.Family != structure.FamilyTable {
			return c.notFamily(n, structure.FamilyTable)
		}
		read := &tableRead{source: table, desc: n.desc}
		if read.partitions, err = c.partitions(n, onePartition); err != nil {
			return err
		}
		if err := read.project(names); err != nil {
			return err
		}
		return c.sendTable(n, read)
	})
}

// bodyBytes bounds a POST body, a list of names, and maxNames how many it may
// hold. How long it takes to arrive is the server's to bound.
const (
	bodyBytes = 4 << 20
	maxNames  = 100_000
)

// names reads a list of names: of a POST the body, else the parameters.
func (c *call) names(parameters ...string) ([]string, error) {
	if c.r.Method == http.MethodPost {
		if coded := c.r.Header.Get("Content-Encoding"); coded != "" && coded != "identity" {
			return nil, fmt.Errorf("body: its coding %s is not read here; send it as it is: %w", quoted(coded), errdef.ErrUnsupported)
		}
		text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, bodyBytes))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			return nil, fmt.Errorf("body: more than %d bytes: %w", bodyBytes, errdef.ErrTooLarge)
		case err != nil:
			return nil, invalid("body: %v", err)
		}
		if len(text) == 0 {
			return nil, nil
		}
		var names []string
		if err := json.Unmarshal(text, &names); err != nil {
			return nil, &parameterError{where: "body", name: "names", cause: unprocessable("expected a JSON list of names")}
		}
		if len(names) > maxNames {
			return nil, fmt.Errorf("body: %d names, at most %d are taken: %w", len(names), maxNames, errdef.ErrTooLarge)
		}
		return names, nil
	}
	var names []string
	for _, p := range parameters {
		names = append(names, c.query[p]...)
	}
	return names, nil
}

func (c *call) partitions(n node, one bool) ([]int, error) {
	count := n.desc.Table.NPartitions
	if !one {
		all := make([]int, count)
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	if !c.query.Has("partition") {
		return nil, c.parameter("partition", "it is missing; expected a number from 0 to %d", count-1)
	}
	p, err := c.number("partition", 0, math.MinInt64)
	if err != nil {
		return nil, err
	}
	if p < 0 || p >= int64(count) {
		return nil, invalid("parameter partition: %d is out of range; the table has %d partitions", p, count)
	}
	return []int{int(p)}, nil
}

// project picks columns by name, in the order asked for; none means all. The
// columns of pandas' index follow them, since clients need those to make a
// frame.
func (t *tableRead) project(names []string) error {
	schema := t.desc.Table.Schema
	if len(names) == 0 {
		t.schema = schema
		for i := range schema.NumFields() {
			t.columns = append(t.columns, i)
		}
		return nil
	}
	fields := make([]arrow.Field, 0, len(names))
	seen := map[string]bool{}
	for _, name := range append(slices.Clone(names), t.desc.Table.IndexColumns()...) {
		at := schema.FieldIndices(name)
		if len(at) == 0 {
			return invalid("parameter column: the table has no column %s", quoted(name))
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		t.columns = append(t.columns, at[0])
		fields = append(fields, schema.Field(at[0]))
	}
	metadata := schema.Metadata()
	t.schema = arrow.NewSchema(fields, &metadata)
	return nil
}

// size is how many bytes the columns have in memory, and rows their length,
// as far as that is known without reading; else -1.
func (t *tableRead) size() (size, rows int64) {
	for _, p := range t.partitions {
		part := t.desc.Partitions[p]
		rows += part.Rows
		for _, col := range t.columns {
			if part.ColumnBytes == nil || size < 0 {
				size = -1
				continue
			}
			size += part.ColumnBytes[col]
		}
	}
	return size, rows
}

// pageAccept is what Tiled's web page accepts. It takes a JSON sequence for
// plain lines, and shows no rows if records begin as RFC 7464 wants it.
const pageAccept = "application/json, text/plain, */*"

func (c *call) sendTable(n node, read *tableRead) error {
	size, rows := read.size()
	if err := c.limit(size); err != nil {
		return err
	}
	format, _ := c.one("format")
	choice, err := c.Media.Negotiate(n.desc.Family, n.desc.Specs, format, c.accept())
	if err != nil {
		return err
	}
	if choice.MediaType == "application/json-seq" && c.accept() == pageAccept {
		choice.Params = map[string]string{"rs": "absent"}
	}
	payload := media.Payload{Params: choice.Params, Table: &media.Table{Schema: read.schema, Rows: rows}}
	planned, err := choice.Encoder.Plan(payload)
	if err != nil {
		return err
	}
	chosen, err := c.negotiateCoding(choice.MediaType, max(planned, size))
	if err != nil {
		return err
	}
	if read.version, err = read.source.Version(c.ctx, n.desc, read.partitions); err != nil {
		return err
	}
	check := validate(read.version, "table", strings.Join(n.path, "/"), fmt.Sprint(read.partitions), fmt.Sprint(read.columns),
		choice.ContentType, strconv.Itoa(choice.Encoder.Version()), fmt.Sprint(choice.Params))
	if err := c.notModified(check, chosen.Tag(), c.accepts); err != nil {
		return err
	}
	return c.send(check, body{
		contentType: choice.ContentType, size: planned, typeSize: 1, coding: chosen,
		encode: func(ctx context.Context, w io.Writer) error {
			payload.Table.Batches = func(columns []int) iter.Seq2[arrow.RecordBatch, error] { return c.batches(ctx, read, columns) }
			return choice.Encoder.Encode(ctx, w, payload)
		},
	})
}

// batches yields one batch for each partition, of the columns of the
// projection with those indices, or of all. Each holds its share of the flight
// budget until the next is asked for.
func (c *call) batches(ctx context.Context, t *tableRead, columns []int) iter.Seq2[arrow.RecordBatch, error] {
	schema, wanted := t.schema, t.columns
	if columns != nil {
		fields := make([]arrow.Field, len(columns))
		wanted = make([]int, len(columns))
		for i, col := range columns {
			fields[i], wanted[i] = t.schema.Field(col), t.columns[col]
		}
		metadata := t.schema.Metadata()
		schema = arrow.NewSchema(fields, &metadata)
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, p := range t.partitions {
			if !c.batch(ctx, t, p, schema, wanted, yield) {
				return
			}
		}
	}
}

// unknownBytes is what a partition of unknown size is taken for.
const unknownBytes = 64 << 20

func (c *call) batch(ctx context.Context, t *tableRead, partition int, schema *arrow.Schema, columns []int, yield func(arrow.RecordBatch, error) bool) bool {
	part := tableRead{desc: t.desc, partitions: []int{partition}, columns: columns}
	size, _ := part.size()
	if size < 0 {
		size = unknownBytes
	}
	held, err := c.reserveLong(ctx, 2*size) // the columns, and what they are decoded from
	if err != nil {
		yield(nil, err)
		return false
	}
	defer held.Release()
	got, err := c.columns(ctx, t, partition, columns)
	if err != nil {
		yield(nil, err)
		return false
	}
	held.Shrink(size)
	return yield(array.NewRecordBatch(schema, got.Arrays, got.Rows), nil)
}
