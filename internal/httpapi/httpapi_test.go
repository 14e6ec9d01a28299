package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/httpapi"
)

const (
	full  = "/api/v1/array/full/a"
	block = "/api/v1/array/block/a"
)

func TestNotModifiedReadsNothing(t *testing.T) {
	a := &source{rows: 100, columns: 100, blockRows: 10}
	w := serve(t, tree{"a": a}, true, nil)
	first := w.ask(t, full, "Accept-Encoding: identity")
	tag := first.header.Get("ETag")
	if first.status != 200 || tag == "" || first.header.Get("Vary") != "Accept, Accept-Encoding" || first.header.Get("Cache-Control") != "no-cache" ||
		first.header.Get("Content-Length") != "10000" {
		t.Fatalf("%d %v", first.status, first.header)
	}
	zipped := w.ask(t, full, "Accept-Encoding: gzip, identity;q=0").header.Get("ETag")
	if zipped == tag || zipped == "" {
		t.Errorf("the coded body has the tag %s, the plain one %s", zipped, tag)
	}
	reads := a.reads.Load()
	for name, test := range map[string]struct {
		headers []string
		want    int
	}{
		"same":              {[]string{"If-None-Match: " + tag}, 304},
		"weak":              {[]string{"If-None-Match: W/" + tag}, 304},
		"unquoted":          {[]string{"If-None-Match: " + strings.Trim(tag, `"`)}, 304},
		"list":              {[]string{`If-None-Match: "x", ` + tag}, 304},
		"two lines":         {[]string{`If-None-Match: "x"`, "If-None-Match: " + tag}, 304},
		"star":              {[]string{"If-None-Match: *"}, 304},
		"coded, accepted":   {[]string{"If-None-Match: " + zipped, "Accept-Encoding: gzip"}, 304},
		"date":              {[]string{"If-Modified-Since: " + modified.Format(http.TimeFormat)}, 304},
		"tag before date":   {[]string{`If-None-Match: "x"`, "If-Modified-Since: " + modified.Format(http.TimeFormat)}, 200},
		"other":             {[]string{`If-None-Match: "x"`}, 200},
		"coded, not wanted": {[]string{"If-None-Match: " + zipped, "Accept-Encoding: identity"}, 200},
		"older date":        {[]string{"If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT"}, 200},
		"newer date":        {[]string{"If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT"}, 200},
		"other slice":       {[]string{"If-None-Match: " + tag, "?slice=0"}, 200},
		"other type":        {[]string{"If-None-Match: " + tag, "Accept: application/json"}, 200},
	} {
		path := full
		if last := test.headers[len(test.headers)-1]; last[0] == '?' {
			path, test.headers = full+last, test.headers[:len(test.headers)-1]
		}
		got := w.ask(t, path, test.headers...)
		if got.status != test.want {
			t.Errorf("%s: %d, want %d", name, got.status, test.want)
		}
		if got.status == 304 {
			if a.reads.Load() != reads {
				t.Errorf("%s: a 304 read %d blocks", name, a.reads.Load()-reads)
			}
			if got.header.Get("ETag") == "" || got.header.Get("Vary") == "" || got.body != "" {
				t.Errorf("%s: %v %q", name, got.header, got.body)
			}
		}
		reads = a.reads.Load()
	}
	a.state.Add(1)
	if got := w.ask(t, full, "If-None-Match: "+tag); got.status != 200 || got.header.Get("ETag") == tag {
		t.Errorf("after a change: %d %s", got.status, got.header.Get("ETag"))
	}
}

func TestRacySourceIsKeptByNobody(t *testing.T) {
	a := &source{rows: 4, columns: 4, blockRows: 4}
	a.racy.Store(true)
	w := serve(t, tree{"a": a}, true, nil)
	for _, path := range []string{full, block + "?block=0,0", "/api/v1/metadata/a", "/zarr/v2/a/0.0", "/api/v1/search/"} {
		got := w.ask(t, path, "If-None-Match: *")
		if got.status != 200 || got.header.Get("Cache-Control") != "no-store" || got.header.Get("ETag") != "" || got.header.Get("Last-Modified") != "" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
}

func TestChangeBeforeTheFirstByteStartsAgain(t *testing.T) {
	a := &source{rows: 4, columns: 4, blockRows: 1}
	a.onRead = func(_ context.Context, n int64) {
		if n == 3 {
			a.state.Add(1)
		}
	}
	w := serve(t, tree{"a": a}, true, nil)
	got := w.ask(t, full)
	if got.status != 200 || got.body != strings.Repeat("\x01", 16) {
		t.Errorf("changed once: %d %q", got.status, got.body)
	}
	a.state.Add(1) // what it was may be kept
	a.onRead = func(context.Context, int64) { a.state.Add(1) }
	got = w.ask(t, full)
	if got.status != 503 || got.header.Get("Retry-After") != "1" || got.header.Get("ETag") != "" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("changing all the time: %d %v", got.status, got.header)
	}
}

