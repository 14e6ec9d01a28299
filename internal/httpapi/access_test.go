package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/terrazzo-data/terrazzo/internal/httpapi"
)

// TestWhatIsOpen walks all endpoints of the published document: without a key
// only those answer that show no names, data or metrics.
func TestWhatIsOpen(t *testing.T) {
	a := &source{rows: 4, columns: 4, blockRows: 4}
	page := fstest.MapFS{"index.html": {Data: []byte("page")}, "assets/x.js": {Data: []byte("js")}}
	w := serve(t, tree{"a": a}, false, func(o *httpapi.Options) {
		o.UI = page
		o.MetricsHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("counters")) })
	})
	var doc struct{ Paths map[string]any }
	if err := json.Unmarshal([]byte(w.ask(t, "/openapi.json").body), &doc); err != nil || len(doc.Paths) < 20 {
		t.Fatalf("%d paths, %v", len(doc.Paths), err)
	}
	open := map[string]bool{"/": true, "/api/v1": true, "/healthz": true, "/tiled-ui-settings": true, "/docs": true, "/api/v1/docs": true, "/openapi.json": true, "/ui/{path}": true}
	for path := range doc.Paths {
		got := w.ask(t, strings.ReplaceAll(path, "{path}", "a"))
		if isOpen := got.status < 400; isOpen != open[path] || !isOpen && got.status != 401 {
			t.Errorf("%s without a key: %d", path, got.status)
		}
		if got := w.ask(t, strings.ReplaceAll(path, "{path}", "a")+"?api_key=wrong"); got.status != 401 && !open[path] {
			t.Errorf("%s with a wrong key: %d", path, got.status)
		}
	}
	for _, headers := range [][]string{{"Authorization: Apikey secret"}, {"Cookie: tiled_api_key=secret"}} {
		if got := w.ask(t, full, headers...); got.status != 200 || got.header.Get("Cache-Control") != "private, no-cache" || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%v: %d %v", headers, got.status, got.header)
		}
	}
	if got := w.ask(t, full, "Authorization: Basic eA=="); got.status != 400 {
		t.Errorf("another scheme: %d", got.status)
	}
	if got := w.ask(t, full, "Authorization: Apikey nope"); got.status != 401 || !strings.Contains(got.body, "Invalid API key") {
		t.Errorf("a wrong key: %d %s", got.status, got.body)
	}
}

func TestKeyMovesIntoACookie(t *testing.T) {
	w := serve(t, tree{}, false, func(o *httpapi.Options) { o.UI = fstest.MapFS{"index.html": {Data: []byte("page")}} })
	for _, path := range []string{"/?api_key=secret", "/ui/?api_key=secret&x=1", "//evil.example/?api_key=secret"} {
		got := w.ask(t, path)
		to, cookie := got.header.Get("Location"), got.header.Get("Set-Cookie")
		if strings.HasPrefix(path, "//") {
			if got.status < 400 && strings.HasPrefix(to, "//") {
				t.Errorf("%s sends the browser to %s", path, to)
			}
			continue
		}
		if got.status != 303 || strings.Contains(to, "secret") || !strings.Contains(cookie, "tiled_api_key=secret") || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
			t.Errorf("%s: %d to %q with %q", path, got.status, to, cookie)
		}
	}
	if got := w.ask(t, "/?api_key=wrong"); got.status != 401 || got.header.Get("Set-Cookie") != "" {
		t.Errorf("a wrong key: %d %v", got.status, got.header)
	}
	required := func(headers ...string) bool {
		return strings.Contains(w.ask(t, "/api/v1/", headers...).body, `"required":true`)
	}
	if !required() || required("Cookie: tiled_api_key=secret") {
		t.Error("the page would be sent to a login, or is let in without a key")
	}
}

func TestPageStaysInItsFolder(t *testing.T) {
	w := serve(t, tree{}, true, func(o *httpapi.Options) {
		o.UI = fstest.MapFS{"index.html": {Data: []byte("page")}, "assets/x.js": {Data: []byte("js")}}
	})
	for path, want := range map[string]string{
		"/ui/": "page", "/ui/browse/some/node": "page", "/ui/assets/x.js": "js", "/ui/assets/none.js": "404", "/ui": "page",
		"/ui/../../../../etc/passwd": "page", "/ui/..%2f..%2f..%2fetc%2fpasswd": "page", "/ui//etc/passwd": "page", "/ui/%00": "page",
	} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
		r.URL.Path = strings.NewReplacer("%2f", "/", "%00", "\x00").Replace(path)
		out := httptest.NewRecorder()
		httpapi.New(w.options).ServeHTTP(out, r)
		if body := out.Body.String(); body != want && (want != "404" || out.Code != 404) {
			t.Errorf("%s: %d %q", path, out.Code, body)
		}
	}
}

