// Package testenv finds and starts what tests need from outside Go: the
// Python of the checkout with the real Tiled, Redis, nginx and Chromium.
//
// Everything listens on loopback and is gone when the test ends. What is
// missing makes the test skip on a developer's machine; in CI, where the
// environment variable TEST_MUST_RUN names it (a list separated by commas of
// python, chromium, node, redis, nginx, tmux, zsh, fish), the test fails instead. This is the
// only place of the module that skips a test. `make test` installs all of them.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// MustRun is the environment variable that lists what may not be missing.
const MustRun = "TEST_MUST_RUN"

// Root returns the absolute path of the checkout: the nearest folder above
// the test's own that holds go.mod. It fails the test when there is none.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("testenv: no go.mod above the test's folder: run the test inside the checkout")
		}
		dir = parent
	}
}

// Python returns the path of the interpreter of the checkout's virtual
// environment, which has everything in tests/requirements.txt.
func Python(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(Root(tb), ".venv", "bin", "python")
	if _, err := os.Stat(path); err != nil {
		missing(tb, "python", "run tools/setup python")
	}
	return path
}

// Chromium returns the path of a Chromium browser.
func Chromium(tb testing.TB) string {
	tb.Helper()
	return program(tb, "chromium", "chromium", "chromium-browser", "google-chrome")
}

// Node returns the path of node, for scripts that use tests/node_modules.
func Node(tb testing.TB) string {
	tb.Helper()
	if _, err := os.Stat(filepath.Join(Root(tb), "tests", "node_modules", "playwright-core")); err != nil {
		missing(tb, "node", "run tools/setup node")
	}
	return program(tb, "node", "node")
}

// Tmux returns the path of tmux, in which a program has a terminal.
func Tmux(tb testing.TB) string {
	tb.Helper()
	return program(tb, "tmux", "tmux")
}

// Shell returns the path of a shell: bash, zsh or fish.
func Shell(tb testing.TB, name string) string {
	tb.Helper()
	return program(tb, name, name)
}

// CacheSuite returns the path of node, for tests/cachesuite/run.mjs, which
// uses tests/cachesuite/node_modules.
func CacheSuite(tb testing.TB) string {
	tb.Helper()
	if _, err := os.Stat(filepath.Join(Root(tb), "tests", "cachesuite", "node_modules", "http-cache-tests")); err != nil {
		missing(tb, "node", "run tools/setup node")
	}
	return program(tb, "node", "node")
}

// UI returns the folder of Tiled's own web page as built by its authors, out
// of the wheel in the checkout's virtual environment. It holds index.html.
func UI(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(filepath.Dir(filepath.Dir(Python(tb))), "share", "tiled", "ui")
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		missing(tb, "python", "the wheel in .venv has no web page; run tools/setup python")
	}
	return dir
}

// program returns the first of the names that is on the PATH or in the
// folders of system programs; what is the name that TEST_MUST_RUN uses.
func program(tb testing.TB, what string, names ...string) string {
	tb.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
	}
	missing(tb, what, "run tools/setup system")
	return ""
}

// missing ends the test: as failed where TEST_MUST_RUN names what, else as
// skipped.
func missing(tb testing.TB, what, remedy string) {
	tb.Helper()
	if slices.Contains(strings.Split(os.Getenv(MustRun), ","), what) {
		tb.Fatalf("testenv: %s is missing and %s names it: %s", what, MustRun, remedy)
	}
	tb.Skipf("testenv: %s is missing: %s", what, remedy)
}
