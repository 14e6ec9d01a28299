package cli_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/terrazzo-data/terrazzo/internal/cli"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// TestOfflinePage runs each command of docs/offline.md as it is written there, but for the
// server's address.
func TestOfflinePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "offline.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	inside, commands := false, 0
	for line := range strings.SplitSeq(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside && line == "# no network from here":
			script.WriteString("stopserver\n")
		case inside && line != "":
			commands++
			script.WriteString("exec " + strings.ReplaceAll(line, "http://localhost:8000", "$URL") + "\n")
		}
	}
	if commands < 10 {
		t.Fatalf("%d commands on the page", commands)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.txtar"), []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := params(t)
	p.Dir = dir
	testscript.Run(t, p)
}

// TestOfflineServe: Tiled's client connects by the profile that was written, and reads.
func TestOfflineServe(t *testing.T) {
	python := testenv.Python(t)
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, "config"), "XDG_DATA_HOME": filepath.Join(home, "data"),
		"XDG_CACHE_HOME": filepath.Join(home, "cache"), "TILED_API_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	url, stop := demo(t)
	defer stop()
	if status := cli.Run(t.Context(), cli.Program{Args: []string{"download", url, "scan"}, Out: io.Discard, Err: os.Stderr}); status != 0 {
		t.Fatalf("download: status %d", status)
	}
	stop()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, cli.Program{Args: []string{"offline", "serve", "--port", "0", "--write-profile", "plane"}, Out: w, Err: os.Stderr})
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	for lines.Scan() && !strings.Contains(lines.Text(), "http://127.0.0.1:") {
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	cmd := exec.CommandContext(t.Context(), python, "-c", `
from tiled.client import from_profile
c = from_profile("plane")
assert list(c) == ["scan"], list(c)
assert c["scan"]["detector"][7:9, 100].shape == (2, 512)
assert len(c["scan"]["spectra"].read()) == 3000
`)
	cmd.Env = append(os.Environ(), "TILED_API_KEY=")
	for i, line := range cmd.Env {
		if line == "TILED_API_KEY=secret" {
			cmd.Env[i] = "TILED_UNUSED="
		}
	}
	cmd.Env = cmd.Env[:len(cmd.Env)-1]
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	cancel()
	if status := <-done; status != 0 {
		t.Errorf("offline serve: status %d", status)
	}
}
