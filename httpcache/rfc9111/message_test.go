package rfc9111_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// TestParseDate: RFC 9110 §5.6.7 has three forms, and no others count.
func TestParseDate(t *testing.T) {
	want := time.Date(2050, 8, 18, 2, 1, 18, 0, time.UTC)
	for _, good := range []string{
		"Thu, 18 Aug 2050 02:01:18 GMT", "THU, 18 aug 2050 02:01:18 gMT",
		"Thursday, 18-Aug-50 02:01:18 GMT", "Thu Aug 18 02:01:18 2050",
	} {
		if got, ok := rfc9111.ParseDate(good); !ok || !got.Equal(want) {
			t.Errorf("%q: %v %v", good, got, ok)
		}
	}
	if _, ok := rfc9111.ParseDate("Thu Aug  8 02:01:18 2050"); !ok {
		t.Error("asctime with a one-digit day is refused")
	}
	for _, bad := range []string{
		"", "0", "Thu, 18 Aug 2050 02:01:18 UTC", "Thu, 18 Aug 2050 02:01:18 AEST", "Thu, 18 Aug 50 02:01:18 GMT",
		"Thu 18 Aug 2050 02:01:18 GMT", "Thu, 18  Aug  2050 02:01:18 GMT", "Thu, 18-Aug-2050 02:01:18 GMT",
		"Thu, 18 Aug 2050 02.01.18 GMT", "Thu, 18 Aug 2050 2:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 GMT ",
		"1770000000",
	} {
		if got, ok := rfc9111.ParseDate(bad); ok {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

// TestNotModified: RFC 9111 §4.3.2, RFC 9110 §13.1.2, §13.1.3 and §8.8.3.2.
func TestNotModified(t *testing.T) {
	tests := []struct {
		rule    string
		request []string
		stored  []string
		want    bool
	}{
		{"strong", []string{"If-None-Match", `"a"`}, []string{"ETag", `"a"`}, true},
		{"weak comparison", []string{"If-None-Match", `W/"a"`}, []string{"ETag", `"a"`}, true},
		{"in a list", []string{"If-None-Match", `"x", "a,b" , "a"`}, []string{"ETag", `"a"`}, true},
		{"comma inside a tag", []string{"If-None-Match", `"a,b"`}, []string{"ETag", `"a,b"`}, true},
		{"on a second line", []string{"If-None-Match", `"x"`, "If-None-Match", `"a"`}, []string{"ETag", `"a"`}, true},
		{"star", []string{"If-None-Match", `*`}, nil, true},
		{"another", []string{"If-None-Match", `"b"`}, []string{"ETag", `"a"`}, false},
		{"none stored", []string{"If-None-Match", `""`}, nil, false},
		{"unquoted as Tiled writes it", []string{"If-None-Match", `0a1b`}, []string{"ETag", `0a1b`}, true},
		{"quotes matter", []string{"If-None-Match", `0a1b`}, []string{"ETag", `"0a1b"`}, false},
		{"If-None-Match wins", []string{"If-None-Match", `"b"`, "If-Modified-Since", at(0)}, []string{"ETag", `"a"`, "Last-Modified", at(-9)}, false},
		{"date equal", []string{"If-Modified-Since", at(-9)}, []string{"Last-Modified", at(-9)}, true},
		{"date before", []string{"If-Modified-Since", at(-10)}, []string{"Last-Modified", at(-9)}, false},
		{"no date stored: Date", []string{"If-Modified-Since", at(0)}, nil, true},
		{"bad date", []string{"If-Modified-Since", "soon"}, []string{"Last-Modified", at(-9)}, false},
		{"no condition", nil, []string{"ETag", `"a"`}, false},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			s := shared.Parse(200, head(test.stored...), base, base)
			if got := rfc9111.NotModified(request(test.request...), &s); got != test.want {
				t.Errorf("got %v", got)
			}
			s.Status = 404
			if rfc9111.NotModified(request(test.request...), &s) {
				t.Error("a stored 404 answered 304")
			}
		})
	}
}

// TestRange: RFC 9110 §14.1.2, §14.2, §13.1.5, on a body of ten bytes.
func TestRange(t *testing.T) {
	whole := rfc9111.Part{Status: 200, Length: 10}
	none := rfc9111.Part{Status: 416, ContentRange: "bytes */10"}
	tests := []struct {
		rule    string
		request []string
		stored  []string
		want    rfc9111.Part
	}{
		{"first and last", []string{"Range", "bytes=2-4"}, nil, rfc9111.Part{206, 2, 3, "bytes 2-4/10"}},
		{"open end", []string{"Range", "bytes=7-"}, nil, rfc9111.Part{206, 7, 3, "bytes 7-9/10"}},
		{"suffix", []string{"Range", "bytes=-4"}, nil, rfc9111.Part{206, 6, 4, "bytes 6-9/10"}},
		{"long suffix", []string{"Range", "bytes=-40"}, nil, rfc9111.Part{206, 0, 10, "bytes 0-9/10"}},
		{"end beyond", []string{"Range", "bytes=7-99"}, nil, rfc9111.Part{206, 7, 3, "bytes 7-9/10"}},
		{"beyond", []string{"Range", "bytes=10-"}, nil, none},
		{"nothing", []string{"Range", "bytes=-0"}, nil, none},
		{"two ranges: all", []string{"Range", "bytes=0-1,3-4"}, nil, whole},
		{"backwards: all", []string{"Range", "bytes=4-2"}, nil, whole},
		{"other unit: all", []string{"Range", "lines=1-2"}, nil, whole},
		{"sign: all", []string{"Range", "bytes=+1-2"}, nil, whole},
		{"overflow: all", []string{"Range", "bytes=99999999999999999999-"}, nil, whole},
		{"If-Range strong", []string{"Range", "bytes=0-0", "If-Range", `"a"`}, []string{"ETag", `"a"`}, rfc9111.Part{206, 0, 1, "bytes 0-0/10"}},
		{"If-Range weak never", []string{"Range", "bytes=0-0", "If-Range", `W/"a"`}, []string{"ETag", `W/"a"`}, whole},
		{"If-Range other", []string{"Range", "bytes=0-0", "If-Range", `"b"`}, []string{"ETag", `"a"`}, whole},
		{"If-Range date", []string{"Range", "bytes=0-0", "If-Range", at(-9)}, []string{"Last-Modified", at(-9)}, rfc9111.Part{206, 0, 1, "bytes 0-0/10"}},
		{"If-Range other date", []string{"Range", "bytes=0-0", "If-Range", at(-8)}, []string{"Last-Modified", at(-9)}, whole},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			s := shared.Parse(200, head(test.stored...), base, base)
			if diff := cmp.Diff(test.want, rfc9111.Range(request(test.request...), &s, 10)); diff != "" {
				t.Error(diff)
			}
			if got, want := rfc9111.PlainRange(request(test.request...)), !strings.HasSuffix(test.rule, ": all"); got != want {
				t.Errorf("plain: %v, want %v", got, want)
			}
		})
	}
	s := shared.Parse(200, head(), base, base)
	if got := rfc9111.Range(request("Range", "bytes=0-"), &s, 0); got.Status != 416 {
		t.Errorf("a range of an empty body: %+v, want 416", got)
	}
}

