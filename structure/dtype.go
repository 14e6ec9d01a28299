package structure

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Endianness is the byte order of an element, in the protocol's words.
type Endianness string

// The byte orders.
const (
	Little        Endianness = "little"
	Big           Endianness = "big"
	NotApplicable Endianness = "not_applicable"
)

// DType is the type of an array's elements, as numpy knows it: a simple type,
// or, where Fields is not nil, a structured one.
type DType struct {
	// Kind is numpy's letter: b i u f c m M S U V; 0 for a structured type.
	Kind byte `json:"kind,omitempty"`
	// ItemSize is the length of an element in bytes.
	ItemSize   int64      `json:"itemsize"`
	Endianness Endianness `json:"endianness,omitempty"`
	// Units belong to kinds m and M: "[ns]", "[25s]", or empty for generic.
	Units  string  `json:"dt_units,omitempty"`
	Fields []Field `json:"fields,omitempty"`
}

// Field is one member of a structured type. Members lie behind each other;
// padding is a member of kind V.
type Field struct {
	Name string `json:"name"`
	Type DType  `json:"dtype"`
	// Shape is that of a sub-array, or nil.
	Shape []int64 `json:"shape,omitempty"`
}

// maxItemSize bounds the length of one element that a header may claim.
const maxItemSize = 1 << 30

// ParseDType reads numpy's string form of a simple type, such as "<f8", "|b1",
// "<U5" or ">M8[25s]". What is no such type is errdef.ErrUnprocessable; object
// arrays ("|O") are errdef.ErrUnsupported.
func ParseDType(text string) (DType, error) {
	bad := func(why string) (DType, error) {
		return DType{}, fmt.Errorf("dtype %.40q: %s: %w", text, why, errdef.ErrUnprocessable)
	}
	order, rest := byte('|'), text
	if rest != "" && strings.IndexByte("<>|=", rest[0]) >= 0 {
		order, rest = rest[0], rest[1:]
	}
	if rest == "" {
		return bad("expected a kind and a size, like <f8")
	}
	kind := rest[0]
	if kind == 'O' {
		return DType{}, fmt.Errorf("dtype %.40q: arrays of Python objects cannot be served: %w", text, errdef.ErrUnsupported)
	}
	digits, units := rest[1:], ""
	if at := strings.IndexByte(digits, '['); at >= 0 {
		digits, units = digits[:at], digits[at:]
	}
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 || size > maxItemSize {
		return bad("the size is no number in range")
	}
	if kind == 'U' {
		size *= 4
	}
	if kind == 'a' {
		kind = 'S'
	}
	t := DType{Kind: kind, ItemSize: size, Endianness: endianness(order, kind, size), Units: units}
	if why := t.fault(); why != "" {
		return bad(why)
	}
	if t.Units == "[generic]" { // numpy writes none
		t.Units = ""
	}
	return t, nil
}

// fault says what is wrong with a simple type, or nothing.
func (t DType) fault() string {
	sizes, ok := map[byte][]int64{
		'b': {1}, 'i': {1, 2, 4, 8}, 'u': {1, 2, 4, 8}, 'f': {2, 4, 8, 16}, 'c': {8, 16, 32}, 'm': {8}, 'M': {8},
		'S': nil, 'U': nil, 'V': nil,
	}[t.Kind]
	if !ok {
		return fmt.Sprintf("the kind %q is not known", t.Kind)
	}
	if t.Units != "" && (t.Kind != 'm' && t.Kind != 'M' || !validUnits(t.Units)) {
		return "the time units are not known"
	}
	if sizes == nil {
		return ""
	}
	for _, s := range sizes {
		if s == t.ItemSize {
			return ""
		}
	}
	return "no such size for this kind"
}

func validUnits(units string) bool {
	inner, ok := strings.CutSuffix(strings.TrimPrefix(units, "["), "]")
	if !ok {
		return false
	}
	letters := strings.TrimLeft(inner, "0123456789")
	if n := inner[:len(inner)-len(letters)]; n != "" {
		if v, err := strconv.ParseInt(n, 10, 32); err != nil || v < 1 {
			return false
		}
	}
	switch letters {
	case "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic":
		return true
	}
	return false
}

func endianness(order, kind byte, size int64) Endianness {
	switch {
	case kind == 'S' || kind == 'V' || kind == 'b' || size == 1 && kind != 'U':
		return NotApplicable
	case order == '>':
		return Big
	default:
		return Little
	}
}

