package testenv_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %s", url, resp.StatusCode, body)
	}
	return string(body)
}

func TestPython(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), testenv.Python(t), "-c", "import tiled, numpy; print(tiled.__version__)").CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "0.2.20" {
		t.Fatalf("version of Tiled: got %q, %v, want 0.2.20", got, err)
	}
}

func TestUI(t *testing.T) {
	if _, err := os.Stat(filepath.Join(testenv.UI(t), "assets")); err != nil {
		t.Fatal(err)
	}
}

func TestTiled(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte("a,b\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testenv.Tiled(t, dir, "--public")
	if body := get(t, s.URL+"/api/v1/search/"); !strings.Contains(body, `"id":"t"`) {
		t.Fatalf("search: the file is not listed: %s", body)
	}
}

func TestRedis(t *testing.T) {
	s := testenv.Redis(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "+PONG\r\n" {
		t.Fatalf("PING: got %q, %v", line, err)
	}
}

func TestNginx(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.txt"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testenv.Nginx(t, "root "+dir+";")
	if got := get(t, s.URL+"/x.txt"); got != "hello" {
		t.Fatalf("got %q, want hello", got)
	}
}

func TestBrowser(t *testing.T) {
	for _, path := range []string{testenv.Chromium(t), testenv.Node(t)} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// TestMissing runs this test binary again, with a PATH where nothing is, to
// see what a test that lacks its program does.
func TestMissing(t *testing.T) {
	if os.Getenv("TESTENV_INNER") != "" {
		testenv.Redis(t)
		return
	}
	for _, c := range []struct {
		name, must, want string
		fails            bool
	}{
		{"at home", "", "--- SKIP", false},
		{"another named", "nginx,chromium", "--- SKIP", false},
		{"named", "nginx,redis", "--- FAIL", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMissing$", "-test.v")
			cmd.Env = []string{"PATH=/nowhere", "TESTENV_INNER=1", testenv.MustRun + "=" + c.must}
			out, err := cmd.CombinedOutput()
			if (err != nil) != c.fails || !strings.Contains(string(out), c.want) {
				t.Errorf("want %q and failure %v, got %v:\n%s", c.want, c.fails, err, out)
			}
		})
	}
}
