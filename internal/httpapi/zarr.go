package httpapi

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/blosc"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// zarrChunk bounds the extent of a chunk along one axis, as Tiled does.
const zarrChunk = 10000

// zarrChunks gives the regular chunks under which an array is shown to Zarr
// clients: Zarr has no irregular ones.
func zarrChunks(a *structure.Array) []int64 {
	out := make([]int64, len(a.Chunks))
	for i, axis := range a.Chunks {
		out[i] = min(zarrChunk, max(1, slices.Max(axis)))
	}
	return out
}

// zarrV2 answers GET /zarr/v2/{path}: documents, chunks and listings.
func (c *call) zarrV2() error {
	if n := len(c.path); n > 0 {
		last := c.path[n-1]
		switch last {
		case ".zattrs", ".zgroup", ".zarray", ".zmetadata":
			c.path = c.path[:n-1]
			return c.zarrV2Document(last)
		}
		if v2Chunk.MatchString(last) {
			return c.zarrChunk(last, ".", c.path[:n-1])
		}
	}
	return c.zarrListing()
}

// v2Chunk is the key of a chunk of Zarr version 2.
var v2Chunk = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{1,18})*$`)

func (c *call) zarrV2Document(name string) error {
	return c.twice(func() error {
		n, err := c.lookup()
		if err != nil {
			return err
		}
		if name == ".zmetadata" || (name == ".zarray") != (n.desc.Family == structure.FamilyArray) && name != ".zattrs" {
			return fmt.Errorf("%s: a node of structure family %q has none: %w", name, n.desc.Family, errdef.ErrNotFound)
		}
		var doc any
		switch name {
		case ".zattrs":
			doc, _ = n.desc.Metadata["attributes"].(map[string]any)
			if doc.(map[string]any) == nil { //nolint:forcetypeassert // set in the line above
				doc = map[string]any{}
			}
		case ".zgroup":
			doc = map[string]any{"zarr_format": int64(2)}
		default:
			a := n.desc.Array
			doc = map[string]any{
				"chunks": zarrChunks(a), "dtype": descr(a.DataType), "fill_value": nil, "filters": nil, "order": "C", "shape": a.Shape, "zarr_format": int64(2),
				"compressor": map[string]any{"blocksize": int64(0), "clevel": int64(5), "cname": "lz4", "id": "blosc", "shuffle": int64(1)},
			}
		}
		return c.zarrDocument(n, name, doc)
	})
}

// zarrDocument sends a JSON document of the node n.
func (c *call) zarrDocument(n node, name string, doc any) error {
	check := validate(n.version, documentVersion, "zarr", c.base(), strings.Join(n.path, "/"), name)
	if err := c.freshDocument(check); err != nil {
		return err
	}
	text, err := document.AppendJSON(nil, doc)
	if err != nil {
		return err
	}
	chosen, err := c.negotiateCoding("application/json", int64(len(text)))
	if err != nil {
		return err
	}
	return c.send(check, body{contentType: "application/json", size: int64(len(text)), typeSize: 1, coding: chosen, encode: func(_ context.Context, w io.Writer) error {
		_, err := w.Write(text)
		return err
	}})
}

// descr is numpy's description of a type as Zarr version 2 writes it.
func descr(t structure.DType) any {
	if t.Fields == nil {
		return t.String()
	}
	fields := make([]any, len(t.Fields))
	for i, f := range t.Fields {
		field := []any{f.Name, descr(f.Type)}
		if f.Shape != nil {
			field = append(field, f.Shape)
		}
		fields[i] = field
	}
	return fields
}

// zarrListing shows the members of a group as absolute addresses.
func (c *call) zarrListing() error {
	return c.twice(func() error {
		n, err := c.lookup()
		if err != nil {
			return err
		}
		names := []any{}
		at := c.origin() + strings.TrimSuffix(inLink([]string{strings.TrimPrefix(c.r.URL.Path, c.RootPath)}), "/") + "/"
		version := n.version
		switch n.desc.Family {
		case structure.FamilyContainer:
			page, err := catalog.Search(c.ctx, n.adapter, catalog.Query{Limit: 1 << 40})
			if err != nil {
				return err
			}
			for _, item := range page.Items {
				names = append(names, at+inLink([]string{item.Key}))
			}
			version = catalog.Combine(version, page.Version)
		case structure.FamilyTable:
			for _, name := range n.desc.Table.Columns() {
				names = append(names, at+inLink([]string{name}))
			}
		default:
			return c.zarrDocument(n, "listing", map[string]any{})
		}
		n.version = version
		return c.zarrDocument(n, "listing", names)
	})
}

// zarrV3 answers GET /zarr/v3/{path}.
func (c *call) zarrV3() error {
	if n := len(c.path); n > 0 && c.path[n-1] == "zarr.json" {
		c.path = c.path[:n-1]
		return c.zarrV3Document()
	}
	if at := slices.Index(c.path, "c"); at >= 0 {
		// The chunk key follows the last "c" behind which only numbers stand.
		for i := len(c.path) - 1; i >= at; i-- {
			if c.path[i] == "c" {
				return c.zarrChunk(strings.Join(c.path[i+1:], "/"), "/", c.path[:i])
			}
			if !v2Chunk.MatchString(c.path[i]) {
				break
			}
		}
	}
	return c.zarrListing()
}

func (c *call) zarrV3Document() error {
	return c.twice(func() error {
		n, err := c.lookup()
		if err != nil {
			return err
		}
		attributes := n.desc.Metadata
		if attributes == nil {
			attributes = map[string]any{}
		}
		doc := document.Object{{Key: "zarr_format", Value: int64(3)}, {Key: "node_type", Value: "group"}, {Key: "attributes", Value: attributes}}
		if n.desc.Family == structure.FamilyArray {
			if doc, err = zarrV3Array(n.desc, attributes); err != nil {
				return err
			}
		}
		return c.zarrDocument(n, "zarr.json", doc)
	})
}

func zarrV3Array(d *adapter.Description, attributes map[string]any) (document.Object, error) {
	kind, fill, err := zarrV3Type(d.Array.DataType)
	if err != nil {
		return nil, err
	}
	doc := document.Object{
		{Key: "zarr_format", Value: int64(3)},
		{Key: "node_type", Value: "array"},
		{Key: "shape", Value: d.Array.Shape},
		{Key: "data_type", Value: kind},
		{Key: "chunk_grid", Value: map[string]any{"name": "regular", "configuration": map[string]any{"chunk_shape": zarrChunks(d.Array)}}},
		{Key: "chunk_key_encoding", Value: map[string]any{"name": "default", "configuration": map[string]any{"separator": "/"}}},
		{Key: "fill_value", Value: fill},
		{Key: "codecs", Value: []any{
			map[string]any{"name": "bytes", "configuration": map[string]any{"endian": "little"}},
			map[string]any{"name": "blosc", "configuration": map[string]any{
				"typesize": max(1, d.Array.DataType.ItemSize), "cname": "lz4", "clevel": int64(5), "shuffle": "shuffle", "blocksize": int64(0),
			}},
		}},
		{Key: "attributes", Value: attributes},
	}
	if d.Array.Dims != nil {
		doc = append(doc, document.Pair{Key: "dimension_names", Value: d.Array.Dims})
	}
	return doc, nil
}

// zarrV3Type names a type as Zarr version 3 does, with its fill value.
func zarrV3Type(t structure.DType) (name, fill any, err error) {
	bits := strconv.FormatInt(t.ItemSize*8, 10)
	switch t.Kind {
	case 'b':
		return "bool", false, nil
	case 'i':
		return "int" + bits, int64(0), nil
	case 'u':
		return "uint" + bits, int64(0), nil
	case 'f':
		return "float" + bits, 0.0, nil
	case 'c':
		return "complex" + bits, []any{0.0, 0.0}, nil
	case 'S':
		return map[string]any{"name": "null_terminated_bytes", "configuration": map[string]any{"length_bytes": t.ItemSize}}, "", nil
	case 'U':
		return map[string]any{"name": "fixed_length_utf32", "configuration": map[string]any{"length_bytes": t.ItemSize}}, "", nil
	case 'M', 'm':
		kind := map[byte]string{'M': "numpy.datetime64", 'm': "numpy.timedelta64"}[t.Kind]
		unit := strings.Trim(t.Units, "[]")
		letters := strings.TrimLeft(unit, "0123456789")
		scale, err := strconv.ParseInt(unit[:len(unit)-len(letters)], 10, 64)
		if err != nil {
			scale = 1
		}
		if letters == "" {
			letters = "generic"
		}
		return map[string]any{"name": kind, "configuration": map[string]any{"unit": letters, "scale_factor": scale}}, "NaT", nil
	}
	return nil, nil, fmt.Errorf("zarr version 3 has no name for the data type %s; use version 2 or array/full: %w", t, errdef.ErrNotAcceptable)
}

// zarrChunk sends one chunk of the array at path, padded with zeros to its
// full extent, in one Blosc chunk.
func (c *call) zarrChunk(key, separator string, path []string) error {
	c.path = path
	return c.twice(func() error {
		n, array, err := c.array()
		if err != nil {
			return err
		}
		chunk, sel, err := c.zarrSelection(n.desc.Array, key, separator)
		if err != nil {
			return err
		}
		item := n.desc.Array.DataType.ItemSize
		size := bytesOf(ndslice.All(chunk).Len(), item)
		if err := c.limit(size); err != nil {
			return err
		}
		read := &arrayRead{source: array, desc: n.desc, sel: sel}
		if read.version, err = array.Version(c.ctx, n.desc, sel); err != nil {
			return err
		}
		plain, err := c.Coding.Negotiate("identity", "application/octet-stream", -1, c.Class(c.r))
		if err != nil {
			return err
		}
		check := validate(read.version, documentVersion, "zarr", strings.Join(n.path, "/"), separator, sel.String())
		if err := c.notModified(check, "", c.accepts); err != nil {
			return err
		}
		swap := separator == "/" && n.desc.Array.DataType.Endianness == structure.Big
		return c.send(check, body{contentType: "application/octet-stream", size: -1, coding: plain, encode: func(ctx context.Context, w io.Writer) error {
			return c.encodeZarrChunk(ctx, w, read, chunk, size, swap)
		}})
	})
}

// zarrSelection finds the part of the array that a chunk's key names.
func (c *call) zarrSelection(a *structure.Array, key, separator string) (chunk []int64, sel ndslice.Selection, err error) {
	chunk = zarrChunks(a)
	index, err := c.numbers("chunk", strings.ReplaceAll(key, separator, ","))
	if err != nil {
		return nil, nil, err
	}
	if len(chunk) == 0 && (len(index) == 0 || slices.Equal(index, []int64{0})) {
		return chunk, ndslice.Selection{}, nil
	}
	if len(index) != len(chunk) {
		return nil, nil, invalid("chunk %s: it has %d numbers for an array of %d axes", quoted(key), len(index), len(chunk))
	}
	for i, at := range index {
		if at >= max(1, (a.Shape[i]+chunk[i]-1)/chunk[i]) {
			return nil, nil, invalid("chunk %s is out of range for shape %v in chunks of %v", quoted(key), a.Shape, chunk)
		}
		start := at * chunk[i]
		sel = append(sel, ndslice.Axis{Start: start, Step: 1, Count: min(chunk[i], a.Shape[i]-start)})
	}
	return chunk, sel, nil
}

func (c *call) encodeZarrChunk(ctx context.Context, w io.Writer, read *arrayRead, chunk []int64, size int64, swap bool) error {
	region := read.sel.Shape()
	regionSize := read.sel.Len() * read.itemSize()
	held, err := c.reserveLong(ctx, 2*size+regionSize+c.blocksOf(read))
	if err != nil {
		return err
	}
	defer held.Release()
	data, err := c.gather(ctx, read, read.sel, regionSize)
	if err != nil {
		return err
	}
	if !slices.Equal(region, chunk) {
		padded := make([]byte, size)
		whole := ndslice.Piece{Shape: region, Source: ndslice.All(region), Target: make([]int64, len(region))}
		if err := ndslice.Gather(padded, ndslice.All(chunk), whole, data, region, int(read.itemSize())); err != nil {
			return err
		}
		data = padded
	}
	if swap {
		data = swapped(data, read.desc.Array.DataType)
	}
	encoder := blosc.Encoder{Codec: blosc.LZ4}
	packed, err := encoder.Append(nil, data, int(read.itemSize()))
	if err != nil {
		return err
	}
	_, err = w.Write(packed)
	return err
}

// swapped returns a copy with the bytes of each number the other way round.
func swapped(data []byte, t structure.DType) []byte {
	width := int(t.ItemSize)
	switch t.Kind {
	case 'c':
		width /= 2
	case 'U':
		width = 4
	}
	out := slices.Clone(data)
	for at := 0; at+width <= len(out); at += width {
		slices.Reverse(out[at : at+width])
	}
	return out
}
