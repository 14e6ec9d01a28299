package zarr

import (
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/structure"
)

// v3Type reads a data type of format version 3: those of the specification,
// and the extensions that zarr-python writes. Elements are little-endian.
func v3Type(v any, depth int) (structure.DType, error) {
	name, config, err := named(v, "data_type")
	if err != nil {
		return structure.DType{}, err
	}
	if text := simpleType(name); text != "" {
		return structure.ParseDType(text)
	}
	if bits, ok := strings.CutPrefix(name, "r"); ok {
		if n, err := strconv.ParseInt(bits, 10, 64); err == nil && n > 0 && n%8 == 0 {
			return structure.ParseDType("|V" + strconv.FormatInt(n/8, 10))
		}
	}
	size, hasSize := config["length_bytes"].(int64)
	switch {
	case name == "null_terminated_bytes" && hasSize:
		return structure.ParseDType("|S" + strconv.FormatInt(size, 10))
	case name == "raw_bytes" && hasSize:
		return structure.ParseDType("|V" + strconv.FormatInt(size, 10))
	case name == "fixed_length_utf32" && hasSize && size%4 == 0:
		return structure.ParseDType("<U" + strconv.FormatInt(size/4, 10))
	case name == "numpy.datetime64" || name == "numpy.timedelta64":
		return v3Time(name, config)
	case name == "structured" || name == "struct":
		return v3Struct(config, depth)
	}
	return structure.DType{}, unsupported("the data type %.40q", name)
}

func simpleType(name string) string {
	return map[string]string{
		"bool": "|b1", "int8": "|i1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
		"uint8": "|u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
		"float16": "<f2", "float32": "<f4", "float64": "<f8", "complex64": "<c8", "complex128": "<c16",
	}[name]
}

func v3Time(name string, config map[string]any) (structure.DType, error) {
	unit, ok := config["unit"].(string)
	scale, hasScale := config["scale_factor"].(int64)
	if !ok || !hasScale {
		return structure.DType{}, unprocessable("data_type: %s: expected a unit and a scale_factor", name)
	}
	if unit == "μs" { // as the extension's own document spells it
		unit = "us"
	}
	text := "<M8["
	if name == "numpy.timedelta64" {
		text = "<m8["
	}
	if scale != 1 {
		text += strconv.FormatInt(scale, 10)
	}
	return structure.ParseDType(text + unit + "]")
}

// v3Struct reads fields as [name, type] or as {"name", "data_type"}.
func v3Struct(config map[string]any, depth int) (structure.DType, error) {
	fields, ok := config["fields"].([]any)
	if !ok || len(fields) > maxFields || depth > 16 {
		return structure.DType{}, unprocessable("data_type: expected a list of at most %d fields", maxFields)
	}
	t := structure.DType{Fields: make([]structure.Field, 0, len(fields))}
	for _, f := range fields {
		var name, kind any
		switch f := f.(type) {
		case []any:
			if len(f) == 2 {
				name, kind = f[0], f[1]
			}
		case map[string]any:
			name, kind = f["name"], f["data_type"]
		}
		text, ok := name.(string)
		if !ok {
			return structure.DType{}, unprocessable("data_type: a field has no name")
		}
		inner, err := v3Type(kind, depth+1)
		if err != nil {
			return structure.DType{}, err
		}
		t.Fields = append(t.Fields, structure.Field{Name: text, Type: inner})
		if t.ItemSize += inner.ItemSize; t.ItemSize > maxChunk {
			return structure.DType{}, unprocessable("data_type: an element of more than %d bytes", maxChunk)
		}
	}
	return t, nil
}

// maxFields bounds the members of one structured type.
const maxFields = 4096