// String returns numpy's string form, such as "<f8"; for a structured type
// its description as numpy prints it.
func (t DType) String() string {
	if t.Fields != nil {
		return t.fieldsString()
	}
	order := map[Endianness]string{Little: "<", Big: ">"}[t.Endianness]
	if order == "" {
		order = "|"
	}
	size := t.ItemSize
	if t.Kind == 'U' {
		size /= 4
	}
	return order + string(t.Kind) + strconv.FormatInt(size, 10) + t.Units
}

func (t DType) fieldsString() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, f := range t.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		kind := f.Type.String()
		if f.Type.Fields == nil {
			kind = "'" + kind + "'"
		}
		fmt.Fprintf(&b, "(%q, %s", f.Name, kind)
		if f.Shape != nil {
			fmt.Fprintf(&b, ", %v", f.Shape)
		}
		b.WriteByte(')')
	}
	b.WriteByte(']')
	return b.String()
}

// Document returns the type as it stands on the wire.
func (t DType) Document() map[string]any {
	if t.Fields == nil {
		doc := map[string]any{
			"endianness": string(t.Endianness), "kind": string(t.Kind), "itemsize": t.ItemSize, "dt_units": nil,
		}
		if t.Units != "" {
			doc["dt_units"] = t.Units
		}
		return doc
	}
	fields := make([]any, len(t.Fields))
	for i, f := range t.Fields {
		field := map[string]any{"name": f.Name, "dtype": f.Type.Document(), "shape": nil}
		if f.Shape != nil {
			field["shape"] = integers(f.Shape)
		}
		fields[i] = field
	}
	return map[string]any{"itemsize": t.ItemSize, "fields": fields}
}

// maxFields bounds the members of one structured type, nested ones included.
const maxFields = 4096

// ParseDescr reads numpy's array-interface description as JSON or a Python
// literal gives it: a string, or a list of [name, description, shape] where
// shape may be missing and name may be a pair whose second part is the name.
// Errors are those of [ParseDType].
func ParseDescr(descr any) (DType, error) {
	budget := maxFields
	return parseDescr(descr, &budget, 0)
}

func parseDescr(descr any, budget *int, depth int) (DType, error) {
	if text, ok := descr.(string); ok {
		return ParseDType(text)
	}
	list, ok := descr.([]any)
	if !ok || depth > 16 {
		return DType{}, fmt.Errorf("dtype: expected a string or a list of fields: %w", errdef.ErrUnprocessable)
	}
	t := DType{Fields: make([]Field, 0, min(len(list), maxFields))}
	for _, item := range list {
		if *budget--; *budget < 0 {
			return DType{}, fmt.Errorf("dtype: more than %d fields: %w", maxFields, errdef.ErrUnprocessable)
		}
		f, err := parseField(item, budget, depth)
		if err != nil {
			return DType{}, err
		}
		size := f.Type.ItemSize
		for _, n := range f.Shape {
			if n < 0 || n > 0 && size > maxItemSize/n {
				return DType{}, fmt.Errorf("dtype: field %.40q: the sub-array is too large: %w", f.Name, errdef.ErrUnprocessable)
			}
			size *= n
		}
		if t.ItemSize += size; t.ItemSize > maxItemSize {
			return DType{}, fmt.Errorf("dtype: an element of more than %d bytes: %w", maxItemSize, errdef.ErrUnprocessable)
		}
		t.Fields = append(t.Fields, f)
	}
	return t, nil
}

func parseField(item any, budget *int, depth int) (Field, error) {
	bad := fmt.Errorf("dtype: expected fields as [name, type] or [name, type, shape]: %w", errdef.ErrUnprocessable)
	parts, ok := item.([]any)
	if !ok || len(parts) < 2 || len(parts) > 3 {
		return Field{}, bad
	}
	name, ok := parts[0].(string)
	if pair, isPair := parts[0].([]any); isPair && len(pair) == 2 {
		name, ok = pair[1].(string)
	}
	if !ok {
		return Field{}, bad
	}
	kind, err := parseDescr(parts[1], budget, depth+1)
	if err != nil {
		return Field{}, err
	}
	f := Field{Name: name, Type: kind}
	if len(parts) == 2 {
		return f, nil
	}
	shape, ok := parts[2].([]any)
	if !ok {
		shape = []any{parts[2]}
	}
	f.Shape = make([]int64, 0, min(len(shape), 64))
	for _, n := range shape {
		extent, ok := integer(n)
		if !ok || len(f.Shape) >= 64 {
			return Field{}, bad
		}
		f.Shape = append(f.Shape, extent)
	}
	return f, nil
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	}
	return 0, false
}