func TestChangeAfterTheFirstByteCutsTheConnection(t *testing.T) {
	a := &source{rows: 64, columns: 1 << 17, blockRows: 1}
	a.onRead = func(_ context.Context, n int64) {
		if n == 40 {
			a.state.Add(1)
		}
	}
	w := serve(t, tree{"a": a}, true, nil)
	for _, headers := range [][]string{nil, {"Accept-Encoding: gzip, identity;q=0"}} {
		a.reads.Store(0)
		got := w.ask(t, full, headers...)
		if got.status != 200 || !strings.HasSuffix(got.body, "[cut off]") {
			t.Errorf("%v: %d, %d bytes, and it looked whole", headers, got.status, len(got.body))
		}
	}
}

func TestClientGoneStopsReads(t *testing.T) {
	a := &source{rows: 1000, columns: 1 << 16, blockRows: 1}
	w := serve(t, tree{"a": a}, true, nil)
	ctx, leave := context.WithCancel(t.Context())
	seen := make(chan struct{})
	a.onRead = func(reading context.Context, n int64) {
		if n == 5 {
			leave()
			<-reading.Done()
			close(seen)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+full, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
	}
	<-seen
	w.server.Close() // waits for the handler
	if n := a.reads.Load(); n > 64 {
		t.Errorf("%d blocks were read for a client that left at the fifth", n)
	}
}

func TestRefusedBeforeReading(t *testing.T) {
	a := &source{rows: 1 << 20, columns: 1 << 20, blockRows: 1}
	w := serve(t, tree{"a": a}, true, nil)
	for path, want := range map[string]int{
		full:                                            400, // more than the limit
		full + "?slice=0&expected_shape=5":              422,
		full + "?slice=0&expected_shape=scalar":         422,
		full + "?slice=0,0&expected_shape=x":            422,
		full + "?slice=a":                               422,
		full + "?slice=1,,2":                            400,
		full + "?slice=::0":                             400,
		full + "?slice=0,0,0":                           400,
		full + "?slice=99999999":                        400,
		full + "?slice=0&format=image/x-nothing":        406,
		block:                                           422,
		block + "?block=":                               422,
		block + "?block=0":                              422,
		block + "?block=-1,0":                           422,
		block + "?block=0,99999999999999999999":         422,
		block + "?block=99999999,0":                     422,
		"/api/v1/table/full/a":                          404,
		"/api/v1/container/full/a":                      404,
		"/api/v1/search/a":                              404,
		"/api/v1/metadata/a?fields=x":                   422,
		"/api/v1/metadata/a?max_depth=9":                422,
		"/api/v1/metadata/a?omit_links=perhaps":         422,
		"/api/v1/metadata/a?select_metadata=[":          400,
		"/api/v1/metadata/a/b":                          404,
		"/api/v1/search/?page[limit]=-1":                422,
		"/api/v1/search/?page[offset]=1&page[cursor]=1": 400,
		"/api/v1/search/?filter[eq][condition][key]=a":  400,
		"/api/v1/asset/bytes/a":                         422,
		"/api/v1/asset/bytes/a?id=1":                    404,
		"/api/v1/nothing":                               404,
		"/nothing":                                      404,
		"/zarr/v2/a/0.0.0":                              400,
		"/zarr/v2/a/9999999999.0":                       400,
		"/api/v1/search-deep/?sort=a":                   400,
		"/api/v1/search-deep/?max_depth=0":              422,
		"/api/v1/distinct/?counts=x":                    422,
		"/api/v1/search/?a;b":                           400,
		"/ui/":                                          404,
	} {
		got := w.ask(t, path)
		var doc struct{ Detail any }
		err := json.Unmarshal([]byte(got.body), &doc)
		if list, ok := doc.Detail.([]any); ok { // of a parameter that does not parse
			doc.Detail = list[0].(map[string]any)["msg"]
		}
		if err != nil || doc.Detail == nil || doc.Detail == "" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: no clear error: %q", path, got.body)
		}
		if got.status != want {
			t.Errorf("%s: %d, want %d: %s", path, got.status, want, doc.Detail)
		}
	}
	if a.reads.Load() != 0 {
		t.Errorf("%d blocks were read", a.reads.Load())
	}
}

