package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// packed writes texts, maps and lists as MessagePack; a map is a list of pairs after nil.
func packed(v any) []byte {
	switch v := v.(type) {
	case string:
		return appendPackString(nil, v)
	case []any:
		pairs := len(v) > 0 && v[0] == nil
		out := []byte{0x90 | byte(len(v))}
		if pairs {
			v = v[1:]
			out = []byte{0x80 | byte(len(v)/2)}
		}
		for _, member := range v {
			out = append(out, packed(member)...)
		}
		return out
	default:
		return []byte{0xcb, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18} // a float, whatever was asked for
	}
}

// TestRewrite: links below "links" are rewritten, what users wrote is not, and every other
// byte stays what it was.
func TestRewrite(t *testing.T) {
	t.Parallel()
	by := &prefixes{
		from: [2]string{"https://d/tiled", "http://o:8000/tiled"}, to: "https://d/data",
		fromPath: "/tiled", toPath: "/data",
	}
	for name, c := range map[string][2]string{
		"self":         {`{"links": {"self":"https://d/tiled/api/v1/metadata/a"} }`, `{"links": {"self":"https://d/data/api/v1/metadata/a"} }`},
		"own address":  {`{"data":[{"links":{"a":["http://o:8000/tiled?x=1"]}}]}`, `{"data":[{"links":{"a":["https://d/data?x=1"]}}]}`},
		"escaped":      {`{"links":{"a":"https:\/\/d\/tiled\/<x>"}}`, `{"links":{"a":"https://d/data/<x>"}}`},
		"root path":    {`{"meta":{"root_path":"/tiled/api"},"root_path":"/tiled/api"}`, `{"meta":{"root_path":"/data/api"},"root_path":"/tiled/api"}`},
		"device code":  {`{"verification_uri":"https://d/tiled/auth/x"}`, `{"verification_uri":"https://d/data/auth/x"}`},
		"users' own":   {`{"metadata":{"links":{"a":"https://d/tiled/api"}}}`, ""},
		"not below":    {`{"links":{"a":"https://d/tiledx/api","b":"https://e/tiled/","c":null,"d":1e5,"e":[]}}`, ""},
		"no link":      {`{"self":"https://d/tiled/api"}`, ""},
		"no JSON":      {`{"links":{"a":"https://d/tiled/api"}`, ""},
		"nothing":      {``, ""},
		"deep":         {strings.Repeat("[", 300) + strings.Repeat("]", 300), ""},
		"quote in key": {`{"a\"links":1,"links":{"x\"":"https://d/tiled"}}`, `{"a\"links":1,"links":{"x\"":"https://d/data"}}`},
	} {
		got, ok := jsonLinks([]byte(c[0]), by)
		if ok != (c[1] != "") || string(got) != c[1] {
			t.Errorf("%s: %q %v, want %q", name, got, ok, c[1])
		}
	}
	page := []any{nil, "data", []any{[]any{nil, "links", []any{nil, "self", "http://o:8000/tiled/" + strings.Repeat("x", 300)}, "n", 1.5}}, "metadata", []any{nil, "links", "http://o:8000/tiled/"}}
	want := []any{nil, "data", []any{[]any{nil, "links", []any{nil, "self", "https://d/data/" + strings.Repeat("x", 300)}, "n", 1.5}}, "metadata", []any{nil, "links", "http://o:8000/tiled/"}}
	if got, ok := msgpackLinks(packed(page), by); !ok || !bytes.Equal(got, packed(want)) {
		t.Errorf("%v %q\nwant %q", ok, got, packed(want))
	}
	whole := packed(page)
	for n := range whole {
		if got, ok := msgpackLinks(whole[:n], by); ok {
			t.Errorf("cut off at %d it reads as %q", n, got)
		}
	}
}

// TestPackedTypes walks over one value of each type.
func TestPackedTypes(t *testing.T) {
	t.Parallel()
	link := packed([]any{nil, "links", "http://o/x"})
	by := &prefixes{from: [2]string{"http://o", "http://o"}, to: "http://proxy"}
	for name, raw := range map[string]string{
		"small": "\x01", "negative": "\xff", "nil": "\xc0", "false": "\xc2", "true": "\xc3", "bin 8": "\xc4\x01a", "bin 16": "\xc5\x00\x01a",
		"bin 32": "\xc6\x00\x00\x00\x01a", "ext 8": "\xc7\x01\x05a", "ext 16": "\xc8\x00\x01\x05a", "ext 32": "\xc9\x00\x00\x00\x01\x05a",
		"float 32": "\xca1234", "float 64": "\xcb12345678", "uint 8": "\xcc1", "uint 16": "\xcd12", "uint 32": "\xce1234", "uint 64": "\xcf12345678",
		"int 8": "\xd01", "int 16": "\xd112", "int 32": "\xd21234", "int 64": "\xd312345678", "fixext 1": "\xd4\x05a", "fixext 2": "\xd5\x05ab",
		"fixext 4": "\xd6\x05abcd", "fixext 8": "\xd7\x0512345678", "fixext 16": "\xd8\x051234567812345678", "str 8": "\xd9\x01a", "str 16": "\xda\x00\x01a",
		"str 32": "\xdb\x00\x00\x00\x01a", "array 16": "\xdc\x00\x01\x01", "array 32": "\xdd\x00\x00\x00\x01\x01", "map 16": "\xde\x00\x01\x01\x01", "map 32": "\xdf\x00\x00\x00\x01\x01\x01",
	} {
		page := append(append([]byte{0x92}, raw...), link...)
		got, ok := msgpackLinks(page, by)
		if want := append(append([]byte{0x92}, raw...), packed([]any{nil, "links", "http://proxy/x"})...); !ok || !bytes.Equal(got, want) {
			t.Errorf("%s: %v %q, want %q", name, ok, got, want)
		}
		if _, ok := msgpackLinks(page[:1+len(raw)-1], by); ok {
			t.Errorf("%s: cut off, and taken for whole", name)
		}
	}
}

