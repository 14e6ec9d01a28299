package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stub is a node of any family; a container has members.
type stub struct {
	family   structure.Family
	metadata map[string]any
	specs    []structure.Spec
	keys     []string
	members  map[string]*stub
	err      error
}

func (l *stub) Describe(ctx context.Context) (*adapter.Description, adapter.Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, adapter.Version{}, err
	}
	if l.err != nil {
		return nil, adapter.Version{}, l.err
	}
	return &adapter.Description{Family: l.family, Metadata: l.metadata, Specs: l.specs, Keys: l.keys},
		catalog.VersionOf(true, fmt.Sprint(l.metadata, l.keys)), nil
}

type box struct{ *stub }

func (g box) Child(_ context.Context, key string) (adapter.Adapter, error) {
	m, ok := g.members[key]
	if !ok {
		return nil, errdef.ErrNotFound
	}
	if m.family == structure.FamilyContainer {
		return box{m}, nil
	}
	return m, nil
}

func (g box) add(key string, m *stub) box {
	if m.family == "" {
		m.family = structure.FamilyArray
	}
	if g.members == nil {
		g.members = map[string]*stub{}
	}
	g.keys, g.members[key] = append(g.keys, key), m
	return g
}

func newBox() box { return box{&stub{family: structure.FamilyContainer}} }

func meta(pairs ...any) *stub {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return &stub{metadata: m}
}

