// Package document writes documents that are no data (metadata, errors, listings)
// as JSON and msgpack, and numbers, times and texts as these, or as Python shows
// them. Everything is appended to a slice that the caller owns; nothing is held.
package document

import (
	"fmt"
	"maps"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Pair is one entry of an [Object].
type Pair struct {
	Key   string
	Value any
}

// Object is a map in a document that keeps its order. A map[string]any is
// written in the order of its keys, so that equal documents are equal bytes.
type Object []Pair

// Msgpack is the media type of documents in msgpack.
const Msgpack = "application/x-msgpack"

// Appender writes one document: [AppendJSON] or [AppendMsgpack].
type Appender func(dst []byte, document any) ([]byte, error)

// AppenderOf is the one for a media type of documents: [Msgpack], else JSON.
func AppenderOf(documentType string) Appender {
	if documentType == Msgpack {
		return AppendMsgpack
	}
	return AppendJSON
}

// maxDepth bounds how deep a document may be nested.
const maxDepth = 512

// tooDeep and foreign are what is wrong with a document. Both are the fault of
// whoever made it, or of the file that it describes.
func tooDeep() error {
	return fmt.Errorf("document: nested deeper than %d: %w", maxDepth, errdef.ErrUnprocessable)
}

func foreign(value any) error {
	return fmt.Errorf("document: a value of type %T is no plain value: %w", value, errdef.ErrUnprocessable)
}

// plain turns the types that stand for a plain type into it: all sorts of
// numbers, typed lists and maps. What it does not know it returns as it is.
func plain(value any) any {
	switch v := value.(type) {
	case int:
		return int64(v)
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint:
		return uint64(v)
	case uint8:
		return uint64(v)
	case uint16:
		return uint64(v)
	case uint32:
		return uint64(v)
	case float32:
		return float64(v)
	case []string:
		return listOf(v)
	case []int:
		return listOf(v)
	case []int64:
		return listOf(v)
	case []float64:
		return listOf(v)
	case []map[string]any:
		return listOf(v)
	case []Object:
		return listOf(v)
	case map[string]string:
		return pairsOf(v)
	case map[string][]string:
		return pairsOf(v)
	case map[string]map[string][]string:
		return pairsOf(v)
	case map[string]any:
		return pairsOf(v)
	default:
		return value
	}
}

func listOf[T any](values []T) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

func pairsOf[T any](values map[string]T) Object {
	object := make(Object, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		object = append(object, Pair{Key: key, Value: values[key]})
	}
	return object
}
