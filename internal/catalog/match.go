package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// forms are the filters of the protocol, in the order in which they are
// applied.
func forms() []form {
	caseSensitive := "true"
	exists := "true"
	none := "[]"
	keyField := field{name: "key", read: key}
	value := field{name: "value", read: jsonValue}
	list := field{name: "value", read: jsonList}
	return []form{
		{KeysFilter, []field{{name: "keys", read: names(func(f *Filter) *[]string { return &f.Keys })}}, matchKeys},
		{StructureFamily, []field{{name: "value", read: oneOf(func(f *Filter) *string { return &f.Text }, families()...)}}, matchFamily},
		{Specs, []field{
			{name: "include", missing: &none, read: names(func(f *Filter) *[]string { return &f.Include })},
			{name: "exclude", missing: &none, read: names(func(f *Filter) *[]string { return &f.Exclude })},
		}, matchSpecs},
		{KeyPresent, []field{keyField, {name: "exists", missing: &exists, read: flag(func(f *Filter) *bool { return &f.Exists })}}, matchPresent},
		{Eq, []field{keyField, value}, matchEq},
		{NotEq, []field{keyField, value}, matchNotEq},
		{Comparison, []field{
			{name: "operator", read: oneOf(func(f *Filter) *string { return &f.Operator }, "lt", "gt", "le", "ge")}, keyField, value,
		}, matchComparison},
		{Contains, []field{keyField, value}, matchContains},
		{In, []field{keyField, list}, matchIn},
		{NotIn, []field{keyField, list}, matchNotIn},
		{Like, []field{keyField, {name: "pattern", read: jsonText}}, matchLike},
		{Regex, []field{
			keyField,
			{name: "pattern", read: raw},
			{name: "case_sensitive", missing: &caseSensitive, read: flag(func(f *Filter) *bool { return &f.Exists })},
		}, matchRegex},
		{FullText, []field{{name: "text", read: raw}}, matchFullText},
		{KeyLookup, []field{keyField}, func(*Filter) error { return nil }},
	}
}

func matchKeys(f *Filter) error {
	set := make(map[string]bool, len(f.Keys))
	for _, k := range f.Keys {
		set[k] = true
	}
	f.match = func(c Candidate) bool { return set[c.Key] }
	return nil
}

func matchFamily(f *Filter) error {
	text := f.Text
	f.match = func(c Candidate) bool { return string(c.family()) == text }
	return nil
}

func matchSpecs(f *Filter) error {
	include, exclude := f.Include, f.Exclude
	f.match = func(c Candidate) bool {
		has := func(name string) bool {
			if c.Description == nil {
				return false
			}
			for _, s := range c.Description.Specs {
				if s.Name == name {
					return true
				}
			}
			return false
		}
		for _, name := range include {
			if !has(name) {
				return false
			}
		}
		return !slices.ContainsFunc(exclude, has)
	}
	return nil
}

func matchPresent(f *Filter) error {
	path, exists := f.Key, f.Exists
	f.match = func(c Candidate) bool { _, ok := c.metadata(path); return ok == exists }
	return nil
}

// matchTerm makes a condition on the value at the filter's key; items without
// the key do not fulfil it.
func matchTerm(f *Filter, holds func(term any) bool) error {
	path := f.Key
	f.match = func(c Candidate) bool {
		term, ok := c.metadata(path)
		return ok && holds(term)
	}
	return nil
}

func matchEq(f *Filter) error {
	value := f.Value
	return matchTerm(f, func(term any) bool { return equal(term, value) })
}

func matchNotEq(f *Filter) error {
	value := f.Value
	return matchTerm(f, func(term any) bool { return !equal(term, value) })
}

func matchComparison(f *Filter) error {
	value, operator := f.Value, f.Operator
	return matchTerm(f, func(term any) bool {
		order, ok := compare(term, value)
		if !ok {
			return false
		}
		switch operator {
		case "lt":
			return order < 0
		case "le":
			return order <= 0
		case "gt":
			return order > 0
		default:
			return order >= 0
		}
	})
}

func matchContains(f *Filter) error {
	value := f.Value
	return matchTerm(f, func(term any) bool {
		if list, ok := term.([]any); ok {
			return slices.ContainsFunc(list, func(v any) bool { return equal(v, value) })
		}
		text, isText := term.(string)
		part, ok := value.(string)
		return isText && ok && strings.Contains(text, part)
	})
}

func (f *Filter) among(term any) bool {
	return slices.ContainsFunc(f.Values, func(v any) bool { return equal(term, v) })
}

func matchIn(f *Filter) error {
	g := *f
	return matchTerm(f, g.among)
}

func matchNotIn(f *Filter) error {
	if len(f.Values) == 0 {
		f.match = func(Candidate) bool { return true }
		return nil
	}
	g := *f
	return matchTerm(f, func(term any) bool { return !g.among(term) })
}

func matchPattern(f *Filter, pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("the pattern is no regular expression this server knows (RE2, no look-around, no back references): %w: %w", err, errdef.ErrInvalid)
	}
	return matchTerm(f, func(term any) bool {
		text, ok := term.(string)
		return ok && re.MatchString(text)
	})
}

func matchRegex(f *Filter) error {
	if len(f.Text) > maxPattern {
		return fmt.Errorf("a pattern of %d bytes, at most %d are read: %w", len(f.Text), maxPattern, errdef.ErrInvalid)
	}
	if caseSensitive := f.Exists; caseSensitive {
		return matchPattern(f, f.Text)
	}
	return matchPattern(f, "(?i)"+f.Text)
}

// matchLike is SQL's LIKE as SQLite does it, which is what Tiled serves a
// folder from: % is any text, _ any character, case does not count.
func matchLike(f *Filter) error {
	if len(f.Text) > maxPattern {
		return fmt.Errorf("a pattern of %d bytes, at most %d are read: %w", len(f.Text), maxPattern, errdef.ErrInvalid)
	}
	var b strings.Builder
	b.WriteString("(?is)^")
	for _, r := range f.Text {
		switch r {
		case '%':
			b.WriteString(".*")
		case '_':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteByte('$')
	return matchPattern(f, b.String())
}

// matchFullText asks whether any word of the text is a whole word in any text
// of the metadata, without regard to case.
func matchFullText(f *Filter) error {
	wanted := map[string]bool{}
	for _, w := range words(f.Text) {
		wanted[w] = true
	}
	f.match = func(c Candidate) bool {
		return c.Description != nil && anyText(c.Description.Metadata, func(text string) bool {
			return slices.ContainsFunc(words(text), func(w string) bool { return wanted[w] })
		})
	}
	return nil
}

func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_'
	})
}

func anyText(value any, holds func(string) bool) bool {
	switch v := value.(type) {
	case string:
		return holds(v)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return anyText(e, holds) })
	case map[string]any:
		for _, e := range v {
			if anyText(e, holds) {
				return true
			}
		}
	}
	return false
}
