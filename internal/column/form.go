package column

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// form is what a column becomes.
type form struct {
	dtype structure.DType
	// list is the extent of the second axis, or -1.
	list int64
	// missing is the text for missing values of a column of texts.
	missing string
}

// rowSize is the number of bytes of one row.
func (f form) rowSize() int64 {
	if f.list < 0 {
		return f.dtype.ItemSize
	}
	return f.dtype.ItemSize * f.list
}

// numpyName is that of a type that a column keeps, or nothing.
func numpyName(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.TimestampType:
		return "<M8[" + t.Unit.String() + "]"
	case *arrow.DurationType:
		return "<m8[" + t.Unit.String() + "]"
	}
	return map[arrow.Type]string{
		arrow.INT8: "|i1", arrow.INT16: "<i2", arrow.INT32: "<i4", arrow.INT64: "<i8",
		arrow.UINT8: "|u1", arrow.UINT16: "<u2", arrow.UINT32: "<u4", arrow.UINT64: "<u8",
		arrow.FLOAT16: "<f2", arrow.FLOAT32: "<f4", arrow.FLOAT64: "<f8", arrow.BOOL: "|b1",
		arrow.DATE32: "<M8[D]", arrow.DATE64: "<M8[ms]",
	}[t.ID()]
}

func is(t arrow.DataType, ids ...arrow.Type) bool { return slices.Contains(ids, t.ID()) }

func integer(t arrow.DataType) bool { return arrow.IsInteger(t.ID()) }

// texts says whether a column becomes one of texts whatever its values are.
func texts(t arrow.DataType) bool {
	return is(t, arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.TIME32, arrow.TIME64, arrow.NULL,
		arrow.DECIMAL32, arrow.DECIMAL64, arrow.DECIMAL128, arrow.DECIMAL256)
}

func octets(t arrow.DataType) bool {
	return is(t, arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY)
}

// formOf returns the form where the type alone decides it. The integers of a
// text file have no missing values: they would be floats.
func formOf(field arrow.Field, mediaType string) (f form, ok bool, err error) {
	t := plainType(field.Type)
	name := numpyName(t)
	switch {
	case name == "" && !texts(t) && !octets(t) && !lists(t):
		return form{}, false, fmt.Errorf("column %.100q: of type %s, which is no array: %w", field.Name, t, errdef.ErrUnsupported)
	case name == "" || t.ID() == arrow.BOOL && field.Nullable || integer(t) && field.Nullable && mediaType != "text/csv":
		return form{}, false, nil
	}
	f, err = simple(name)
	return f, err == nil, err
}

func lists(t arrow.DataType) bool {
	list, ok := t.(arrow.ListLikeType)
	return ok && is(t, arrow.LIST, arrow.LARGE_LIST, arrow.FIXED_SIZE_LIST) && numpyName(list.Elem()) != ""
}

func simple(name string) (form, error) {
	dtype, err := structure.ParseDType(name)
	return form{dtype: dtype, list: -1}, err
}

// missingText is what Tiled shows for a missing value of a column of texts.
func missingText(t arrow.DataType, mediaType string) string {
	if mediaType == "application/x-parquet" && is(plainType(t), arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW) {
		return "<NA>"
	}
	if mediaType == "text/csv" {
		return "nan"
	}
	return "None"
}

// sight is what was seen of a column.
type sight struct {
	missing string
	rows    int64
	nulls   bool
	// width is the longest text, in characters, or the most bytes.
	width int64
	// list is the length of all lists, -1 before the first.
	list int64
}

func (s *sight) add(a arrow.Array) error {
	s.rows += int64(a.Len())
	s.nulls = s.nulls || a.NullN() > 0 || a.DataType().ID() == arrow.NULL
	if d, ok := a.(*array.Dictionary); ok {
		return s.addDictionary(d)
	}
	t := plainType(a.DataType())
	switch {
	case octets(t):
		for i := range a.Len() {
			s.width = max(s.width, int64(len(bytesOf(a, i))))
		}
	case texts(t) || t.ID() == arrow.BOOL:
		for i := range a.Len() {
			s.width = max(s.width, int64(utf8.RuneCountInString(textOf(a, i, s.missing))))
		}
	case lists(t):
		return s.addLists(a.(array.ListLike))
	}
	return nil
}

// addDictionary looks at all values, used or not.
func (s *sight) addDictionary(d *array.Dictionary) error {
	if lists(d.Dictionary().DataType()) {
		return fmt.Errorf("lists in a dictionary: %w", errdef.ErrUnsupported)
	}
	inner := sight{missing: s.missing}
	if err := inner.add(plain(d.Dictionary())); err != nil {
		return err
	}
	s.width, s.nulls = max(s.width, inner.width), s.nulls || inner.nulls
	if s.nulls {
		s.width = max(s.width, int64(len(s.missing)))
	}
	return nil
}

func (s *sight) addLists(a array.ListLike) error {
	if a.NullN() > 0 || a.ListValues().NullN() > 0 {
		return fmt.Errorf("lists with missing values are no array: %w", errdef.ErrUnsupported)
	}
	for i := range a.Len() {
		from, to := a.ValueOffsets(i)
		if s.list < 0 {
			s.list = to - from
		}
		if to-from != s.list {
			return fmt.Errorf("lists of %d and of %d values are no array: %w", s.list, to-from, errdef.ErrUnsupported)
		}
	}
	return nil
}

// form decides.
func (s *sight) form(t arrow.DataType) (form, error) {
	var f form
	var err error
	switch {
	case lists(t):
		elements := t.(arrow.ListLikeType).Elem()
		if f, err = simple(numpyName(elements)); err == nil {
			f.list = max(s.list, 0)
			if fixed, ok := t.(*arrow.FixedSizeListType); ok {
				f.list = int64(fixed.Len())
			}
		}
		return f, err
	case octets(t):
		f, err = simple(fmt.Sprintf("|S%d", max(s.width, 1)))
	case texts(t) || t.ID() == arrow.BOOL && s.nulls:
		f, err = simple(fmt.Sprintf("<U%d", max(s.width, 1)))
	case integer(t) && s.nulls:
		f, err = simple("<f8")
	default:
		f, err = simple(numpyName(t))
	}
	f.missing = s.missing
	return f, err
}
