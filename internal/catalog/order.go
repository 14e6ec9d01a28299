package catalog

import (
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Candidate is what filters and orders look at: an item's key, and its
// description if a filter or the order needs it ([Query.NeedsDescriptions]).
type Candidate struct {
	Key         string
	Description *adapter.Description
}

// Select returns the items that fulfil all filters, in the order asked for.
// items are all there are, in the container's own order; they are left as they
// are.
//
// Lookups come last: of two that ask for different keys nothing is left.
func Select(items []Item, filters []Filter, sorts []Sort) []Item {
	at := func(i int) Candidate { return Candidate{items[i].Key, items[i].Description} }
	places := Choose(len(items), at, filters, sorts)
	kept := make([]Item, len(places))
	for i, place := range places {
		kept[i] = items[place]
	}
	return kept
}

// Choose is [Select] for n items that are not all in memory as such: it returns
// the places of those that are left. at is asked for each, some more than once.
func Choose(n int, at func(i int) Candidate, filters []Filter, sorts []Sort) []int {
	kept := []int{}
	for i := range n {
		if fulfils(at(i), filters) {
			kept = append(kept, i)
		}
	}
	order(kept, at, sorts)
	return kept
}

func fulfils(c Candidate, filters []Filter) bool {
	for _, f := range filters {
		if f.match == nil && f.Key != c.Key || f.match != nil && !f.match(c) {
			return false
		}
	}
	return true
}

// Keys returns the keys that a result can have at all, if the filters say so:
// those of lookups and of keys_filter. ok is false if any key may fulfil them.
func Keys(filters []Filter) (keys []string, ok bool) {
	for _, f := range filters {
		var these []string
		switch f.Kind {
		case KeyLookup:
			these = []string{f.Key}
		case KeysFilter:
			these = f.Keys
		default:
			continue
		}
		if !ok {
			keys, ok = slices.Clone(these), true
			continue
		}
		keys = slices.DeleteFunc(keys, func(k string) bool { return !slices.Contains(these, k) })
	}
	return keys, ok
}

// order sorts places by the criteria. What has no value for a key comes last in
// an ascending order and first in a descending one, so that reversing every
// criterion reverses the result; ties follow the container's own order, in the
// direction of the last criterion if that is the container's own.
func order(places []int, at func(i int) Candidate, sorts []Sort) {
	backwards := false
	for i, s := range sorts {
		if s.Key == "" || s.Key == "_" {
			backwards = s.Descending
			sorts = sorts[:i] // what comes after a whole order decides nothing
			break
		}
	}
	if backwards {
		slices.Reverse(places)
	}
	for _, s := range slices.Backward(sorts) {
		path := strings.TrimPrefix(s.Key, "metadata.")
		slices.SortStableFunc(places, func(i, j int) int {
			a, b := at(i), at(j)
			d := strings.Compare(a.Key, b.Key)
			if s.Key != "id" {
				d = byMetadata(a, b, path)
			}
			if s.Descending {
				return -d
			}
			return d
		})
	}
}

func byMetadata(a, b Candidate, path string) int {
	x, okX := a.metadata(path)
	y, okY := b.metadata(path)
	if d := rank(x, okX) - rank(y, okY); d != 0 {
		return d
	}
	d, _ := compare(x, y)
	return d
}

// Count says which values occur among items, which are described.
func Count(items []Item, version adapter.Version, q DistinctQuery) Distinct {
	out := Distinct{Version: version}
	if len(q.Metadata) > 0 {
		out.Metadata = make(map[string][]Value, len(q.Metadata))
		for _, path := range q.Metadata {
			out.Metadata[path] = tally(items, q.Counts, func(d *adapter.Description) (any, bool) {
				v, ok := lookupMetadata(d.Metadata, path)
				return v, ok && v != nil
			})
		}
	}
	if q.Families {
		out.Families = tally(items, q.Counts, func(d *adapter.Description) (any, bool) { return string(d.Family), true })
	}
	if q.Specs {
		out.Specs = tally(items, q.Counts, func(d *adapter.Description) (any, bool) { return specDocuments(d.Specs), true })
	}
	return out
}

func specDocuments(specs []structure.Spec) []any {
	out := make([]any, len(specs))
	for i, s := range specs {
		out[i] = s.Document()
	}
	return out
}

func tally(items []Item, counts bool, value func(*adapter.Description) (any, bool)) []Value {
	values := []Value{}
	place := map[any]int{} // of values that can be map keys; the rest is searched
	for _, item := range items {
		if item.Description == nil {
			continue
		}
		v, ok := value(item.Description)
		if !ok {
			continue
		}
		at, found := find(values, place, v)
		if !found {
			at = len(values)
			values = append(values, Value{Value: v})
			if hashable(v) {
				place[v] = at
			}
		}
		if counts {
			values[at].Count++
		}
	}
	return values
}

func hashable(v any) bool {
	switch v.(type) {
	case string, bool, int64, uint64, float64:
		return true
	}
	return false
}

func find(values []Value, place map[any]int, v any) (int, bool) {
	if hashable(v) {
		at, ok := place[v]
		return at, ok
	}
	at := slices.IndexFunc(values, func(have Value) bool { return equal(have.Value, v) })
	return at, at >= 0
}