// TestUpdate: RFC 9111 §3.2 and §4.3.4.
func TestUpdate(t *testing.T) {
	stored := head("Content-Length", "10", "Content-Encoding", "gzip", "A", "1", "B", "1", "Age", "7", "Cache-Control", "max-age=1")
	confirmed := head("Content-Length", "0", "Content-Encoding", "br", "B", "2", "Cache-Control", "max-age=9", "Connection", "C", "Date", at(5))
	got := rfc9111.Update(stored, confirmed)
	want := head("Content-Length", "10", "Content-Encoding", "gzip", "A", "1", "B", "2", "Cache-Control", "max-age=9", "Date", at(5))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if stored.Get("B") != "1" || confirmed.Get("Connection") != "C" {
		t.Error("an argument was changed")
	}
}

// TestConfirms: a 304 for another entity tag says nothing about ours (§4.3.4).
func TestConfirms(t *testing.T) {
	s := shared.Parse(200, head("ETag", `"a"`), base, base)
	for tag, want := range map[string]bool{`"a"`: true, `W/"a"`: true, `"b"`: false, "": true} {
		if got := rfc9111.Confirms(&s, head("ETag", tag)); got != want {
			t.Errorf("304 with %q: %v", tag, got)
		}
	}
}

// TestConnection: RFC 9110 §7.6.1.
func TestConnection(t *testing.T) {
	h := head("Connection", "a, B", "A", "1", "B", "2", "C", "3", "Keep-Alive", "x", "Proxy-Authenticate", "x", "TE", "x", "Date", "")
	rfc9111.Connection(h)
	if diff := cmp.Diff(head("C", "3", "Date", ""), h); diff != "" {
		t.Error(diff)
	}
}

