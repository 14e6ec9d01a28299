// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
	"github.com/terrazzo-data/terrazzo/structure"
)

// maxAxes and maxChunks bound the shape that a document may claim.
const (
	maxAxes   = 64
	maxChunks = 1 << 24
)

func unprocessable(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), errdef.ErrUnprocessable)
}

// parseArray reads the structure of an array.
func parseArray(doc map[string]any) (*structure.Array, error) {
	kind, err := parseDType(object(doc["data_type"]), 0)
	if err != nil {
		return nil, err
	}
	a := &structure.Array{DataType: kind, Shape: []int64{}}
	if a.Shape, err = extents(doc["shape"], maxAxes); err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	if total := elements(a.Shape); kind.ItemSize > 0 && total > (1<<62)/kind.ItemSize {
		return nil, unprocessable("shape %v: more bytes than there can be", a.Shape)
	}
	chunks := list(doc["chunks"])
	if len(chunks) != len(a.Shape) {
		return nil, unprocessable("chunks: %d axes, the shape has %d", len(chunks), len(a.Shape))
	}
	for i, axis := range chunks {
		sizes, err := extents(axis, maxChunks)
		if err != nil {
			return nil, fmt.Errorf("chunks: axis %d: %w", i, err)
		}
		left := a.Shape[i]
		for _, n := range sizes {
			left -= min(n, left+1)
		}
		if left != 0 {
			return nil, unprocessable("chunks: axis %d does not add up to %d", i, a.Shape[i])
		}
		a.Chunks = append(a.Chunks, sizes)
	}
	if dims := list(doc["dims"]); dims != nil {
		if a.Dims = texts(dims); len(a.Dims) != len(a.Shape) {
			return nil, unprocessable("dims: %d names for %d axes", len(a.Dims), len(a.Shape))
		}
	}
	return a, nil
}

func elements(shape []int64) int64 {
	total := int64(1)
	for _, n := range shape {
		if n == 0 {
			return 0
		}
		if total > (1<<62)/n {
			return 1 << 62
		}
		total *= n
	}
	return total
}

// extents reads a list of numbers >= 0.
func extents(v any, most int) ([]int64, error) {
	items, ok := v.([]any)
	if !ok || len(items) > most {
		return nil, unprocessable("expected a list of at most %d extents", most)
	}
	out := make([]int64, len(items))
	for i, item := range items {
		n, ok := item.(int64)
		if !ok || n < 0 {
			return nil, unprocessable("an extent of %v", item)
		}
		out[i] = n
	}
	return out, nil
}

// parseDType reads a data type in the form of the protocol.
func parseDType(doc map[string]any, depth int) (structure.DType, error) {
	descr, err := descrOf(doc, depth)
	if err != nil {
		return structure.DType{}, fmt.Errorf("data type: %w", err)
	}
	return structure.ParseDescr(descr)
}

// descrOf brings it into the form of numpy, which the structure package checks.
func descrOf(doc map[string]any, depth int) (any, error) {
	if doc == nil || depth > 16 {
		return nil, unprocessable("expected an object, not nested too deep")
	}
	if fields, ok := doc["fields"].([]any); ok {
		out := make([]any, len(fields))
		for i, f := range fields {
			field := object(f)
			inner, err := descrOf(object(field["dtype"]), depth+1)
			if err != nil {
				return nil, err
			}
			parts := []any{field["name"], inner}
			if shape, ok := field["shape"].([]any); ok {
				parts = append(parts, shape)
			}
			out[i] = parts
		}
		return out, nil
	}
	size, ok := doc["itemsize"].(int64)
	kind := text(doc["kind"])
	if !ok || len(kind) != 1 {
		return nil, unprocessable("kind %q, itemsize %v", kind, doc["itemsize"])
	}
	order := map[string]string{"little": "<", "big": ">"}[text(doc["endianness"])]
	if order == "" {
		order = "|"
	}
	if kind == "U" {
		if size%4 != 0 {
			return nil, unprocessable("kind U with an itemsize of %d", size)
		}
		size /= 4
	}
	return fmt.Sprintf("%s%s%d%s", order, kind, size, text(doc["dt_units"])), nil
}

// maxPartitions bounds the partitions that a document may claim.
const maxPartitions = 1 << 24

// parseTable reads the structure of a table.
func parseTable(doc map[string]any) (*structure.Table, error) {
	count, ok := doc["npartitions"].(int64)
	if !ok || count < 0 || count > maxPartitions {
		return nil, unprocessable("npartitions: %v", doc["npartitions"])
	}
	_, encoded, found := strings.Cut(text(doc["arrow_schema"]), ";base64,")
	if !found {
		return nil, unprocessable("arrow_schema: expected a data URI")
	}
	message, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, unprocessable("arrow_schema: %v", err)
	}
	if _, err := ipcmeta.CheckSchema(message); err != nil {
		return nil, fmt.Errorf("arrow_schema: %w", err)
	}
	schema, err := structure.ParseSchemaMessage(message)
	if err != nil {
		return nil, fmt.Errorf("arrow_schema: %w", err)
	}
	return &structure.Table{Schema: schema, NPartitions: int(count)}, nil
}
