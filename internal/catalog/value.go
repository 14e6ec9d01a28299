package catalog

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"strings"
	"time"
)

// lookupMetadata follows a dotted path. A key that holds dots itself is found
// if no shorter way is.
func lookupMetadata(metadata map[string]any, path string) (any, bool) {
	if v, ok := metadata[path]; ok {
		return v, true
	}
	head, tail, dotted := strings.Cut(path, ".")
	if !dotted {
		return nil, false
	}
	inner, ok := metadata[head].(map[string]any)
	if !ok {
		return nil, false
	}
	return lookupMetadata(inner, tail)
}

// equal says whether two plain values are the same: numbers by value whatever
// their type, everything else strictly by type ("0" is not 0, true is not 1).
func equal(a, b any) bool {
	if order, ok := compare(a, b); ok {
		return order == 0
	}
	switch x := a.(type) {
	case nil:
		return b == nil
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	return false
}

// compare orders two values of one kind; ok is false for what has no order,
// NaN among it.
func compare(a, b any) (order int, ok bool) {
	a, b = wire(a), wire(b)
	switch x := a.(type) {
	case bool:
		y, ok := b.(bool)
		return boolean(x) - boolean(y), ok
	case string:
		y, ok := b.(string)
		return strings.Compare(x, y), ok
	case []byte:
		y, ok := b.([]byte)
		return bytes.Compare(x, y), ok
	}
	return compareNumbers(a, b)
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wire gives a time the text under which clients see it.
func wire(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.Format(time.RFC3339Nano)
	}
	return v
}

func compareNumbers(a, b any) (int, bool) {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), true
		}
	case uint64:
		if y, ok := b.(uint64); ok {
			return cmp.Compare(x, y), true
		}
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y), !math.IsNaN(x) && !math.IsNaN(y)
		}
	}
	x, okX := exact(a)
	y, okY := exact(b)
	if !okX || !okY {
		return 0, false
	}
	return x.Cmp(y), true
}

// exact makes a number that loses nothing, whatever its type.
func exact(v any) (*big.Float, bool) {
	switch n := v.(type) {
	case int64:
		return new(big.Float).SetInt64(n), true
	case uint64:
		return new(big.Float).SetUint64(n), true
	case float64:
		if math.IsNaN(n) {
			return nil, false
		}
		return new(big.Float).SetFloat64(n), true
	}
	return nil, false
}

// rank orders kinds of values among each other, where an order has to put
// values of several kinds into a row. What is missing comes last.
func rank(v any, present bool) int {
	if !present || v == nil {
		return 9
	}
	switch n := v.(type) {
	case bool:
		return 0
	case int64, uint64:
		return 1
	case float64:
		if math.IsNaN(n) {
			return 2
		}
		return 1
	case string, time.Time:
		return 3
	case []byte:
		return 4
	}
	return 5
}