// TestVary: RFC 9111 §4.1.
func TestVary(t *testing.T) {
	if diff := cmp.Diff([]string{"Accept", "Accept-Encoding"}, rfc9111.VaryNames([]string{"accept-encoding, ACCEPT", ",Accept"})); diff != "" {
		t.Error(diff)
	}
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"Foo", "1,2", " 1, 2 ", true},
		{"Foo", "1\n2", "1, 2", true},
		{"Foo", "1,2", "2,1", false},
		{"Foo", "a", "A", false},
		{"Foo", "1,,2", "1,2", true},
		{"Accept-Language", "en, de", "dE,En", true},
		{"Accept-Language", "en;q=0.5, de", "de, en; q=0.5", true},
		{"Accept-Language", "en;q=0.5, de", "de;q=0.5, en", false},
	}
	for _, test := range tests {
		a, _ := rfc9111.VaryValue(test.name, http.Header{test.name: strings.Split(test.a, "\n")})
		b, _ := rfc9111.VaryValue(test.name, http.Header{test.name: strings.Split(test.b, "\n")})
		if (a == b) != test.same {
			t.Errorf("%s: %q is %q, %q is %q, same: want %v", test.name, test.a, a, test.b, b, test.same)
		}
	}
	if _, present := rfc9111.VaryValue("Foo", http.Header{}); present {
		t.Error("an absent field counts as there")
	}
	for value, want := range map[string]string{"fr;q=0.5, DE;q=1.0": "de", "en, de": "", "*": "", "en;q=0.1": "en", "en;q=x": ""} {
		if got := rfc9111.PreferredLanguage([]string{value}); got != want {
			t.Errorf("%q prefers %q, want %q", value, got, want)
		}
	}
}

// TestInvalidates: RFC 9111 §4.4.
func TestInvalidates(t *testing.T) {
	for _, test := range []struct {
		method string
		status int
		want   bool
	}{
		{"PUT", 200, true},
		{"DELETE", 204, true},
		{"PATCH", 303, true},
		{"M-SEARCH", 200, true},
		{"POST", 404, false},
		{"POST", 500, false},
		{"GET", 200, false},
		{"OPTIONS", 200, false},
	} {
		if got := rfc9111.Invalidates(test.method, test.status); got != test.want {
			t.Errorf("%s %d: %v", test.method, test.status, got)
		}
	}
	target, _ := url.Parse("http://h:1/a/b?c")
	got := rfc9111.InvalidatedURLs(target, head("Location", "/x?y", "Content-Location", "http://other/z"))
	if len(got) != 1 || got[0].String() != "http://h:1/x?y" {
		t.Errorf("invalidated %v", got)
	}
}

