package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOwnStore builds tests/ownstore, a program in another module with a store of its
// own, without a network, has its store run the suite, and serves with it.
func TestOwnStore(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ownstore")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "tests", "ownstore"))); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"go.mod": strings.Replace(string(mod), "=> ../..", "=> "+root, 1), "go.sum": string(sum)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"build", "-o", "own", "."}, {"test", "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "own"), "serve", "demo", "--public", "--port", "0", "--state", "none", "--response-store", "mine")
	twice(t, cmd)
}

// twice starts a server and reads one frame two times: the second must come out of its
// response cache.
func twice(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("told to stop: %v\n%s", err, log.String())
		}
	}()
	address := ""
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "http") {
			address = line
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	for _, want := range []string{"stored", "fwd-status=304"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimRight(address, "/")+"/api/v1/array/full/scan/detector?slice=0", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if status := strings.Join(resp.Header.Values("Cache-Status"), ", "); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(status, want) {
			t.Errorf("%s %q, want %q: %v", resp.Status, status, want, err)
		}
	}
}
