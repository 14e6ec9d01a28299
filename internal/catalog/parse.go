package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// maxFilters bounds the conditions of one query, maxPattern the length of a
// regular expression or of a pattern.
const maxFilters, maxPattern = 100, 4096

// ParseFilters reads the parameters filter[NAME][condition][FIELD]=VALUE. The
// i-th values of all fields of one name form one filter; the order of the
// result is that of the names in the protocol's table.
//
// What does not parse, half a filter and a name that is not known are
// errdef.ErrInvalid; a flag, an operator or a family that is none of those
// known is errdef.ErrUnprocessable, as Tiled says. Errors name the parameter.
func ParseFilters(values url.Values) ([]Filter, error) {
	given := map[Kind]map[string][]string{}
	for name, list := range values {
		if !strings.HasPrefix(name, "filter[") {
			continue
		}
		kind, field, ok := parameterName(name)
		if !ok {
			return nil, fmt.Errorf("%.100q: expected filter[NAME][condition][FIELD]: %w", name, errdef.ErrInvalid)
		}
		if kind == "access_tags_filter" || kind == "access_blob_filter" {
			continue
		}
		if given[kind] == nil {
			given[kind] = map[string][]string{}
		}
		given[kind][field] = list
	}
	var filters []Filter
	for _, form := range forms() {
		more, err := form.read(given[form.kind])
		if err != nil {
			return nil, err
		}
		filters = append(filters, more...)
		delete(given, form.kind)
	}
	for kind := range given {
		return nil, fmt.Errorf("filter[%.40s]: no such filter: %w", kind, errdef.ErrInvalid)
	}
	if len(filters) > maxFilters {
		return nil, fmt.Errorf("filter: %d conditions, at most %d are read: %w", len(filters), maxFilters, errdef.ErrInvalid)
	}
	return filters, nil
}

func parameterName(name string) (kind Kind, field string, ok bool) {
	rest := strings.TrimPrefix(name, "filter[")
	before, after, found := strings.Cut(rest, "][condition][")
	field, closed := strings.CutSuffix(after, "]")
	return Kind(before), field, found && closed && field != ""
}

// form says how the fields of one kind of filter are read.
type form struct {
	kind   Kind
	fields []field
	// finish makes the condition once all fields are in place.
	finish func(*Filter) error
}

type field struct {
	name string
	// missing is the text that stands for a field left out; with nil it may
	// not be left out.
	missing *string
	read    func(f *Filter, text string) error
}

// read makes the filters of one kind from the values of its parameters.
func (m form) read(given map[string][]string) ([]Filter, error) {
	if len(given) == 0 {
		return nil, nil
	}
	count := 0
	for name, list := range given {
		if !slices.ContainsFunc(m.fields, func(f field) bool { return f.name == name }) {
			return nil, fmt.Errorf("filter[%s][condition][%.40s]: no such field: %w", m.kind, name, errdef.ErrInvalid)
		}
		count = max(count, len(list))
	}
	count = min(count, maxFilters+1)
	filters := make([]Filter, count)
	for i := range filters {
		filters[i].Kind = m.kind
		for _, f := range m.fields {
			text, err := f.text(given[f.name], i)
			if err == nil {
				err = f.read(&filters[i], text)
			}
			if err != nil {
				return nil, fmt.Errorf("filter[%s][condition][%s]: %w", m.kind, f.name, err)
			}
		}
		if err := m.finish(&filters[i]); err != nil {
			return nil, fmt.Errorf("filter[%s]: %w", m.kind, err)
		}
	}
	return filters, nil
}

func (f field) text(given []string, i int) (string, error) {
	switch {
	case i < len(given):
		return given[i], nil
	case f.missing != nil && len(given) == 0:
		return *f.missing, nil
	}
	return "", fmt.Errorf("missing, the filter has other fields that need it: %w", errdef.ErrInvalid)
}

func key(f *Filter, text string) error { f.Key = text; return nil }

func raw(f *Filter, text string) error { f.Text = text; return nil }

func jsonValue(f *Filter, text string) (err error) { f.Value, err = parseJSON(text); return err }

