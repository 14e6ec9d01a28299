package zarr

import (
	"strings"

	"github.com/terrazzo-data/terrazzo/structure"
)

// parseV3 reads an array's metadata of format version 3 (zarr.json).
func parseV3(doc map[string]any) (*array, error) {
	if doc["zarr_format"] != int64(3) {
		return nil, unprocessable("zarr_format: expected 3")
	}
	if err := understood(doc); err != nil {
		return nil, err
	}
	var a array
	var err error
	if a.shape, err = extents(doc["shape"], "shape"); err != nil {
		return nil, err
	}
	name, grid, err := named(doc["chunk_grid"], "chunk_grid")
	if err != nil {
		return nil, err
	}
	if name != "regular" {
		return nil, unsupported("the chunk grid %.40q", name)
	}
	if a.chunk, err = extents(grid["chunk_shape"], "chunk_shape"); err != nil {
		return nil, err
	}
	if a.dtype, err = v3Type(doc["data_type"], 0); err != nil {
		return nil, err
	}
	if a.fill, err = parseFill(doc["fill_value"], a.dtype); err != nil {
		return nil, err
	}
	if a.key, err = v3Key(doc["chunk_key_encoding"]); err != nil {
		return nil, err
	}
	if a.dims, err = dimensions(doc["dimension_names"], len(a.shape)); err != nil {
		return nil, err
	}
	return &a, v3Codecs(doc["codecs"], &a)
}

// understood refuses what a reader must know and this one does not: the
// format wants it so.
func understood(doc map[string]any) error {
	const known = " zarr_format node_type shape data_type chunk_grid chunk_key_encoding codecs fill_value " +
		"attributes dimension_names storage_transformers consolidated_metadata "
	for key, v := range doc {
		if strings.Contains(known, " "+key+" ") {
			continue
		}
		if extension, ok := v.(map[string]any); ok && extension["must_understand"] == false {
			continue
		}
		return unsupported("the metadata extension %.40q", key)
	}
	if list, ok := doc["storage_transformers"].([]any); ok && len(list) > 0 {
		return unsupported("storage transformers")
	}
	return nil
}

// named reads an extension point: a name alone, or one with a configuration.
func named(v any, what string) (string, map[string]any, error) {
	if name, ok := v.(string); ok {
		return name, nil, nil
	}
	object, _ := v.(map[string]any)
	name, ok := object["name"].(string)
	config, isObject := object["configuration"].(map[string]any)
	if !ok || !isObject && object["configuration"] != nil {
		return "", nil, unprocessable("%s: expected a name and a configuration", what)
	}
	return name, config, nil
}

func v3Key(v any) (keyEncoding, error) {
	name, config, err := named(v, "chunk_key_encoding")
	if err != nil {
		return keyEncoding{}, err
	}
	k, preset := keyEncoding{prefix: "c"}, "/"
	switch name {
	case "default":
	case "v2":
		k.prefix, preset = "", "."
	default:
		return k, unsupported("the chunk key encoding %.40q", name)
	}
	k.separator, err = separator(config["separator"], preset)
	return k, err
}

// dimensions returns the names of the axes, or nil unless every one has one,
// as Tiled does.
func dimensions(v any, axes int) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok || len(list) != axes {
		return nil, unprocessable("the names of dimensions: expected a list of %d", axes)
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		if name, ok := e.(string); ok {
			out = append(out, name)
		}
	}
	if len(out) != axes {
		return nil, nil
	}
	return out, nil
}

// v3Codecs reads the codecs, the last thing to be known of an array: with
// sharding, the chunks are those within the shards.
func v3Codecs(v any, a *array) error {
	list, ok := v.([]any)
	if !ok || len(list) == 0 || len(list) > maxCodecs {
		return unprocessable("codecs: expected a list")
	}
	name, config, err := named(list[0], "codecs")
	if err != nil {
		return err
	}
	if name != "sharding_indexed" {
		if err := a.check(); err != nil {
			return err
		}
		a.codecs, err = v3Pipeline(list, a)
		return err
	}
	if len(list) > 1 {
		return unsupported("a codec behind sharding_indexed")
	}
	return sharding(config, a)
}

