package httpapi

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/ndslice"
)

// number reads a whole number from the query, def where it is not given.
func (c *call) number(name string, def, least int64) (int64, error) {
	text, ok := c.one(name)
	if !ok || text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least {
		return 0, c.parameter(name, "%s is no whole number of at least %d", quoted(text), least)
	}
	return n, nil
}

// truth reads a truth value, false where it is not given.
func (c *call) truth(name string) (bool, error) {
	text, ok := c.one(name)
	if !ok {
		return false, nil
	}
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on", "t", "y":
		return true, nil
	case "false", "0", "no", "off", "f", "n", "":
		return false, nil
	}
	return false, c.parameter(name, "%s is neither true nor false", quoted(text))
}

// one returns the last value of a parameter, as Tiled takes it.
func (c *call) one(name string) (string, bool) {
	values := c.query[name]
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// fieldNames are what may be asked for with fields=.
func fieldNames() []string {
	return []string{"metadata", "structure_family", "structure", "count", "sorting", "specs", "data_sources", "access_tags", ""}
}

// A fieldSet says which parts of a node's document are wanted.
type fieldSet []string

func (f fieldSet) has(name string) bool { return slices.Contains(f, name) }

// only tells whether name is all that was asked for.
func (f fieldSet) only(name string) bool { return len(f) == 1 && f[0] == name }

// view is how a client wants nodes shown: the parameters that metadata and
// search share.
type view struct {
	fields      fieldSet
	selectMeta  selector
	maxDepth    int
	omitLinks   bool
	dataSources bool
	oldTags     bool // the client knows access_blob, not access_tags
	noSize      bool // the client knows no size of assets
	noProps     bool // the client knows no properties of data sources
}

// inlineDepth bounds how deep containers are sent with their members.
const inlineDepth = 5

func (c *call) view() (view, error) {
	v := view{fields: fieldSet(c.query["fields"])}
	known := fieldNames()
	for _, f := range v.fields {
		if !slices.Contains(known, f) {
			return v, c.parameter("fields", "%s is none of %s", quoted(f), strings.Join(known[:len(known)-1], ", "))
		}
	}
	if len(v.fields) == 0 {
		v.fields = known[:len(known)-1]
	}
	var err error
	if text, ok := c.one("select_metadata"); ok {
		if v.selectMeta, err = newSelector(text); err != nil {
			return v, err
		}
	}
	depth, err := c.number("max_depth", inlineDepth, 0)
	if err != nil {
		return v, err
	}
	if depth > inlineDepth {
		return v, c.parameter("max_depth", "%d is more than %d", depth, inlineDepth)
	}
	v.maxDepth = int(depth)
	if v.omitLinks, err = c.truth("omit_links"); err != nil {
		return v, err
	}
	if v.dataSources, err = c.truth("include_data_sources"); err != nil {
		return v, err
	}
	c.oldClient(&v)
	return v, nil
}

// clientVersion finds the version of Tiled's Python client in its User-Agent.
var clientVersion = regexp.MustCompile(`^python-tiled/(\d+)\.(\d+)\.(\d+)`)

// alphaVersion is a version before the first release.
var alphaVersion = regexp.MustCompile(`^python-tiled/0\.(0\.\d+|1\.0a(\d{1,3}))(\D|$)`)

// tooOld tells a client that Tiled refuses: one before 0.1.0a104.
func tooOld(userAgent string) bool {
	if !strings.HasPrefix(userAgent, "python-tiled/") {
		return false
	}
	m := alphaVersion.FindStringSubmatch(userAgent)
	if m == nil {
		return false
	}
	alpha, err := strconv.Atoi(m[2])
	return err != nil || alpha < 104
}

// oldClient notes what the client is too old to know (tiled 0.2.4, 0.2.13 and
// 0.2.19 each changed the documents). It is part of the ETag.
func (c *call) oldClient(v *view) {
	if !strings.HasPrefix(c.r.UserAgent(), "python-tiled/") {
		return
	}
	m := clientVersion.FindStringSubmatch(c.r.UserAgent())
	if m == nil {
		return
	}
	var version int
	for _, part := range m[1:] {
		n, err := strconv.Atoi(part)
		if err != nil {
			return
		}
		version = version*10000 + min(n, 9999)
	}
	const v0_2 = 2 * 10000
	v.noProps = version < v0_2+4
	v.noSize = version < v0_2+13
	v.oldTags = version < v0_2+19
}

// shape joins what of the view shapes a document, for the ETag.
func (v *view) shape() string {
	return strings.Join([]string{
		strings.Join(v.fields, ","), v.selectMeta.text, strconv.Itoa(v.maxDepth), strconv.FormatBool(v.omitLinks),
		strconv.FormatBool(v.dataSources), strconv.FormatBool(v.oldTags), strconv.FormatBool(v.noSize), strconv.FormatBool(v.noProps),
	}, "|")
}

// slice reads the slice parameter.
func (c *call) slice() (ndslice.Slice, error) {
	text, _ := c.one("slice")
	asked, err := ndslice.Parse(text)
	if err != nil {
		err = &parameterError{where: "query", name: "slice", input: text, cause: err}
	}
	return asked, err
}

var blockPattern = regexp.MustCompile(`^[0-9]{1,18}(,[0-9]{1,18})*$`)

// numbers reads a list like "0,1,2"; an empty text is an empty list.
func (c *call) numbers(name, text string) ([]int64, error) {
	if text == "" {
		return []int64{}, nil
	}
	if !blockPattern.MatchString(text) || strings.Count(text, ",") > 64 {
		return nil, c.parameter(name, "%s is no list of whole numbers like 0,1", quoted(text))
	}
	var out []int64
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, c.parameter(name, "%s is out of range", quoted(part))
		}
		out = append(out, n)
	}
	return out, nil
}

// expectShape compares the shape of a result with the one that the client
// expects, before anything is read.
func (c *call) expectShape(shape []int64) error {
	text, ok := c.one("expected_shape")
	if !ok || text == "" {
		return nil
	}
	var want []int64
	if text != "scalar" {
		var err error
		if want, err = c.numbers("expected_shape", text); err != nil {
			return err
		}
	}
	if !slices.Equal(want, shape) {
		return c.parameter("expected_shape", "the client expects %v, the slice has %v; the array has changed, open it again", want, shape)
	}
	return nil
}
