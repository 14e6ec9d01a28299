package proxy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

var update = flag.Bool("update", false, "write tests/cachesuite/golden.json anew")

// suiteResult is what one test of the public suite said.
type suiteResult struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	DependsOn []string `json:"dependsOn"`
	Passed    bool     `json:"passed"`
	Said      string   `json:"said"`
}

// flaky tests depend on what the kernel does with a connection that is being closed.
var flaky = map[string]bool{"stale-close-s-maxage=2": true, "stale-close-proxy-revalidate": true}

// TestCacheSuite runs the public HTTP cache tests (npm http-cache-tests) against the
// proxy. What passed once must pass again, and each failure has its line in failures.txt.
func TestCacheSuite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testenv.Root(t), "tests", "cachesuite")
	node := testenv.CacheSuite(t)
	p, err := proxy.New(proxy.Options{
		Origin: suiteOrigin(t, node, dir), Kind: proxy.KindHTTP, Heuristic: true, StaleIfError: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), node, "--no-warnings", "run.mjs", server.URL)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run.mjs: %v", err)
	}
	var results []suiteResult
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	compare(t, dir, score(t, results))
}

// suiteOrigin starts the suite's own origin server.
func suiteOrigin(t *testing.T, node, dir string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	cmd := exec.CommandContext(t.Context(), node, "--no-warnings", filepath.Join("node_modules", "http-cache-tests", "server", "server.mjs"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "npm_config_protocol=http", "npm_config_port="+port, "npm_config_pidfile="+filepath.Join(t.TempDir(), "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 200 {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
			return "http://127.0.0.1:" + port
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the suite's origin does not answer")
	return ""
}

// score tells which tests are passed: those that say so and whose dependencies are.
func score(t *testing.T, results []suiteResult) map[string]bool {
	t.Helper()
	byID := map[string]suiteResult{}
	for _, r := range results {
		byID[r.ID] = r
	}
	var passed func(id string) bool
	passed = func(id string) bool {
		r, ok := byID[id]
		if !ok || !r.Passed {
			return false
		}
		for _, d := range r.DependsOn {
			if !passed(d) {
				return false
			}
		}
		return true
	}
	out, sum, all := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, r := range results {
		if r.Kind == "check" {
			continue
		}
		out[r.ID] = passed(r.ID)
		all[r.Kind]++
		if out[r.ID] {
			sum[r.Kind]++
		}
	}
	t.Logf("required %d of %d, optimal %d of %d", sum["required"], all["required"], sum["optimal"], all["optimal"])
	return out
}

func compare(t *testing.T, dir string, got map[string]bool) {
	t.Helper()
	path := filepath.Join(dir, "golden.json")
	if *update {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", " ")
		if err := errors.Join(e.Encode(got), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	golden := map[string]bool{}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	why, err := os.ReadFile(filepath.Join(dir, "failures.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for id, before := range golden {
		switch {
		case flaky[id]:
		case before && !got[id]:
			t.Errorf("%s passed before and fails now", id)
		case !before && got[id]:
			t.Errorf("%s passes now: run with -update, and take its line out of failures.txt", id)
		case !before && !strings.Contains("\n"+string(why), "\n"+id+"\t"):
			t.Errorf("%s fails and has no line in failures.txt", id)
		}
	}
	if len(got) != len(golden) {
		t.Errorf("%d tests ran, the golden file has %d: another version of the suite?", len(got), len(golden))
	}
}

var _ http.Handler = (*proxy.Proxy)(nil)
