package catalog

import (
	"context"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Kind names a kind of filter, as it stands in a URL.
type Kind string

// The filters of the protocol. Any other name in a URL is refused, except
// access_tags_filter and access_blob_filter, which are left out: they are for
// servers that talk to themselves.
const (
	FullText        Kind = "fulltext"
	KeyLookup       Kind = "lookup"
	KeysFilter      Kind = "keys_filter"
	Eq              Kind = "eq"
	NotEq           Kind = "noteq"
	Comparison      Kind = "comparison"
	Contains        Kind = "contains"
	In              Kind = "in"
	NotIn           Kind = "notin"
	Regex           Kind = "regex"
	Like            Kind = "like"
	KeyPresent      Kind = "keypresent"
	Specs           Kind = "specs"
	StructureFamily Kind = "structure_family"
)

// Filter is one condition; a listing holds what fulfils all of them.
// [ParseFilters] makes it; it is immutable.
type Filter struct {
	Kind Kind
	// Key is a dotted path into the metadata, or the key of a lookup.
	Key string
	// Operator is lt, gt, le or ge.
	Operator string
	// Text belongs to fulltext, regex, like and structure_family.
	Text string
	// Value is what is compared with: nil, bool, int64, uint64, float64,
	// string, []any or map[string]any.
	Value any
	// Values belong to in and notin, Keys to keys_filter, Include and
	// Exclude to specs.
	Values                 []any
	Keys, Include, Exclude []string
	// Exists belongs to keypresent.
	Exists bool

	match func(Candidate) bool // nil for a lookup, which is applied last
}

// NeedsDescription says whether the filter asks for more than an item's key.
func (f Filter) NeedsDescription() bool { return f.Kind != KeyLookup && f.Kind != KeysFilter }

// Sort is one criterion of an order, the most significant first.
type Sort struct {
	// Key is "id" for the node's key, "" or "_" for the container's own
	// order, and otherwise a dotted path into the metadata, with or without
	// "metadata." before it.
	Key        string
	Descending bool
}

// NeedsDescription says whether the criterion asks for more than an item's key.
func (s Sort) NeedsDescription() bool { return s.Key != "" && s.Key != "_" && s.Key != "id" }

// Query asks for a part of a container's members.
type Query struct {
	Filters []Filter
	Sort    []Sort
	// Offset is the place of the first item in the result. Limit bounds how
	// many are returned; 0 asks for the count alone.
	Offset, Limit int64
	// Cursor, if not nil, is the Next of an earlier page of the same query,
	// and takes the place of Offset.
	Cursor *int64
	// Describe asks for each item's description; without it items have keys
	// and adapters only.
	Describe bool
}

// Page is a part of a listing.
type Page struct {
	Items []Item
	// Count is how many items fulfil the filters, whatever the limit; Exact
	// is false if that is a lower bound.
	Count int64
	Exact bool
	// Next is the Offset of the page behind this one, -1 if there is none.
	// It may also be given as the Cursor.
	Next int64
	// Version names the state of everything the page shows. It is not
	// trusted while an item on it was not ready, may still be changing, or
	// the listing itself is.
	Version adapter.Version
}

// Item is one member of a container.
type Item struct {
	Key string
	// Path leads from the container that was searched to the item, the key
	// last; only a deep search returns more than one element.
	Path    []string
	Adapter adapter.Adapter
	// Description is nil if none was asked for. For an item that cannot be
	// read, or was not ready in time, it is a stand-in of the family bytes
	// whose metadata say why under "error", and Err is not nil.
	Description *adapter.Description
	Version     adapter.Version
	Err         error
}

// DistinctQuery asks which values occur among a container's members.
type DistinctQuery struct {
	Filters []Filter
	// Metadata are dotted paths.
	Metadata []string
	// Families and Specs ask for those sections, Counts how often each
	// value occurs.
	Families, Specs, Counts bool
}

// Distinct are the values that occur, in the order in which they occur first.
// What was not asked for is nil, what was asked for is not.
type Distinct struct {
	Metadata        map[string][]Value
	Families, Specs []Value
	// Version names the state of all that was looked at.
	Version adapter.Version
}

// Value is one value that occurs: a plain value of the metadata, the name of a
// family, or a node's specs as a []any of their documents.
type Value struct {
	Value any
	// Count is 0 if counts were not asked for.
	Count int64
}

// Searcher is a container that knows how to list itself.
//
// Errors: errdef.ErrInvalid for a query that it does not understand,
// ErrUnavailable while what the query needs is still being gathered: an answer
// is complete or is none.
type Searcher interface {
	Search(ctx context.Context, q Query) (Page, error)
	Distinct(ctx context.Context, q DistinctQuery) (Distinct, error)
}

func (c Candidate) family() structure.Family {
	if c.Description == nil {
		return ""
	}
	return c.Description.Family
}

func (c Candidate) metadata(path string) (any, bool) {
	if c.Description == nil {
		return nil, false
	}
	return lookupMetadata(c.Description.Metadata, path)
}
