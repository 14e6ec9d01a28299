package proxy_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// manyUsers is a Tiled server with passwords, a catalog that can be written, and streams.
const manyUsers = `
authentication:
  secret_keys: [not-a-secret]
  providers:
    - provider: toy
      authenticator: tiled.authenticators:DictionaryAuthenticator
      args: {users_to_passwords: {alice: secret1, bob: secret2}}
  tiled_admins: [{provider: toy, id: alice}, {provider: toy, id: bob}]
database: {uri: "sqlite:///%[1]s/auth.db", init_if_not_exists: true}
streaming_cache: {uri: "%[2]s"}
trees:
  - path: /
    tree: catalog
    args: {uri: "sqlite:///%[1]s/catalog.db", writable_storage: "%[1]s/data", init_if_not_exists: true}
`

// tiledWithUsers starts it and returns its URL.
func tiledWithUsers(t *testing.T) string {
	t.Helper()
	python, redis := testenv.Python(t), testenv.Redis(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, manyUsers, dir, redis.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(python), "tiled"), "serve", "config", config, "--port", port)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	url := "http://127.0.0.1:" + port
	for range 1800 {
		r, err := http.Get(url + api)
		if err == nil {
			_ = r.Body.Close()
			return url
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("Tiled does not start:\n%s", log.String())
	return ""
}

// TestSignIn: Tiled's dictionary authenticator through the proxy: two users, a renewed
// token, an API key, one that may read metadata only, strangers, and a live stream.
func TestSignIn(t *testing.T) {
	t.Parallel()
	tiled := tiledWithUsers(t)
	s, p := front(t, tiled, func(o *proxy.Options) { o.Kind = proxy.KindTiled })
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), "testdata/sign_in.py", s.URL)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TILED_RETRY_ATTEMPTS=1")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errors.String())
	}
	want := `who alice bob
data [0, 1, 2, 3, 4, 5]
data [0, 1, 2, 3, 4, 5]
data [0, 1, 2, 3, 4, 5]
data [0, 1, 2, 3, 4, 5]
stranger 401
stranger 401
stranger 401
renewed True [0, 1, 2, 3, 4, 5]
key 200
narrow 200
narrow 401
stream True ['first']
`
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	// Of four reads by known users one was a miss, one of bob's was confirmed; alice's
	// second and bob's second came from the cache.
	if st := p.Cache().Stats(); st.Hits < 2 {
		t.Errorf("stats %+v", st)
	}
	ways := []string{proxy.AuthorizeMetadata}
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		ways = append(ways, proxy.AuthorizeRevalidate, proxy.AuthorizeKey)
	}
	for _, authorize := range ways {
		grows(t, tiled, authorize)
	}
}

// grows lets a run grow behind a proxy of its own: no answer may be stale, whatever proves
// the right to it.
func grows(t *testing.T, tiled, authorize string) {
	t.Helper()
	s, p := front(t, tiled, func(o *proxy.Options) { o.Kind, o.Authorize = proxy.KindTiled, authorize })
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), "testdata/grow.py", s.URL, tiled, authorize)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TILED_RETRY_ATTEMPTS=1")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if want := "stale 0\nwritten [0, 2, 4] [0, 2, 4]\n"; err != nil || string(out) != want {
		t.Errorf("%s: %v\n%s\n%s", authorize, err, out, errors.String())
	}
	st := p.Cache().Stats()
	if st.Confirmed == 0 || authorize != proxy.AuthorizeMetadata && st.Hits > 0 {
		t.Errorf("%s: stats %+v", authorize, st)
	}
}