func TestExpressionsCannotGrow(t *testing.T) {
	w := serve(t, tree{"a": &source{rows: 1, columns: 1, blockRows: 1}}, true, nil)
	ask := func(expression string) answer {
		return w.ask(t, "/api/v1/metadata/a?fields=metadata&select_metadata="+strings.NewReplacer(" ", "%20", "|", "%7C", "[", "%5B", "]", "%5D", "`", "%60", "{", "%7B", "}", "%7D").Replace(expression))
	}
	for expression, want := range map[string]string{
		"a.b": `{"selected":1}`, "false": `{"selected":null}`, "{x: a.b, y: a}": `{"selected":{"x":1,"y":{"b":1}}}`, "length(keys(a))": `{"selected":1}`,
	} {
		if got := ask(expression); got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", expression, got.status, got.body)
		}
	}
	for _, expression := range []string{
		"[@,@]" + strings.Repeat("|[@,@]", 30), "to_string(@)", "pad_left(type(@), `1000000000`)", strings.Repeat("[", 3000),
		"a | $", "a.{x: $}", "let $x = a in $x", strings.Repeat("merge({a: @}, {b: @}) | ", 60) + "@",
		"let $x = [@,@] in let $y = [$x,$x] in let $z = [$y,$y,$y,$y] in [$z,$z,$z,$z] | [@,@,@,@] | [@,@,@,@] | [@,@,@,@] | [@,@,@,@]",
	} {
		if got := ask(expression); got.status != 400 {
			t.Errorf("%.40s: %d %.100s", expression, got.status, got.body)
		}
	}
}

func TestEveryErrorHasAStatus(t *testing.T) {
	for err, want := range map[error]int{
		errdef.ErrInvalid: 400, errdef.ErrUnauthenticated: 401, errdef.ErrForbidden: 403, errdef.ErrNotFound: 404, errdef.ErrNotAllowed: 405,
		errdef.ErrNotAcceptable: 406, errdef.ErrConflict: 409, errdef.ErrGone: 410, errdef.ErrTooLarge: 413, errdef.ErrUnsupported: 415,
		errdef.ErrUnprocessable: 422, errdef.ErrLimited: 429, errdef.ErrUnavailable: 503, errdef.ErrChanged: 503, errors.New("ours"): 500,
	} {
		a := &source{describeError: fmt.Errorf("file x: %w", err)}
		w := serve(t, tree{"a": a}, true, nil)
		got := w.ask(t, "/api/v1/metadata/a")
		if got.status != want || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: %d", err, got.status)
		}
		if ours := want == 500; strings.Contains(got.body, "file x") == ours {
			t.Errorf("%v: %s", err, got.body)
		}
	}
}

func TestHead(t *testing.T) {
	a := &source{rows: 100, columns: 100, blockRows: 10}
	w := serve(t, tree{"a": a}, true, nil)
	got := w.do(t, http.MethodHead, full)
	if got.status != 200 || got.header.Get("Content-Length") != "10000" || got.body != "" || a.reads.Load() != 0 {
		t.Errorf("%d %v, %d reads", got.status, got.header, a.reads.Load())
	}
	for path, allowed := range map[string]string{"/api/v1/metadata/a": "GET, HEAD", "/api/v1/table/full/a": "GET, HEAD, POST"} {
		if got := w.do(t, http.MethodDelete, path); got.status != 405 || got.header.Get("Allow") != allowed {
			t.Errorf("DELETE %s: %d, allowed %q", path, got.status, got.header.Get("Allow"))
		}
	}
}