// sharding reads the configuration of the codec sharding_indexed.
func sharding(config map[string]any, a *array) error {
	s := &shard{shape: a.chunk}
	var err error
	if a.chunk, err = extents(config["chunk_shape"], "sharding_indexed: chunk_shape"); err != nil {
		return err
	}
	if err := a.check(); err != nil {
		return err
	}
	if len(s.shape) != len(a.chunk) {
		return unprocessable("shards of %d axes for an array of %d", len(s.shape), len(a.chunk))
	}
	chunks := int64(1)
	for i, n := range s.shape {
		if n < 1 || n%a.chunk[i] != 0 || n/a.chunk[i] > maxIndex/chunks {
			return unprocessable("shards of %v do not consist of chunks of %v, or of too many", s.shape, a.chunk)
		}
		chunks *= n / a.chunk[i]
	}
	switch config["index_location"] {
	case nil, "end":
	case "start":
		s.atStart = true
	default:
		return unprocessable("sharding_indexed: index_location: expected start or end")
	}
	inner, ok := config["codecs"].([]any)
	table, isList := config["index_codecs"].([]any)
	if !ok || !isList || len(inner) > maxCodecs || len(table) > maxCodecs {
		return unprocessable("sharding_indexed: expected codecs and index_codecs")
	}
	if a.codecs, err = v3Pipeline(inner, a); err != nil {
		return err
	}
	offsets := &array{dtype: structure.DType{Kind: 'u', ItemSize: 8, Endianness: structure.Little}, chunk: []int64{2 * chunks}}
	if s.index, err = v3Pipeline(table, offsets); err != nil {
		return err
	}
	if s.size, ok = s.index.encodedSize(); !ok {
		return unprocessable("sharding_indexed: the index is compressed, which the format forbids")
	}
	a.shard = s
	return nil
}

// maxIndex bounds the chunks of one shard.
const maxIndex = 1 << 22

// v3Pipeline reads a list of codecs, of which one turns the array into bytes.
func v3Pipeline(list []any, a *array) (pipeline, error) {
	var stages []codec
	serialised, filtered := false, false
	for _, v := range list {
		name, config, err := named(v, "codecs")
		if err != nil {
			return pipeline{}, err
		}
		switch name {
		case "bytes":
			if serialised {
				return pipeline{}, unprocessable("codecs: bytes stands there twice")
			}
			serialised = true
			if config["endian"] == "big" {
				if filtered {
					return pipeline{}, unsupported("big-endian bytes behind a filter")
				}
				stages = append(stages, swapsOf(a.dtype)...)
			}
		case "transpose":
			order, err := permutation(config["order"], len(a.chunk))
			if err != nil || serialised {
				return pipeline{}, unprocessable("codecs: transpose: no such order of %d axes, or behind bytes", len(a.chunk))
			}
			stages = append(stages, transposeOf(a, order)...)
			a = &array{dtype: a.dtype, chunk: permuted(a.chunk, order)}
		default:
			c, err := newCodec(strings.TrimPrefix(name, "numcodecs."), config)
			if err != nil {
				return pipeline{}, err
			}
			stages, filtered = append(stages, c), true
		}
	}
	if !serialised {
		return pipeline{}, unprocessable("codecs: none of them is bytes")
	}
	return newPipeline(stages, a.chunkBytes())
}

func permutation(v any, axes int) ([]int, error) {
	list, err := extents(v, "order")
	if err != nil {
		return nil, err
	}
	order, seen := make([]int, len(list)), make([]bool, axes)
	for i, n := range list {
		if n < 0 || n >= int64(axes) || seen[n] {
			return nil, unprocessable("order: %v is no permutation of %d axes", list, axes)
		}
		order[i], seen[n] = int(n), true
	}
	if len(list) != axes {
		return nil, unprocessable("order: %v is no permutation of %d axes", list, axes)
	}
	return order, nil
}

func permuted(shape []int64, order []int) []int64 {
	out := make([]int64, len(shape))
	for i, axis := range order {
		out[i] = shape[axis]
	}
	return out
}