func TestLinks(t *testing.T) {
	root := tree{"a": &source{rows: 1, columns: 1, blockRows: 1}}
	self := func(w *world, from string, headers ...string) string {
		r := httptest.NewRequest(http.MethodGet, "http://host.example:8000"+w.options.RootPath+"/api/v1//metadata//a/", nil)
		r.RemoteAddr = from
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			if name == "Host" {
				r.Host = value
			}
			r.Header.Set(name, value)
		}
		out := httptest.NewRecorder()
		httpapi.New(w.options).ServeHTTP(out, r)
		var doc struct {
			Data struct{ Links struct{ Self string } }
		}
		if err := json.Unmarshal(out.Body.Bytes(), &doc); err != nil {
			t.Fatalf("%d %s", out.Code, out.Body)
		}
		return doc.Data.Links.Self
	}
	w := serve(t, root, true, nil)
	forwarded := []string{"X-Forwarded-Host: outside.example", "X-Forwarded-Proto: https"}
	for _, test := range []struct {
		from    string
		headers []string
		want    string
	}{
		{"192.0.2.1:1", nil, "http://host.example:8000/api/v1/metadata/a"},
		{"192.0.2.1:1", forwarded, "http://host.example:8000/api/v1/metadata/a"},
		{"10.1.2.3:1", forwarded, "https://outside.example/api/v1/metadata/a"},
		{"[::ffff:10.1.2.3]:1", forwarded, "https://outside.example/api/v1/metadata/a"},
		{"10.1.2.3:1", []string{"X-Forwarded-Proto: javascript", "X-Forwarded-Host: a/b?c"}, "http://host.example:8000/api/v1/metadata/a"},
		{"192.0.2.1:1", []string{"Host: evil\"<>"}, "http://localhost/api/v1/metadata/a"},
	} {
		if got := self(w, test.from, test.headers...); got != test.want {
			t.Errorf("from %s with %v: %s", test.from, test.headers, got)
		}
	}
	w = serve(t, root, true, func(o *httpapi.Options) { o.RootPath = "/data/" })
	w.options.RootPath = "/data"
	if got := self(w, "192.0.2.1:1"); got != "http://host.example:8000/data/api/v1/metadata/a" {
		t.Error(got)
	}
	w = serve(t, root, true, func(o *httpapi.Options) { o.PublicURL = "https://tiles.example/x/" })
	if got := self(w, "192.0.2.1:1"); got != "https://tiles.example/x/api/v1/metadata/a" {
		t.Error(got)
	}
}

func TestForeignPagesCannotPost(t *testing.T) {
	w := serve(t, tree{}, false, nil)
	path := "/api/v1/container/full/"
	if got := w.do(t, http.MethodPost, path, "Cookie: tiled_api_key=secret"); got.status != 403 {
		t.Errorf("with the cookie alone: %d", got.status)
	}
	if got := w.do(t, http.MethodPost, path, "Cookie: tiled_api_key=secret; tiled_csrf=t", "X-CSRF: t", "Accept: application/json"); got.status != 200 {
		t.Errorf("with the token: %d %s", got.status, got.body)
	}
	if got := w.do(t, http.MethodPost, path, "Authorization: Apikey secret", "Accept: application/json"); got.status != 200 {
		t.Errorf("with a key: %d %s", got.status, got.body)
	}
}

func TestOldClientsHaveOtherTags(t *testing.T) {
	w := serve(t, tree{"a": &source{rows: 1, columns: 1, blockRows: 1}}, true, nil)
	now := w.ask(t, "/api/v1/metadata/a", "User-Agent: python-tiled/0.2.20")
	old := w.ask(t, "/api/v1/metadata/a", "User-Agent: python-tiled/0.2.16")
	if !strings.Contains(now.body, `"access_tags":[]`) || !strings.Contains(old.body, `"access_blob":{"tags":[]}`) || now.header.Get("ETag") == old.header.Get("ETag") {
		t.Errorf("%s\n%s", now.body, old.body)
	}
}