func jsonText(f *Filter, text string) error {
	value, err := parseJSON(text)
	if err != nil {
		return err
	}
	s, ok := value.(string)
	if !ok {
		return fmt.Errorf("expected a JSON string, like \"Ni%%\": %w", errdef.ErrInvalid)
	}
	f.Text = s
	return nil
}

func jsonList(f *Filter, text string) error {
	value, err := parseJSON(text)
	if err != nil {
		return err
	}
	list, ok := value.([]any)
	if !ok {
		return fmt.Errorf("expected a JSON list: %w", errdef.ErrInvalid)
	}
	f.Values = list
	return nil
}

func names(into func(*Filter) *[]string) func(*Filter, string) error {
	return func(f *Filter, text string) error {
		var list Filter
		if err := jsonList(&list, text); err != nil {
			return err
		}
		out := make([]string, len(list.Values))
		for i, v := range list.Values {
			s, ok := v.(string)
			if !ok {
				return fmt.Errorf("expected a JSON list of strings: %w", errdef.ErrInvalid)
			}
			out[i] = s
		}
		*into(f) = out
		return nil
	}
}

func flag(into func(*Filter) *bool) func(*Filter, string) error {
	return func(f *Filter, text string) error {
		switch strings.ToLower(text) {
		case "true", "t", "1", "yes", "y", "on":
			*into(f) = true
		case "false", "f", "0", "no", "n", "off":
			*into(f) = false
		default:
			return fmt.Errorf("%.40q: expected true or false: %w", text, errdef.ErrUnprocessable)
		}
		return nil
	}
}

func oneOf(into func(*Filter) *string, words ...string) func(*Filter, string) error {
	return func(f *Filter, text string) error {
		if !slices.Contains(words, text) {
			return fmt.Errorf("%.40q: expected one of %s: %w", text, strings.Join(words, ", "), errdef.ErrUnprocessable)
		}
		*into(f) = text
		return nil
	}
}

// parseJSON reads one JSON value into plain values.
func parseJSON(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("%.80q is no JSON value (text stands in quotes): %w", text, errdef.ErrInvalid)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%.80q: more than one JSON value: %w", text, errdef.ErrInvalid)
	}
	return plain(value), nil
}

// plain replaces json.Number by the number type that holds it exactly.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return i
		}
		if u, err := strconv.ParseUint(string(v), 10, 64); err == nil {
			return u
		}
		f, _ := v.Float64() // out of range is an infinity, which is as far
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return value
}

func families() []string {
	return []string{
		string(structure.FamilyArray), string(structure.FamilyAwkward), string(structure.FamilyBytes),
		string(structure.FamilyContainer), string(structure.FamilyRagged), string(structure.FamilySparse),
		string(structure.FamilyTable),
	}
}

var sortPattern = regexp.MustCompile(`^[+-]?[a-zA-Z0-9_.]*$`)

// maxSorts bounds the criteria of one order.
const maxSorts = 20

// ParseSort reads the repeated parameter sort: an optional + or - and a key.
// Empty values are left out. Another form is errdef.ErrUnprocessable, a key
// given twice, or the container's own order before another, errdef.ErrInvalid.
func ParseSort(values url.Values) ([]Sort, error) {
	var sorts []Sort
	for _, text := range values["sort"] {
		if !sortPattern.MatchString(text) {
			return nil, fmt.Errorf("sort %.80q: expected a key of letters, digits, _ and dots, with + or - before it: %w", text, errdef.ErrUnprocessable)
		}
		if text == "" {
			continue
		}
		s := Sort{Key: strings.TrimLeft(text, "+-"), Descending: text[0] == '-'}
		if slices.ContainsFunc(sorts, func(o Sort) bool { return o.Key == s.Key }) {
			return nil, fmt.Errorf("sort: the key %q is given twice: %w", s.Key, errdef.ErrInvalid)
		}
		sorts = append(sorts, s)
	}
	if len(sorts) > maxSorts {
		return nil, fmt.Errorf("sort: %d keys, at most %d are read: %w", len(sorts), maxSorts, errdef.ErrInvalid)
	}
	for i, s := range sorts {
		if s.Key == "" && i < len(sorts)-1 {
			return nil, fmt.Errorf("sort: the default order (an empty key) must be the last: %w", errdef.ErrInvalid)
		}
	}
	return sorts, nil
}