func TestLimitIsAnOption(t *testing.T) {
	a := &source{rows: 100, columns: 100, blockRows: 10}
	w := serve(t, tree{"a": a}, true, func(o *httpapi.Options) { o.ResponseLimit = 9999 })
	if got := w.ask(t, full); got.status != 400 || !strings.Contains(got.body, "slice") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := w.ask(t, full+"?slice=:99"); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestDocumentsAreBounded: metadata come from files, and a page has those of
// many.
func TestDocumentsAreBounded(t *testing.T) {
	w := serve(t, tree{"a": &source{rows: 1, columns: 1, blockRows: 1}, "b": &source{rows: 1, columns: 1, blockRows: 1}}, true,
		func(o *httpapi.Options) { o.ResponseLimit = 1000 })
	if got := w.ask(t, "/api/v1/metadata/a"); got.status != 200 {
		t.Errorf("one: %d %s", got.status, got.body)
	}
	if got := w.ask(t, "/api/v1/search/"); got.status != 400 || !strings.Contains(got.body, "page[limit]") {
		t.Errorf("two: %d %s", got.status, got.body)
	}
	if got := w.ask(t, "/api/v1/distinct/?metadata="+strings.Repeat("a&metadata=", 200)+"a"); got.status != 400 {
		t.Errorf("many keys to count: %d", got.status)
	}
}

// TestManyNames: a list of names is looked through once.
func TestManyNames(t *testing.T) {
	w := serve(t, tree{"a": &source{rows: 1, columns: 1, blockRows: 1}}, true, nil)
	post := func(body string) int {
		resp, err := http.Post(w.server.URL+"/api/v1/container/full/?format=json", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := post(`["a"]`); got != 200 {
		t.Errorf("one name: %d", got)
	}
	if got := w.do(t, http.MethodPost, "/api/v1/container/full/", "Content-Encoding: gzip"); got.status != 415 {
		t.Errorf("a coded body: %d", got.status)
	}
	if got := post(`["a"` + strings.Repeat(`,"a"`, 200_000) + `]`); got != 413 {
		t.Errorf("very many names: %d", got)
	}
	if got := post(`["a"` + strings.Repeat(`,"x"`, 90_000) + `]`); got != 400 {
		t.Errorf("many names that are not there: %d", got)
	}
}

// TestLinksLead: to where they say, whatever the keys are, followed as they are.
func TestLinksLead(t *testing.T) {
	root := tree{}
	for _, key := range []string{"a#b", "c?d=1", "e%41", "n\nl", "sp ace", "x%FF"} {
		root[key] = tree{"in": &source{rows: 1, columns: 1, blockRows: 1}}
	}
	w := serve(t, root, true, nil)
	for key := range root {
		var doc struct {
			Data struct {
				ID    string
				Links struct{ Self, Search string }
			}
		}
		first := w.ask(t, "/api/v1/metadata/"+url.PathEscape(key))
		if err := json.Unmarshal([]byte(first.body), &doc); err != nil || doc.Data.ID != key {
			t.Errorf("%q: %d, %q, %v", key, first.status, doc.Data.ID, err)
		}
		for _, link := range []string{doc.Data.Links.Self, doc.Data.Links.Search, doc.Data.Links.Self + "/in"} {
			path := strings.ReplaceAll(strings.TrimPrefix(link, w.server.URL), " ", "%20")
			if got := w.ask(t, path); got.status != 200 {
				t.Errorf("%q: %s leads to %d %s", key, link, got.status, got.body)
			}
		}
	}
	// What a client sends that takes the %FF of a key for that of an address.
	if got := w.ask(t, "/api/v1/metadata/x%FF"); got.status != 200 || !strings.Contains(got.body, `"id":"x%FF"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestLargeAnswersLeaveRoom: while large answers hold all that they may have,
// windows and small ones are sent.
func TestLargeAnswersLeaveRoom(t *testing.T) {
	w := serve(t, tree{"a": &source{rows: 100, columns: 100, blockRows: 10}}, true, nil)
	large, err := w.options.Flight.ReserveLong(t.Context(), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	defer large.Release()
	for _, format := range []string{"", "?format=json", "?format=csv"} {
		if got := w.ask(t, full+format); got.status != 200 {
			t.Errorf("%s: %d %s", format, got.status, got.body)
		}
	}
}