func query(t *testing.T, text string) catalog.Query {
	t.Helper()
	values, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	q := catalog.Query{Limit: 100}
	if q.Filters, err = catalog.ParseFilters(values); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if q.Sort, err = catalog.ParseSort(values); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

func keys(p catalog.Page) string {
	var out []string
	for _, it := range p.Items {
		out = append(out, it.Key)
	}
	return strings.Join(out, " ")
}

func filter(name string, pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, url.QueryEscape("filter["+name+"][condition]["+pairs[i]+"]")+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(out, "&")
}

// TestFilters: wire contract §8.5, each filter on members that tell its corners
// apart.
func TestFilters(t *testing.T) {
	g := newBox().
		add("a", meta("n", int64(1), "s", "Red dog", "l", []any{"x", int64(2)}, "d", map[string]any{"e": map[string]any{"f": "deep"}}, "t", true)).
		add("b", meta("n", 2.5, "s", "blue_dog", "l", []any{})).
		add("c", meta("n", "1", "s", "Ni foil", "null", nil)).
		add("d", &stub{family: structure.FamilyTable, metadata: map[string]any{}, specs: []structure.Spec{{Name: "xdi"}, {Name: "v", Version: "2"}}}).
		add("e", meta("n", uint64(math.MaxUint64), "d.e", int64(7)))
	for _, c := range []struct{ query, want string }{
		{filter("eq", "key", "n", "value", "1"), "a"},
		{filter("eq", "key", "n", "value", "1.0"), "a"},
		{filter("eq", "key", "n", "value", `"1"`), "c"},
		{filter("eq", "key", "n", "value", "18446744073709551615"), "e"},
		{filter("eq", "key", "t", "value", "1"), ""},
		{filter("eq", "key", "t", "value", "true"), "a"},
		{filter("eq", "key", "null", "value", "null"), "c"},
		{filter("eq", "key", "l", "value", `["x",2]`), "a"},
		{filter("eq", "key", "d", "value", `{"e":{"f":"deep"}}`), "a"},
		{filter("eq", "key", "d.e.f", "value", `"deep"`), "a"},
		{filter("eq", "key", "d.e", "value", "7"), "e"},
		{filter("noteq", "key", "n", "value", "1"), "b c e"},
		{filter("comparison", "operator", "gt", "key", "n", "value", "1"), "b e"},
		{filter("comparison", "operator", "le", "key", "n", "value", "2.5"), "a b"},
		{filter("comparison", "operator", "lt", "key", "s", "value", `"Red"`), "c"},
		{filter("comparison", "operator", "ge", "key", "t", "value", "1"), ""},
		{filter("contains", "key", "l", "value", `"x"`), "a"},
		{filter("contains", "key", "l", "value", "2"), "a"},
		{filter("contains", "key", "s", "value", `"dog"`), "a b"},
		{filter("in", "key", "n", "value", `[1, "1"]`), "a c"},
		{filter("in", "key", "n", "value", "[]"), ""},
		{filter("notin", "key", "n", "value", "[1]"), "b c e"},
		{filter("notin", "key", "n", "value", "[]"), "a b c d e"},
		{filter("regex", "key", "s", "pattern", "d.g$"), "a b"},
		{filter("regex", "key", "s", "pattern", "^red"), ""},
		{filter("regex", "key", "s", "pattern", "^red", "case_sensitive", "false"), "a"},
		{filter("like", "key", "s", "pattern", `"ni%"`), "c"},
		{filter("like", "key", "s", "pattern", `"%dog"`), "a b"},
		{filter("like", "key", "s", "pattern", `"blue_do_"`), "b"},
		{filter("like", "key", "s", "pattern", `"dog"`), ""},
		{filter("keypresent", "key", "d.e.f", "exists", "true"), "a"},
		{filter("keypresent", "key", "null"), "c"},
		{filter("keypresent", "key", "n", "exists", "false"), "d"},
		{filter("specs", "include", `["xdi"]`, "exclude", "[]"), "d"},
		{filter("specs", "include", `["xdi","none"]`), ""},
		{filter("specs", "include", "[]", "exclude", `["v"]`), "a b c e"},
		{filter("structure_family", "value", "table"), "d"},
		{filter("fulltext", "text", "DOG"), "a"},
		{filter("fulltext", "text", "do"), ""},
		{filter("fulltext", "text", "foil deep"), "a c"},
		{filter("keys_filter", "keys", `["e","a","zz"]`), "a e"},
		{filter("lookup", "key", "c"), "c"},
		{filter("lookup", "key", "c") + "&" + filter("lookup", "key", "c"), "c"},
		{filter("lookup", "key", "c") + "&" + filter("lookup", "key", "a"), ""},
		{filter("eq", "key", "n", "value", "1") + "&" + filter("eq", "key", "t", "value", "true"), "a"},
		{filter("eq", "key", "n", "value", "1") + "&" + filter("eq", "key", "t", "value", "false"), ""},
		{filter("access_tags_filter", "tags", "['x']"), "a b c d e"},
		{filter("access_blob_filter", "user_id", "1", "tags", "{}"), "a b c d e"},
	} {
		page, err := catalog.Search(t.Context(), g, query(t, c.query))
		if got := keys(page); err != nil || got != c.want || page.Count != int64(len(strings.Fields(c.want))) {
			text, _ := url.QueryUnescape(c.query)
			t.Errorf("%s: %q, %v; want %q", text, got, err, c.want)
		}
	}
}

// TestParseRefuses: what is wrong is said, by the name of its parameter.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		query string
		want  error
	}{
		{filter("eq", "key", "n"), errdef.ErrInvalid},
		{filter("eq", "value", "1"), errdef.ErrInvalid},
		{filter("eq", "key", "n", "value", "1") + "&" + filter("eq", "key", "m"), errdef.ErrInvalid},
		{filter("eq", "key", "n", "value", "red"), errdef.ErrInvalid},
		{filter("eq", "key", "n", "value", ""), errdef.ErrInvalid},
		{filter("eq", "key", "n", "value", "1 2"), errdef.ErrInvalid},
		{filter("eq", "key", "n", "value", "1", "extra", "1"), errdef.ErrInvalid},
		{filter("in", "key", "n", "value", "1"), errdef.ErrInvalid},
		{filter("keys_filter", "keys", `[1]`), errdef.ErrInvalid},
		{filter("like", "key", "n", "pattern", "Ni%"), errdef.ErrInvalid},
		{filter("regex", "key", "n", "pattern", "("), errdef.ErrInvalid},
		{filter("regex", "key", "n", "pattern", "(?=a)"), errdef.ErrInvalid},
		{filter("regex", "key", "n", "pattern", strings.Repeat("a", 5000)), errdef.ErrInvalid},
		{filter("nosuch", "key", "n"), errdef.ErrInvalid},
		{"filter[eq]=1", errdef.ErrInvalid},
		{strings.Repeat(filter("lookup", "key", "a")+"&", 101), errdef.ErrInvalid},
		{filter("comparison", "operator", "eq", "key", "n", "value", "1"), errdef.ErrUnprocessable},
		{filter("keypresent", "key", "n", "exists", "maybe"), errdef.ErrUnprocessable},
		{filter("structure_family", "value", "dataframe"), errdef.ErrUnprocessable},
		{"sort=a-b", errdef.ErrUnprocessable},
		{"sort= a", errdef.ErrUnprocessable},
		{"sort=a&sort=-a", errdef.ErrInvalid},
		{"sort=-&sort=a", errdef.ErrInvalid},
	} {
		values, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = catalog.ParseFilters(values)
		if _, e := catalog.ParseSort(values); err == nil {
			err = e
		}
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "filter") && !strings.Contains(err.Error(), "sort") {
			t.Errorf("%.80s: %v, want %v", c.query, err, c.want)
		}
	}
	if s, err := catalog.ParseSort(url.Values{"sort": {"", "-a.b", "%2Bc"[2:], "+d", "-"}}); err != nil || len(s) != 4 || !s[0].Descending || s[2].Key != "d" || s[3].Key != "" || !s[3].Descending {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestOrder: reversing every criterion reverses the listing, whatever is in it.
func TestOrder(t *testing.T) {
	g := newBox().
		add("m", meta("x", int64(2), "y", "b")).
		add("a", meta("x", 1.5, "y", "b")).
		add("z", meta("y", "a")).
		add("k", meta("x", "text", "y", "b")).
		add("b", meta("x", true)).
		add("n", meta("x", math.NaN()))
	for _, c := range []struct{ sorts, reverse, want string }{
		{"", "sort=-", "m a z k b n"},
		{"sort=_", "sort=-_", "m a z k b n"},
		{"sort=id", "sort=-id", "a b k m n z"},
		{"sort=x", "sort=-x&sort=-", "b a m n k z"},
		{"sort=metadata.x", "sort=-metadata.x&sort=-", "b a m n k z"},
		{"sort=y&sort=id", "sort=-y&sort=-id", "z a k m b n"},
		{"sort=y&sort=-x", "sort=-y&sort=x&sort=-", "z k m a n b"},
		{"sort=none", "sort=-none&sort=-", "m a z k b n"},
	} {
		page, err := catalog.Search(t.Context(), g, query(t, c.sorts))
		back, err2 := catalog.Search(t.Context(), g, query(t, c.reverse))
		slices.Reverse(back.Items)
		if got, reversed := keys(page), keys(back); err != nil || err2 != nil || got != c.want || reversed != got {
			t.Errorf("%s: %q, reversed %q, %v; want %q", c.sorts, got, reversed, errors.Join(err, err2), c.want)
		}
	}
}

// TestPages: offsets and cursors walk through all, once each; versions tell
// pages apart.
func TestPages(t *testing.T) {
	g := newBox()
	for i := range 25 {
		g.add(fmt.Sprintf("k%02d", i), meta("i", int64(i)))
	}
	seen, versions := "", map[adapter.ID]bool{}
	q := catalog.Query{Limit: 10, Describe: true}
	for {
		p, err := catalog.Search(t.Context(), g, q)
		if err != nil || p.Count != 25 || !p.Exact || !p.Version.Trusted || versions[p.Version.ID] {
			t.Fatalf("%+v, %v", p, err)
		}
		versions[p.Version.ID] = true
		seen += keys(p) + " "
		if p.Next < 0 {
			break
		}
		q.Cursor = &p.Next
	}
	if n := len(strings.Fields(seen)); n != 25 || len(versions) != 3 {
		t.Errorf("%d items, %d pages", n, len(versions))
	}
	for _, q := range []catalog.Query{{}, {Limit: 5, Offset: 100}, {Limit: math.MaxInt64, Offset: math.MaxInt64}, {Offset: 3}} {
		if p, err := catalog.Search(t.Context(), g, q); err != nil || len(p.Items) != 0 || p.Count != 25 || p.Next != -1 {
			t.Errorf("%+v: %d, next %d, %v", q, len(p.Items), p.Next, err)
		}
	}
}

// TestBrokenMembers: a member that fails is an item with a reason; one that is
// not ready makes a query on metadata wait, and no page cacheable.
func TestBrokenMembers(t *testing.T) {
	bad := fmt.Errorf("x: cut off: %w", errdef.ErrUnprocessable)
	g := newBox().add("a", meta()).add("bad", &stub{err: bad})
	p, err := catalog.Search(t.Context(), g, catalog.Query{Limit: 5, Describe: true})
	if err != nil || len(p.Items) != 2 || !errors.Is(p.Items[1].Err, bad) || p.Items[1].Description.Metadata["error"] != bad.Error() || p.Version.Trusted {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := catalog.Search(t.Context(), g, query(t, filter("structure_family", "value", "bytes"))); err != nil || keys(p) != "bad" {
		t.Errorf("%q, %v", keys(p), err)
	}
	g.add("slow", &stub{err: fmt.Errorf("x: %w", errdef.ErrUnavailable)})
	if _, err := catalog.Search(t.Context(), g, query(t, "sort=x")); !errors.Is(err, errdef.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if _, err := catalog.FindDistinct(t.Context(), g, catalog.DistinctQuery{Families: true}); !errors.Is(err, errdef.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := catalog.Search(ctx, newBox(), catalog.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := catalog.Search(t.Context(), meta(), catalog.Query{}); err == nil {
		t.Error("an array was searched")
	}
}

// TestDistinct counts values by type and in order.
func TestDistinct(t *testing.T) {
	g := newBox().
		add("a", meta("x", int64(1), "l", []any{"p"})).add("b", meta("x", "1")).add("c", meta("x", 1.5, "l", []any{"p"})).
		add("d", meta("x", int64(1))).add("e", meta("x", nil)).
		add("f", &stub{family: structure.FamilyTable, specs: []structure.Spec{{Name: "s"}}})
	d, err := catalog.FindDistinct(t.Context(), g, catalog.DistinctQuery{Metadata: []string{"x", "l", "none"}, Families: true, Specs: true, Counts: true})
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]any{
		"[{1 2} {1 1} {1.5 1}]": d.Metadata["x"],
		"[{[p] 2}]":             d.Metadata["l"],
		"[]":                    d.Metadata["none"],
		"[{array 5} {table 1}]": d.Families,
		"[{[] 5} {[map[name:s version:<nil>]] 1}]": d.Specs,
	} {
		if fmt.Sprint(got) != what {
			t.Errorf("%v, want %s", got, what)
		}
	}
	d, err = catalog.FindDistinct(t.Context(), g, catalog.DistinctQuery{Specs: true, Filters: query(t, filter("eq", "key", "x", "value", "1")).Filters})
	if err != nil || d.Metadata != nil || d.Families != nil || len(d.Specs) != 1 || d.Specs[0].Count != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestDeep: children follow their parent, to the depth asked for.
func TestDeep(t *testing.T) {
	inner := newBox().add("x", meta("hit", true)).add("y", meta())
	middle := newBox().add("inner", inner.stub).add("x", meta("hit", true))
	g := newBox().add("a", meta()).add("middle", middle.stub).add("z", meta("hit", true))
	walk := func(q catalog.Query, depth int) (string, catalog.Page) {
		t.Helper()
		p, err := catalog.SearchDeep(t.Context(), g, q, depth)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, it := range p.Items {
			if it.Path[len(it.Path)-1] != it.Key {
				t.Errorf("%q: %v", it.Key, it.Path)
			}
			out = append(out, strings.Join(it.Path, "/"))
		}
		return strings.Join(out, " "), p
	}
	all := catalog.Query{Limit: 100}
	for depth, want := range map[int]string{
		1: "a middle z", 2: "a middle middle/inner middle/x z",
		3: "a middle middle/inner middle/inner/x middle/inner/y middle/x z", 64: "a middle middle/inner middle/inner/x middle/inner/y middle/x z",
	} {
		if got, p := walk(all, depth); got != want || p.Count != int64(len(strings.Fields(want))) || p.Next != -1 || !p.Version.Trusted {
			t.Errorf("depth %d: %q", depth, got)
		}
	}
	hits := query(t, filter("eq", "key", "hit", "value", "true"))
	if got, _ := walk(hits, 3); got != "middle/inner/x middle/x z" {
		t.Errorf("%q", got)
	}
	hits.Offset, hits.Limit = 1, 1
	if got, p := walk(hits, 3); got != "middle/x" || p.Next != 2 || p.Count != 3 {
		t.Errorf("%q, next %d of %d", got, p.Next, p.Count)
	}
	for _, depth := range []int{0, 65, -1} {
		if _, err := catalog.SearchDeep(t.Context(), g, all, depth); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
	if _, err := catalog.SearchDeep(t.Context(), g, query(t, "sort=x"), 2); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("sorted: %v", err)
	}
}

// TestMounts: several trees as one, and what cannot be one.
func TestMounts(t *testing.T) {
	one, two, three := newBox().add("x", meta("n", "one")), newBox().add("x", meta("n", "two")), newBox()
	root, err := catalog.NewMounts([]catalog.Mount{{Path: "/a/b", Root: one}, {Path: "a/c", Root: two}, {Path: "/d/", Root: three}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{"a/b/x": "one", "a/c/x": "two", "d/x": errdef.ErrNotFound, "a/x": errdef.ErrNotFound, "a/b/x/y": errdef.ErrNotFound} {
		a, err := catalog.Lookup(t.Context(), root, strings.Split(path, "/"), nil)
		if kind, ok := want.(error); ok {
			if !errors.Is(err, kind) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if d, _, err := a.Describe(t.Context()); err != nil || d.Metadata["n"] != want {
			t.Errorf("%s: %v, %v", path, d, err)
		}
	}
	if p, err := catalog.Search(t.Context(), root, catalog.Query{Limit: 9}); err != nil || keys(p) != "a d" {
		t.Errorf("%q, %v", keys(p), err)
	}
	if alone, err := catalog.NewMounts([]catalog.Mount{{Path: "/", Root: one}}); err != nil || alone != adapter.Adapter(one) {
		t.Errorf("%v, %v", alone, err)
	}
	for _, paths := range [][]string{{"a", "a"}, {"a", "a/b"}, {"a/b", "a"}, {"/", "a"}, {"a", "/"}} {
		if _, err := catalog.NewMounts([]catalog.Mount{{Path: paths[0], Root: one}, {Path: paths[1], Root: two}}); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%v: %v", paths, err)
		}
	}
}

// TestTimes: a time is compared as the text that clients see.
func TestTimes(t *testing.T) {
	g := newBox().add("a", meta("t", time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC))).add("b", meta("t", time.Date(2021, 1, 2, 0, 0, 0, 0, time.UTC)))
	if p, err := catalog.Search(t.Context(), g, query(t, filter("comparison", "operator", "gt", "key", "t", "value", `"2020-06"`))); err != nil || keys(p) != "b" {
		t.Errorf("%q, %v", keys(p), err)
	}
}

// FuzzParse: any query is filters and an order, or an error of the client's.
func FuzzParse(f *testing.F) {
	f.Add(filter("eq", "key", "n", "value", "1") + "&sort=-a")
	f.Add(filter("specs", "include", "[]", "exclude", `["v"]`))
	f.Add(filter("regex", "key", "s", "pattern", "d.g$", "case_sensitive", "0"))
	f.Add(filter("in", "key", "n", "value", `[1, {"a": [null]}]`))
	f.Add("filter[a]]&sort=+%2B")
	g := newBox().add("a", meta("n", int64(1), "s", "dog"))
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		filters, err := catalog.ParseFilters(values)
		sorts, err2 := catalog.ParseSort(values)
		if err := errors.Join(err, err2); err != nil {
			if !errors.Is(err, errdef.ErrInvalid) && !errors.Is(err, errdef.ErrUnprocessable) {
				t.Errorf("%v", err)
			}
			return
		}
		if _, err := catalog.Search(t.Context(), g, catalog.Query{Filters: filters, Sort: sorts, Limit: 5}); err != nil {
			t.Error(err)
		}
	})
}
