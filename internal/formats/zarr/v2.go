package zarr

import (
	"github.com/terrazzo-data/terrazzo/structure"
)

// parseV2 reads an array's metadata of format version 2 (.zarray).
func parseV2(doc map[string]any) (*array, error) {
	if doc["zarr_format"] != int64(2) {
		return nil, unprocessable("zarr_format: expected 2")
	}
	var a array
	var err error
	if a.shape, err = extents(doc["shape"], "shape"); err != nil {
		return nil, err
	}
	if a.chunk, err = extents(doc["chunks"], "chunks"); err != nil {
		return nil, err
	}
	if a.dtype, err = structure.ParseDescr(doc["dtype"]); err != nil {
		return nil, err
	}
	nameUnits(&a.dtype)
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.fill, err = parseFill(doc["fill_value"], a.dtype); err != nil {
		return nil, err
	}
	if a.key.separator, err = separator(doc["dimension_separator"], "."); err != nil {
		return nil, err
	}
	stages, err := v2Codecs(doc, &a)
	if err != nil {
		return nil, err
	}
	a.codecs, err = newPipeline(stages, a.chunkBytes())
	return &a, err
}

// v2Codecs lists the codecs in the order of encoding. Those of version 2 all
// work on bytes; the order of elements is set before them.
func v2Codecs(doc map[string]any, a *array) ([]codec, error) {
	var stages []codec
	switch doc["order"] {
	case "C":
	case "F":
		stages = append(stages, transposeOf(a, reversed(len(a.chunk)))...)
	default:
		return nil, unprocessable("order: expected C or F")
	}
	filters, ok := doc["filters"].([]any)
	if !ok && doc["filters"] != nil || len(filters) > maxCodecs {
		return nil, unprocessable("filters: expected a list")
	}
	if doc["compressor"] != nil {
		filters = append(filters[:len(filters):len(filters)], doc["compressor"])
	}
	for _, f := range filters {
		config, _ := f.(map[string]any)
		id, ok := config["id"].(string)
		if !ok {
			return nil, unprocessable("a codec has no id")
		}
		c, err := newCodec(id, config)
		if err != nil {
			return nil, err
		}
		stages = append(stages, c)
	}
	return stages, nil
}

func separator(v any, preset string) (string, error) {
	switch v {
	case nil:
		return preset, nil
	case ".", "/":
		return v.(string), nil
	}
	return "", unprocessable("the separator of chunk keys: expected . or /")
}

// nameUnits gives times without units the ones that Tiled gives them.
func nameUnits(t *structure.DType) {
	if (t.Kind == 'm' || t.Kind == 'M') && t.Units == "" {
		t.Units = "[generic]"
	}
}

func reversed(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = n - 1 - i
	}
	return order
}
