// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxDepth bounds how deep a document may be nested.
const maxDepth = 512

// parseDocument reads a document of plain values: nil, bool, int64, uint64, float64,
// string, []byte, time.Time, []any and map[string]any.
func parseDocument(contentType string, data []byte) (any, error) {
	kind, _, _ := strings.Cut(contentType, ";")
	switch strings.TrimSpace(kind) {
	case "application/x-msgpack":
		doc, rest, err := parseMsgpack(data, 0)
		if err == nil && len(rest) > 0 {
			err = malformed("bytes behind its end")
		}
		return doc, err
	case "application/json":
		return parseJSON(data)
	}
	return nil, fmt.Errorf("answer: media type %.100q, expected application/x-msgpack or application/json: %w", contentType, errdef.ErrUnprocessable)
}

func malformed(why string) error {
	return fmt.Errorf("answer: document: %s: %w", why, errdef.ErrUnprocessable)
}

func parseJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, malformed(err.Error())
	}
	return numbers(doc), nil
}

// numbers gives JSON's numbers the types that msgpack's have.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return math.Inf(1)
		}
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return value
}

// parseMsgpack reads one value and returns what follows it. Memory grows with what was
// sent, not with what a length claims.
func parseMsgpack(data []byte, depth int) (value any, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, malformed("nested too deep")
	}
	defer func() {
		if err != nil {
			value, rest = nil, nil
		}
	}()
	switch msgp.NextType(data) {
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(data)
	case msgp.BoolType:
		value, rest, err = msgp.ReadBoolBytes(data)
	case msgp.IntType:
		value, rest, err = msgp.ReadInt64Bytes(data)
	case msgp.UintType:
		var n uint64
		n, rest, err = msgp.ReadUint64Bytes(data)
		value = n
		if n <= math.MaxInt64 {
			value = int64(n)
		}
	case msgp.Float64Type:
		value, rest, err = msgp.ReadFloat64Bytes(data)
	case msgp.Float32Type:
		var f float32
		f, rest, err = msgp.ReadFloat32Bytes(data)
		value = float64(f)
	case msgp.StrType:
		value, rest, err = msgp.ReadStringBytes(data)
	case msgp.BinType:
		value, rest, err = msgp.ReadBytesBytes(data, nil)
	case msgp.TimeType, msgp.ExtensionType:
		value, rest, err = parseTime(data)
	case msgp.ArrayType:
		return parseList(data, depth)
	case msgp.MapType:
		return parseMap(data, depth)
	default:
		return nil, nil, malformed("a type that is not known, or its end is missing")
	}
	if err != nil {
		return nil, nil, malformed(err.Error())
	}
	return value, rest, nil
}

func parseTime(data []byte) (any, []byte, error) {
	t, rest, err := msgp.ReadTimeBytes(data)
	return t.UTC(), rest, err
}

func parseList(data []byte, depth int) (any, []byte, error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(data)
	if err != nil || int64(n) > int64(len(rest)) {
		return nil, nil, malformed("a list is cut off")
	}
	out := make([]any, 0, min(n, 1024))
	for range n {
		var item any
		if item, rest, err = parseMsgpack(rest, depth+1); err != nil {
			return nil, nil, err
		}
		out = append(out, item)
	}
	return out, rest, nil
}

func parseMap(data []byte, depth int) (any, []byte, error) {
	n, rest, err := msgp.ReadMapHeaderBytes(data)
	if err != nil || int64(n) > int64(len(rest)) {
		return nil, nil, malformed("a map is cut off")
	}
	out := make(map[string]any, min(n, 64))
	for range n {
		var key []byte
		if key, rest, err = msgp.ReadMapKeyZC(rest); err != nil {
			return nil, nil, malformed("a key is no text")
		}
		name := string(key)
		if out[name], rest, err = parseMsgpack(rest, depth+1); err != nil {
			return nil, nil, err
		}
	}
	return out, rest, nil
}

// object, list, text and texts take a value for what it should be, or for nothing.
func object(v any) map[string]any { m, _ := v.(map[string]any); return m }
func list(v any) []any            { l, _ := v.([]any); return l }
func text(v any) string           { s, _ := v.(string); return s }

func texts(v any) []string {
	items := list(v)
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, text(item))
	}
	return out
}

// Decode puts a document of plain values into target, a pointer to a struct or
// anything else that package encoding/json knows: by its rules, with NaN and infinities
// as null, bytes as base64 and times as RFC 3339. What does not fit is
// errdef.ErrUnprocessable.
func Decode(document, target any) error {
	data, err := json.Marshal(jsonable(document))
	if err == nil {
		err = json.Unmarshal(data, target)
	}
	if err != nil {
		return fmt.Errorf("decode: %w: %w", err, errdef.ErrUnprocessable)
	}
	return nil
}

// jsonable replaces what JSON cannot say.
func jsonable(value any) any {
	switch v := value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonable(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = jsonable(v[k])
		}
		return out
	}
	return value
}