// TestGroups: RFC 9875 §2 and §3.
func TestGroups(t *testing.T) {
	h := head("Cache-Groups", `"a", "b c";x=1, tok`, "Cache-Group-Invalidation", `"z"`)
	if diff := cmp.Diff([]string{"a", "b c"}, rfc9111.Groups(h)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"z"}, rfc9111.InvalidatedGroups(h)); diff != "" {
		t.Error(diff)
	}
	if got := rfc9111.Groups(head("Cache-Groups", `"a`)); got != nil {
		t.Errorf("a broken list gave %q", got)
	}
}

// TestStatus: RFC 9211 §2.
func TestStatus(t *testing.T) {
	for want, status := range map[string]rfc9111.Status{
		"terrazzo; hit; ttl=12":                                    {Cache: "terrazzo", Hit: true, TTL: 12500 * time.Millisecond},
		"terrazzo; hit; ttl=-3; detail=offline":                    {Cache: "terrazzo", Hit: true, TTL: -3 * time.Second, Detail: "offline"},
		"terrazzo; fwd=stale; fwd-status=304; collapsed; detail=x": {Cache: "terrazzo", Fwd: "stale", FwdStatus: 304, Collapsed: true, Detail: "x"},
		"terrazzo; fwd=uri-miss; stored":                           {Cache: "terrazzo", Fwd: "uri-miss", Stored: true},
	} {
		if got := status.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestReasonsHaveNames: a reason without a name would print as nothing.
func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]rfc9111.Reason{}
	for r := rfc9111.ReasonFresh; r <= rfc9111.ReasonRequestMaxStale; r++ {
		if r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
		if other, twice := seen[r.String()]; twice {
			t.Errorf("reasons %d and %d are both %q", r, other, r)
		}
		seen[r.String()] = r
	}
}

// FuzzResponse feeds headers from anywhere: no panic, no endless loop, and nothing that
// says no-store is ever stored without must-understand or a targeted field.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"max-age=60", `x="a\"`, `,,,=,"`, "no-store", "max-age==1", `private="a,b",max-age=9`, "s-maxage=1, stale-if-error=4",
		`no-store, max-age="`, "public, no-cache",
	} {
		f.Add(seed, "60", `"a", "b`, "Thu, 18 Aug 2050 02:01:18 GMT", "bytes=0-1")
	}
	f.Fuzz(func(t *testing.T, control, age, tags, when, ranges string) {
		h := http.Header{
			"Cache-Control": {control}, "Age": {age}, "Etag": {tags}, "Expires": {when}, "Last-Modified": {when},
			"Cdn-Cache-Control": {tags}, "Cache-Groups": {tags}, "Vary": {tags}, "Date": {when},
		}
		s := shared.Parse(200, h, base, base)
		if s.Lifetime < 0 || s.InitialAge < 0 || s.Age(base) < 0 {
			t.Errorf("negative time: %+v", s)
		}
		q := rfc9111.ParseRequest("GET", http.Header{"Cache-Control": {control}, "Pragma": {tags}})
		ok, _ := shared.Storable(&q, &s)
		if ok && s.Has(rfc9111.NoStore) && !s.Has(rfc9111.MustUnderstand) {
			t.Errorf("stored in spite of no-store: %q", control)
		}
		asked := http.Header{"If-None-Match": {tags}, "If-Modified-Since": {when}, "Range": {ranges}, "If-Range": {tags}, "Accept-Language": {tags}}
		rfc9111.NotModified(asked, &s)
		rfc9111.PreferredLanguage(asked["Accept-Language"])
		rfc9111.Groups(h)
		part := rfc9111.Range(asked, &s, 10)
		if part.Start < 0 || part.Length < 0 || part.Start+part.Length > 10 {
			t.Errorf("range %q gave %+v", ranges, part)
		}
		value, _ := rfc9111.VaryValue("Foo", http.Header{"Foo": {control}})
		again, _ := rfc9111.VaryValue("Foo", http.Header{"Foo": {value}})
		if value != again {
			t.Errorf("%q is brought to %q, and that to %q", control, value, again)
		}
	})
}
