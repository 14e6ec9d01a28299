package proxy_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// npy is a two-dimensional array of int16 as NumPy writes it.
func npy(rows, columns int) []byte {
	header := "{'descr': '<i2', 'fortran_order': False, 'shape': (" + itoa(rows) + ", " + itoa(columns) + "), }"
	header += strings.Repeat(" ", 117-len(header)) + "\n"
	out := append([]byte("\x93NUMPY\x01\x00\x76\x00"), header...)
	for i := range rows * columns {
		out = append(out, byte(i), byte(i>>8))
	}
	return out
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// readAll runs the unmodified Python client.
func readAll(t *testing.T, url string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), append([]string{"testdata/read_all.py", url, "secret"}, args...)...)
	cmd.Env = append(os.Environ(), "TILED_RETRY_ATTEMPTS=1", "HOME="+t.TempDir())
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", url, err, errors.String())
	}
	return string(out)
}

// TestRealTiled: the real server behind the proxy and the unmodified client before it,
// cold, warm, with the client's own cache (whose 304s it cannot bear), and offline after a
// download.
func TestRealTiled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"image.npy": npy(50, 40), "table.csv": []byte("a,b\n1,x\n2,y\n"), "below/deep/other.npy": npy(7, 9),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tiled := testenv.Tiled(t, dir)
	want := readAll(t, tiled.URL)
	if !strings.Contains(want, "(50, 40)") || !strings.Contains(want, "/below/deep/other") {
		t.Fatalf("the tree itself reads as\n%s", want)
	}
	s, p := front(t, tiled.URL, func(o *proxy.Options) {
		o.Kind = proxy.KindTiled
		o.Disk, o.DiskSize = t.TempDir(), 1<<30
	})
	for _, round := range []string{"cold", "warm"} {
		if got := readAll(t, s.URL); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", round, got, want)
		}
	}
	if st := p.Cache().Stats(); st.Confirmed == 0 || st.StoreErrors != 0 {
		t.Errorf("stats %+v", st)
	}
	cache := filepath.Join(t.TempDir(), "client.db")
	for range 3 {
		if got := readAll(t, s.URL, "--cache", cache); got != want {
			t.Errorf("with its own cache: got\n%s", got)
		}
	}
	first, err := proxy.Download(t.Context(), proxy.DownloadOptions{URLs: []string{s.URL}, Authorization: "Apikey secret"})
	if err != nil || first.Nodes < 5 {
		t.Fatalf("download: %+v %v", first, err)
	}
	again, err := proxy.Download(t.Context(), proxy.DownloadOptions{URLs: []string{s.URL}, Authorization: "Apikey secret"})
	if err != nil || again.Held != again.Requests {
		t.Errorf("download again: %+v %v: want all held", again, err)
	}
	p.SetOffline(true)
	if got := readAll(t, s.URL); got != want {
		t.Errorf("offline: got\n%s\nwant\n%s", got, want)
	}
	if status, _, err := fetch(t, s.URL+api+"metadata/never"); status != http.StatusGatewayTimeout {
		t.Errorf("offline and not held: %d %v", status, err)
	}
}

const api = "/api/v1/"
