package httpapi

import (
	"github.com/terrazzo-data/terrazzo/internal/document"
)

// weigh takes the size that a document has on the wire, about, from left. It
// stops when nothing is left, so that it takes no longer than the limit is
// large, even if the parts of the document are one another's many times.
func weigh(doc any, left int64) int64 {
	left -= 8
	switch v := doc.(type) {
	case string:
		return left - int64(len(v))
	case []byte:
		return left - int64(len(v))
	case []string:
		for i := 0; i < len(v) && left >= 0; i++ {
			left -= 8 + int64(len(v[i]))
		}
	case []int64:
		return left - 8*int64(len(v))
	case [][]int64:
		for i := 0; i < len(v) && left >= 0; i++ {
			left -= 8 * int64(len(v[i]))
		}
	case []any:
		for i := 0; i < len(v) && left >= 0; i++ {
			left = weigh(v[i], left)
		}
	case map[string]any:
		for key, value := range v {
			if left = weigh(value, left-int64(len(key))); left < 0 {
				break
			}
		}
	case document.Object:
		for i := 0; i < len(v) && left >= 0; i++ {
			left = weigh(v[i].Value, left-int64(len(v[i].Key)))
		}
	}
	return left
}
