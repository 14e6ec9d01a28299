// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Query is one condition on a node. The functions of this package make queries; keys
// are metadata keys, with dots to descend. Values are compared strictly by type: "0" is
// not 0.
type Query struct {
	kind   string
	fields [][2]string
	err    error
}

func raw(kind string, fields ...[2]string) Query { return Query{kind: kind, fields: fields} }

// encoded adds a value in the form of JSON.
func (q Query) encoded(name string, value any) Query {
	data, err := json.Marshal(value)
	if err != nil {
		q.err = fmt.Errorf("query %s: %s: %w: %w", q.kind, name, err, errdef.ErrInvalid)
	}
	q.fields = append(q.fields, [2]string{name, string(data)})
	return q
}

// FullText finds words in any text of the metadata.
func FullText(text string) Query { return raw("fulltext", [2]string{"text", text}) }

// Lookup finds the one key.
func Lookup(key string) Query { return raw("lookup", [2]string{"key", key}) }

// KeysIn finds any of the keys.
func KeysIn(keys ...string) Query { return raw("keys_filter").encoded("keys", keys) }

// Eq finds what has the value.
func Eq(key string, value any) Query {
	return raw("eq", [2]string{"key", key}).encoded("value", value)
}

// NotEq finds what has the key with another value.
func NotEq(key string, value any) Query {
	return raw("noteq", [2]string{"key", key}).encoded("value", value)
}

// Lt finds what is less than the value.
func Lt(key string, value any) Query { return comparison("lt", key, value) }

// Le finds what is at most the value.
func Le(key string, value any) Query { return comparison("le", key, value) }

// Gt finds what is greater than the value.
func Gt(key string, value any) Query { return comparison("gt", key, value) }

// Ge finds what is at least the value.
func Ge(key string, value any) Query { return comparison("ge", key, value) }

func comparison(operator, key string, value any) Query {
	return raw("comparison", [2]string{"operator", operator}, [2]string{"key", key}).encoded("value", value)
}

// Contains finds lists that have the value in them.
func Contains(key string, value any) Query {
	return raw("contains", [2]string{"key", key}).encoded("value", value)
}

// In finds what has one of the values.
func In(key string, values ...any) Query {
	return raw("in", [2]string{"key", key}).encoded("value", values)
}

// NotIn finds what has none of the values.
func NotIn(key string, values ...any) Query {
	return raw("notin", [2]string{"key", key}).encoded("value", values)
}

// Regexp finds texts in which the pattern occurs.
func Regexp(key, pattern string, caseSensitive bool) Query {
	return raw("regex", [2]string{"key", key}, [2]string{"pattern", pattern}, [2]string{"case_sensitive", strconv.FormatBool(caseSensitive)})
}

// Like finds texts by a pattern of SQL: % is anything, _ any one character.
func Like(key, pattern string) Query {
	return raw("like", [2]string{"key", key}).encoded("pattern", pattern)
}

// KeyPresent finds what has the key, or what has it not.
func KeyPresent(key string, exists bool) Query {
	return raw("keypresent", [2]string{"key", key}, [2]string{"exists", strconv.FormatBool(exists)})
}

// HasSpecs finds what has all of include and none of exclude.
func HasSpecs(include, exclude []string) Query {
	return raw("specs").encoded("include", append([]string{}, include...)).encoded("exclude", append([]string{}, exclude...))
}

// OfFamily finds nodes of a structure family.
func OfFamily(family structure.Family) Query {
	return raw("structure_family", [2]string{"value", string(family)})
}