// FuzzLinks: whatever a page is, walking it ends; what is changed stays readable.
func FuzzLinks(f *testing.F) {
	f.Add([]byte(`{"links":{"self":"http://o/x"},"metadata":{"links":1}}`))
	f.Add(packed([]any{nil, "links", []any{"http://o/x"}}))
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte("\xdf\xff\xff\xff\xff\x01"))
	f.Add([]byte(strings.Repeat("[", 500)))
	by := &prefixes{from: [2]string{"http://o", "http://p"}, to: "http://proxy/below"}
	f.Fuzz(func(t *testing.T, page []byte) {
		if out, ok := jsonLinks(page, by); ok && !json.Valid(out) {
			t.Errorf("%q became %q", page, out)
		}
		if out, ok := msgpackLinks(page, by); ok && (len(out) < len(page)-len(page)/2 || bytes.Equal(out, page)) {
			t.Errorf("%q became %q", page, out)
		}
	})
}

// TestMounted: an origin below a path, a proxy below a path, and an origin that writes its
// own address into links: each link, cookie and redirection leads back through the proxy.
func TestMounted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		origin, base, asked string // asked is what the client's request comes in as
		heeds, rewrites     bool
		want                string
	}{
		"origin below a path":           {"/tiled", "", "http://proxy/api/v1/", true, false, "http://proxy"},
		"proxy below a path, taken off": {"", "https://d/data", "http://inner/api/v1/", true, false, "https://d/data"},
		"proxy below a path, left on":   {"", "https://d/data/", "http://inner/data/api/v1/", true, false, "https://d/data"},
		"both":                          {"/a/b", "https://d/x", "http://inner/x/api/v1/", true, false, "https://d/x"},
		"origin that does not heed":     {"", "", "http://proxy/api/v1/", false, true, "http://proxy"},
		"nothing to do":                 {"", "", "http://proxy/api/v1/", true, false, "http://proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasPrefix(r.URL.Path, c.origin+"/api/v1/") {
					t.Errorf("the origin was asked for %s", r.URL.Path)
				}
				base := "http://" + r.Context().Value(http.LocalAddrContextKey).(interface{ String() string }).String() + c.origin
				if c.heeds {
					base = r.Header.Get("X-Forwarded-Proto") + "://" + r.Header.Get("X-Forwarded-Host") + c.origin
				}
				w.Header().Set("Location", base+"/ui/")
				w.Header().Set("Content-Location", c.origin+"/api/v1/")
				w.Header().Set("Set-Cookie", "tiled_csrf=x; Path="+orElse(c.origin, "/")+"; HttpOnly")
				w.Header().Set("Etag", `"1"`)
				if strings.Contains(r.Header.Get("Accept"), "msgpack") {
					w.Header().Set("Content-Type", "application/x-msgpack")
					_, _ = w.Write(packed([]any{nil, "links", []any{nil, "self", base + "/api/v1/"}}))
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"links":{"self":"`+base+`/api/v1/"}}`)
			}))
			defer back.Close()
			p, err := New(Options{Origin: back.URL + c.origin, Base: c.base, RewriteLinks: c.rewrites})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			for _, accept := range []string{"application/json", "application/x-msgpack", "application/json"} {
				r := httptest.NewRequest(http.MethodGet, c.asked+"metadata/a", http.NoBody)
				r.Header.Set("Accept", accept)
				w := httptest.NewRecorder()
				p.ServeHTTP(w, r)
				want := `{"links":{"self":"` + c.want + `/api/v1/"}}`
				if strings.Contains(accept, "msgpack") {
					want = string(packed([]any{nil, "links", []any{nil, "self", c.want + "/api/v1/"}}))
				}
				if w.Code != http.StatusOK || w.Body.String() != want {
					t.Errorf("%s: %d %q, want %q", accept, w.Code, w.Body, want)
				}
				path := strings.TrimPrefix(strings.TrimPrefix(c.want, "http://proxy"), "https://d")
				if got := w.Header().Get("Location"); got != c.want+"/ui/" {
					t.Errorf("Location %q", got)
				}
				if got := w.Header().Get("Content-Location"); got != path+"/api/v1/" {
					t.Errorf("Content-Location %q", got)
				}
				if got := w.Header().Get("Set-Cookie"); got != "" && got != "tiled_csrf=x; Path="+orElse(path, "/")+"; HttpOnly" {
					t.Errorf("Set-Cookie %q", got)
				}
			}
		})
	}
}

// TestUnkeyed: fields that could have an origin answer for another target or method do
// not reach it.
func TestUnkeyed(t *testing.T) {
	t.Parallel()
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Forwarded-Prefix", "X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override", "X-Host", "Forwarded"} {
			if v := r.Header.Get(name); v != "" {
				t.Errorf("%s: %s reached the origin", name, v)
			}
		}
		if got := r.Header.Get("X-Forwarded-For"); strings.Contains(got, "evil") {
			t.Errorf("X-Forwarded-For: %s", got)
		}
	}))
	defer back.Close()
	p, err := New(Options{Origin: back.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	get(t, p, "/api/v1/metadata/a", "", "X-Forwarded-Prefix", "/evil", "X-Original-Url", "/evil", "X-Rewrite-Url", "/evil", "X-Http-Method-Override", "DELETE",
		"X-Host", "evil", "Forwarded", "host=evil", "X-Forwarded-For", "evil")
}
