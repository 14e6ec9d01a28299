package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
)

const aboutText = `{"api_version":0,"library_version":"0.2.20","authentication":{"required":false,"providers":[
	{"provider":"toy","mode":"password","links":{"auth_endpoint":"/api/v1/login"}}],"links":{"whoami":"/api/v1/whoami"}}}`

// TestRedirects: a key, a token or a password goes to no other server, and no other port
// of the same one, whatever status sends them there; within the server they follow.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var leaked atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, aboutText)
	}))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch r.URL.Path {
			case "/api/v1/":
				http.Redirect(w, r, "/api/v1/here", status)
			case "/api/v1/here":
				_, _ = io.WriteString(w, aboutText)
			default:
				http.Redirect(w, r, thief.URL+r.URL.Path, status)
			}
		}))
		c, err := client.Connect(t.Context(), s.URL, client.WithAPIKey("topsecret"), quick)
		if err != nil {
			t.Fatalf("%d within the server: %v", status, err)
		}
		if _, err := c.Open(t.Context(), "a"); !errors.Is(err, errdef.ErrForbidden) || !strings.Contains(err.Error(), thief.URL) {
			t.Errorf("%d to another port: %v", status, err)
		}
		if _, err := c.Login(t.Context(), "", "alice", "pass"); !errors.Is(err, errdef.ErrForbidden) || strings.Contains(err.Error(), "pass") {
			t.Errorf("%d of a password: %v", status, err)
		}
		s.Close()
	}
	if leaked.Load() != 0 {
		t.Errorf("%d requests reached the other server", leaked.Load())
	}
}

// hostile serves one node and one body under every other path.
func hostile(t *testing.T, node string, data http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/api/v1/":
			_, _ = io.WriteString(w, aboutText)
		case strings.HasPrefix(r.URL.Path, "/api/v1/metadata"):
			_, _ = fmt.Fprintf(w, `{"data":{"id":"a","attributes":%s}}`, node)
		default:
			data(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return connect(t, s.URL, client.WithRetry(client.Retry{Attempts: 1}))
}

func arrayNode(shape, chunks, kind string, size int) string {
	return fmt.Sprintf(`{"structure_family":"array","metadata":{},"specs":[],"structure":{"shape":%s,"chunks":%s,"dims":null,"resizable":false,
		"data_type":{"endianness":"little","kind":%q,"itemsize":%d,"dt_units":null}}}`, shape, chunks, kind, size)
}

// TestHostileStructures: shapes, chunks and types that cannot be are errors, before
// memory is allocated for them.
func TestHostileStructures(t *testing.T) {
	t.Parallel()
	for name, node := range map[string]string{
		"overflow":        arrayNode("[9223372036854775807,9223372036854775807]", "[[9223372036854775807],[9223372036854775807]]", "u", 8),
		"negative":        arrayNode("[-1]", "[[-1]]", "u", 1),
		"chunks too few":  arrayNode("[10]", "[[3]]", "u", 1),
		"chunks too many": arrayNode("[10]", "[[10],[1]]", "u", 1),
		"item of nothing": arrayNode("[10]", "[[10]]", "u", -1),
		"huge item":       arrayNode("[2]", "[[2]]", "V", 1<<62),
		"no such kind":    arrayNode("[2]", "[[2]]", "?", 1),
		"not a list":      arrayNode(`"many"`, "[[2]]", "u", 1),
		"a petabyte":      arrayNode("[1125899906842624]", "[[1125899906842624]]", "u", 1),
	} {
		c := hostile(t, node, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: asked for data", name) })
		n, err := c.Open(t.Context(), "a")
		if err == nil {
			var a *client.Array
			if a, err = n.Array(); err == nil {
				_, err = a.ReadBytes(t.Context(), "")
			}
		}
		if err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

// TestHostileBodies: bodies that have no end, that are not what their coding says, or in
// a coding that nobody asked for, end in an error after as much as was to be expected.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}
	for name, data := range map[string]http.HandlerFunc{
		"endless": endless,
		"endless gzip": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			endless(w, r)
		},
		"br": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write(make([]byte, 100))
		},
		"lying length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9000000000000000000")
			_, _ = w.Write(make([]byte, 100))
		},
		"nothing": func(http.ResponseWriter, *http.Request) {},
	} {
		c := hostile(t, arrayNode("[100]", "[[100]]", "u", 1), data)
		if _, err := arrayAt(t, c, "a").ReadBytes(t.Context(), ""); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	c := hostile(t, `{"structure_family":"container","metadata":{},"specs":[],"structure":{"contents":null,"count":1}}`, endless)
	small := connect(t, c.URL(), client.WithLimit(1<<20), client.WithRetry(client.Retry{Attempts: 1}))
	root, err := open(t, small, "").Container()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range root.Members().All(t.Context()) {
		if !errors.Is(err, errdef.ErrTooLarge) {
			t.Errorf("a listing without end: %v", err)
		}
	}
}
