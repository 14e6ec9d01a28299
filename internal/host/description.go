package host

import (
	"encoding/json"
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// told is what a host says of an item: the body of its reply, a MessagePack
// map with the keys that docs/host-protocol.md lists.
type told struct {
	d *adapter.Description
	// token is given back with each read.
	token []byte
	// extents and parts name files by their ids.
	extents []Extent
	parts   []part
	// count is how many members there are: d has the first pageKeys of them.
	count int
	// prints says that blocks have fingerprints.
	prints bool
}

type part struct {
	File        int
	Start, Stop []int64
}

// appendTold encodes what is told.
func appendTold(t told) ([]byte, error) {
	d := t.d
	doc := map[string]any{
		"family": string(d.Family), "keys": texts(d.Keys[:min(len(d.Keys), pageKeys)]), "count": int64(t.count), "inline": d.Inline, "metadata": d.Metadata,
		"media_type": d.MediaType, "append_only": d.AppendOnly, "in_place": d.InPlace, "token": t.token,
		"block": ints(d.Grid.Block), "fingerprints": t.prints,
	}
	if d.Array != nil {
		array, err := json.Marshal(d.Array)
		if err != nil {
			return nil, fmt.Errorf("host protocol: structure: %w", err)
		}
		doc["array"] = array
	}
	if d.Table != nil {
		doc["schema"] = structure.SchemaMessage(d.Table.Schema)
		rows, sizes := make([]any, len(d.Partitions)), make([]any, len(d.Partitions))
		for i, p := range d.Partitions {
			rows[i], sizes[i] = p.Rows, ints(p.ColumnBytes)
		}
		doc["rows"], doc["column_bytes"] = rows, sizes
	}
	specs := make([]any, len(d.Specs))
	for i, s := range d.Specs {
		specs[i] = []any{s.Name, s.Version}
	}
	doc["specs"] = specs
	extents := make([]any, len(t.extents))
	for i, e := range t.extents {
		extents[i] = []any{int64(e.File), e.Offset, e.Length}
	}
	parts := make([]any, len(t.parts))
	for i, p := range t.parts {
		parts[i] = []any{int64(p.File), ints(p.Start), ints(p.Stop)}
	}
	doc["extents"], doc["parts"] = extents, parts
	b, err := msgp.AppendIntf(nil, doc)
	if err != nil {
		return nil, fmt.Errorf("host protocol: description: %w: %w", err, errdef.ErrUnprocessable)
	}
	return b, nil
}

func texts(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

func ints(values []int64) []any {
	if values == nil {
		return nil
	}
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// parseTold is the reverse of appendTold, of bytes that another process sent.
func parseTold(b []byte) (t told, err error) {
	v, rest, err := msgp.ReadIntfBytes(b)
	if err != nil || len(rest) > 0 {
		return told{}, fmt.Errorf("host protocol: description: %w: %w", err, errdef.ErrUnprocessable)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return told{}, fmt.Errorf("host protocol: the description is no map: %w", errdef.ErrUnprocessable)
	}
	p := parser{m: m}
	d := &adapter.Description{
		Family: structure.Family(p.text("family")), Inline: p.flag("inline"), MediaType: p.text("media_type"),
		AppendOnly: p.flag("append_only"), InPlace: p.flag("in_place"),
	}
	for _, k := range p.list("keys") {
		d.Keys = append(d.Keys, p.string(k))
	}
	d.Metadata, _ = m["metadata"].(map[string]any)
	if array := p.bytes("array"); len(array) > 0 {
		d.Array = &structure.Array{}
		if err := json.Unmarshal(array, d.Array); err != nil {
			return told{}, fmt.Errorf("host protocol: structure: %w: %w", err, errdef.ErrUnprocessable)
		}
		d.Grid = ndslice.Grid{Shape: d.Array.Shape, Block: p.ints(m["block"])}
		if err := d.Grid.Validate(); err != nil {
			return told{}, err
		}
	}
	if err := p.table(d); err != nil {
		return told{}, err
	}
	for _, s := range p.list("specs") {
		if pair := p.tuple(s, 2); pair != nil {
			d.Specs = append(d.Specs, structure.Spec{Name: p.string(pair[0]), Version: p.string(pair[1])})
		}
	}
	t = told{d: d, token: p.bytes("token"), prints: p.flag("fingerprints"), count: int(p.int(m["count"]))}
	for _, e := range p.list("extents") {
		if three := p.tuple(e, 3); three != nil {
			t.extents = append(t.extents, Extent{File: int(p.int(three[0])), Offset: p.int(three[1]), Length: p.int(three[2])})
		}
	}
	for _, e := range p.list("parts") {
		if three := p.tuple(e, 3); three != nil {
			t.parts = append(t.parts, part{File: int(p.int(three[0])), Start: p.ints(three[1]), Stop: p.ints(three[2])})
		}
	}
	return t, p.err
}

// parser takes values out of a map; after the first error it gives zeros.
type parser struct {
	m   map[string]any
	err error
}

func (p *parser) wrong(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("host protocol: description: expected %s: %w", what, errdef.ErrUnprocessable)
	}
}

func (p *parser) table(d *adapter.Description) error {
	schema := p.bytes("schema")
	if len(schema) == 0 {
		return nil
	}
	parsed, err := structure.ParseSchemaMessage(schema)
	if err != nil {
		return err
	}
	rows, sizes := p.list("rows"), p.list("column_bytes")
	if len(rows) != len(sizes) {
		p.wrong("as many column_bytes as rows")
		return p.err
	}
	d.Table = &structure.Table{Schema: parsed, NPartitions: len(rows)}
	for i := range rows {
		d.Partitions = append(d.Partitions, adapter.Partition{Rows: p.int(rows[i]), ColumnBytes: p.ints(sizes[i])})
	}
	return nil
}

func (p *parser) text(key string) string { return p.string(p.m[key]) }

func (p *parser) string(v any) string {
	s, ok := v.(string)
	if !ok {
		p.wrong("a text")
	}
	return s
}

func (p *parser) flag(key string) bool {
	v, ok := p.m[key].(bool)
	if !ok {
		p.wrong(key + " as true or false")
	}
	return v
}

func (p *parser) bytes(key string) []byte {
	v := p.m[key]
	b, ok := v.([]byte)
	if v != nil && !ok {
		p.wrong(key + " as bytes")
	}
	return b
}

func (p *parser) list(key string) []any {
	v := p.m[key]
	l, ok := v.([]any)
	if v != nil && !ok {
		p.wrong(key + " as a list")
	}
	return l
}

func (p *parser) tuple(v any, n int) []any {
	l, ok := v.([]any)
	if !ok || len(l) != n {
		p.wrong("a list of fixed length")
		return nil
	}
	return l
}

func (p *parser) int(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		if n <= 1<<63-1 {
			return int64(n)
		}
	}
	p.wrong("a whole number")
	return 0
}

func (p *parser) ints(v any) []int64 {
	if v == nil {
		return nil
	}
	l, ok := v.([]any)
	if !ok {
		p.wrong("a list of whole numbers")
		return nil
	}
	out := make([]int64, len(l))
	for i, e := range l {
		out[i] = p.int(e)
	}
	return out
}
