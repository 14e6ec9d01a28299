package offline_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/internal/offline"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// TestPythonOnThePlane: Tiled's own client works with what was downloaded from Terrazzo,
// while the server is stopped and its port answers nothing.
func TestPythonOnThePlane(t *testing.T) {
	t.Parallel()
	python := testenv.Python(t)
	o := startDemo(t)
	c := connect(t, o.url)
	dir := t.TempDir()
	kept(t, dir, c, []string{"scan"}, offline.Wanted{Depth: -1})
	kept(t, dir, c, []string{"image"}, offline.Wanted{})
	script(t, python, "online", o.url, filepath.Join(dir, "seen.npz"))
	o.stop()
	closed(t, o.url)
	script(t, python, "offline", serveHeld(t, dir, c.URL()), filepath.Join(dir, "seen.npz"))
}

// TestPythonOnThePlaneFromTiled is the same from the real Tiled: its files, its dtypes.
func TestPythonOnThePlaneFromTiled(t *testing.T) {
	t.Parallel()
	python := testenv.Python(t)
	data := filepath.Join(t.TempDir(), "data")
	script(t, python, "files", data)
	tiled := testenv.Tiled(t, data, "--public")
	c := connect(t, tiled.URL)
	dir := t.TempDir()
	_, p := kept(t, dir, c, nil, offline.Wanted{Depth: -1, Assets: true})
	t.Logf("%+v", p)
	script(t, python, "read", tiled.URL, filepath.Join(dir, "seen.npz"))
	// The real server cannot be stopped before its test ends; the copy is asked alone, and
	// no link of it leads to the server.
	local := serveHeld(t, dir, c.URL())
	script(t, python, "compare", local, filepath.Join(dir, "seen.npz"))
}

func script(t *testing.T, python string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("testdata", "plane.py")}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TILED_RETRY_ATTEMPTS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("plane.py %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// serveHeld serves what is held on a socket, and fails the test if a request comes by
// another name than the server's own.
func serveHeld(t *testing.T, dir, api string) string {
	t.Helper()
	s, err := offline.Open(dir).Server(api, "anonymous")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler("", "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	local := httptest.NewUnstartedServer(nil)
	local.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != local.Listener.Addr().String() {
			t.Errorf("asked as %s", r.Host)
		}
		h.ServeHTTP(w, r)
	})
	local.Start()
	t.Cleanup(local.Close)
	return local.URL
}

// closed makes sure that nobody listens where the server was.
func closed(t *testing.T, url string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err == nil {
		_ = c.Close()
		t.Fatal("the server is still there")
	}
	if _, err := client.Connect(t.Context(), url, client.WithRetry(client.Retry{Attempts: 1})); err == nil {
		t.Fatal(errors.New("the server still answers"))
	}
}
