package personal_test

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
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/internal/personal"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

var update = flag.Bool("update", false, "write tests/cachesuite/private.json anew")

// result is what one test of the public suite said.
type result struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	DependsOn []string `json:"dependsOn"`
	Passed    bool     `json:"passed"`
	Shared    bool     `json:"shared"`
	Said      string   `json:"said"`
}

// TestCacheSuite runs the public HTTP cache tests (npm http-cache-tests) against the
// private cache: those that apply to browsers. What passed once must pass again.
func TestCacheSuite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(testenv.Root(t), "tests", "cachesuite")
	node := testenv.CacheSuite(t)
	c, err := httpcache.Open(httpcache.Place{}, httpcache.Options{
		Next: &http.Transport{DisableCompression: true}, Heuristic: true, StaleIfError: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := personal.New(personal.Options{Origin: suiteOrigin(t, node, dir), Transport: c})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		s.Close()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), node, "--no-warnings", "run.mjs", s.URL)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run.mjs: %v", err)
	}
	var results []result
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	compare(t, filepath.Join(dir, "private.json"), score(t, results))
}

// suiteOrigin starts the suite's own origin server.
func suiteOrigin(t *testing.T, node, dir string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = l.Close()
	cmd := exec.CommandContext(t.Context(), node, "--no-warnings", filepath.Join("node_modules", "http-cache-tests", "server", "server.mjs"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "npm_config_protocol=http", "npm_config_port="+port, "npm_config_pidfile="+filepath.Join(t.TempDir(), "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return "http://" + address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the suite's origin does not answer")
	return ""
}

// score tells which tests are passed: those that say so and whose dependencies are.
func score(t *testing.T, results []result) map[string]bool {
	t.Helper()
	byID := map[string]result{}
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
		if r.Kind == "check" || r.Shared {
			continue
		}
		out[r.ID] = passed(r.ID)
		all[r.Kind]++
		if out[r.ID] {
			sum[r.Kind]++
		} else {
			t.Logf("fails: %s (%s): %s", r.ID, r.Kind, r.Said)
		}
	}
	t.Logf("required %d of %d, optimal %d of %d", sum["required"], all["required"], sum["optimal"], all["optimal"])
	return out
}

func compare(t *testing.T, path string, got map[string]bool) {
	t.Helper()
	if *update {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", " ")
		if err := errors.Join(e.Encode(got), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
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
	for id, before := range golden {
		if before && !got[id] {
			t.Errorf("%s passed before and fails now", id)
		}
	}
	if len(got) != len(golden) {
		t.Errorf("%d tests ran, the golden file has %d: another version of the suite?", len(got), len(golden))
	}
}
