package respcache

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

func sample() *response {
	at := time.Unix(1_800_000_000, 123).UTC()
	h := http.Header{
		"Date": {at.Format(http.TimeFormat)}, "Etag": {`"a"`}, "Cache-Control": {"max-age=60", "public"}, "Last-Modified": {at.Add(-time.Hour).Format(http.TimeFormat)},
		"X-Empty": {""}, "Content-Type": {"text/plain"},
	}
	p := rfc9111.Policy{Shared: true}
	return &response{
		Response: p.Parse(200, h, at, at), header: h, body: "b:1", size: 42, cost: time.Second, tag: "t", language: "de",
		selectors: []selector{{name: "Accept", value: "x", present: true}, {name: "Foo"}}, groups: []string{"u:a", "p:b"},
	}
}

var deep = cmp.Options{cmp.AllowUnexported(response{}, selector{}), cmpopts.EquateEmpty()}

func TestRecordRoundTrip(t *testing.T) {
	for _, change := range []func(*response){
		func(*response) {},
		func(p *response) { p.selectors, p.groups, p.language, p.tag, p.ETag = nil, nil, "", "", "" },
		func(p *response) { p.LastModified = time.Time{}; p.StaleIfError = -1; p.size = 0 },
		func(p *response) { p.Status, p.Flags = 599, rfc9111.Targeted|rfc9111.Explicit },
	} {
		want := sample()
		change(want)
		got, err := decode(want.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, deep); diff != "" {
			t.Error(diff)
		}
	}
}

// TestHeaderSlicesAreApart: appending to one field must not reach another (hazard H7).
func TestHeaderSlicesAreApart(t *testing.T) {
	got, err := decode(sample().encode())
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(got.header)
	for name, values := range got.header {
		_ = append(values, "intruder of "+name)
	}
	if fmt.Sprint(got.header) != before {
		t.Errorf("got %v", got.header)
	}
}

func TestSplitRecord(t *testing.T) {
	var want [][]byte
	for i := range maxVariants {
		p := sample()
		p.tag = fmt.Sprint(i)
		want = append(want, p.encode())
	}
	got, err := splitRecord(appendRecord(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "version": {99}, "too many": appendRecord(append(want, want[0])), "cut": appendRecord(want)[:100],
	} {
		if _, err := splitRecord(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzRecord: what a store gives back may be anything; it is read, or it is no record.
func FuzzRecord(f *testing.F) {
	good := appendRecord([][]byte{sample().encode(), sample().encode()})
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Add([]byte{recordVersion})
	f.Add(append([]byte{recordVersion, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, good...))
	f.Fuzz(func(t *testing.T, record []byte) {
		variants, err := splitRecord(record)
		if err != nil {
			return
		}
		for _, v := range variants {
			p, err := decode(v)
			if err != nil {
				continue
			}
			again, err := decode(p.encode())
			if err != nil {
				t.Fatalf("what was read cannot be read again: %v", err)
			}
			if diff := cmp.Diff(p, again, deep); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestGroups: the root is where a search for the path in the URL would go wrong.
func TestGroups(t *testing.T) {
	c := &Cache{o: Options{Base: func(*http.Request) string { return "http://h" }}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h/a/b?q=1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"u:http://h/a/b?q=1", "a:", "g:http://h x", "p:http://h/", "p:http://h/a/"}
	if diff := cmp.Diff(want, c.groups(r, c.identify(r), []string{"x"})); diff != "" {
		t.Error(diff)
	}
	r.URL.Path = "/"
	if got := c.groups(r, c.identify(r), nil); got[2] != "p:http://h/" {
		t.Errorf("groups of the root: %q", got)
	}
}

// TestPurgeLog: a fetch that is older than what the log remembers is not stored.
func TestPurgeLog(t *testing.T) {
	p := &purgeLog{}
	old := p.mark()
	for i := range 3 {
		p.seq++
		p.recent = append(p.recent, purged{seq: p.seq, group: fmt.Sprint("g", i)})
	}
	p.floor = 1
	if !p.since(old, nil) {
		t.Error("older than the log: stored")
	}
	if p.since(1, []string{"g0"}) || !p.since(1, []string{"x", "g2"}) || p.since(p.mark(), []string{"g2"}) {
		t.Error("the log confuses before and after")
	}
}
