package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets this binary be the program, so that it is tried as a process.
func TestMain(m *testing.M) {
	if os.Getenv("TERRAZZO_TEST_RUN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "TERRAZZO_TEST_RUN=1", "HOME="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir())
	return cmd
}

// failing runs the program, which must end by itself with that status and say
// all of the texts.
func failing(t *testing.T, status int, says []string, args ...string) {
	t.Helper()
	out, err := program(t, args...).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != status {
		t.Errorf("%v: %v, want status %d\n%s", args, err, status, out)
	}
	for _, text := range says {
		if !strings.Contains(string(out), text) {
			t.Errorf("%v: does not say %q:\n%s", args, text, out)
		}
	}
	if strings.Contains(string(out), "goroutine ") {
		t.Errorf("%v: a stack:\n%s", args, out)
	}
}

// TestServeAndStop: the printed address lets in; told to stop, the program
// finishes what runs and ends well.
func TestServeAndStop(t *testing.T) {
	cmd := program(t, "serve", "demo", "--port", "0", "--state", "none")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := ""
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "http") {
			address = line
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("api_key") == "" {
		t.Fatalf("printed %q, %v\n%s", address, err, log.String())
	}
	u.Path = "/api/v1/array/full/scan/detector"
	resp, err := http.Get(u.String())
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	defer resp.Body.Close()
	failing(t, 1, []string{"address already in use", "--port"}, "serve", "demo", "--port", u.Port())
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != resp.ContentLength {
		t.Errorf("%d of %d bytes, %v", n, resp.ContentLength, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v\n%s", err, log.String())
	}
	if _, err := net.Dial("tcp", u.Host); err == nil {
		t.Error("something still listens")
	}
	if key := u.Query().Get("api_key"); strings.Contains(log.String(), key) {
		t.Errorf("the key is in the log:\n%s", log.String())
	}
}

func TestMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	failing(t, 3, []string{gone}, "serve", "directory", gone, "--port", "0")
	failing(t, 3, []string{file, "no folder"}, "serve", "directory", file, "--port", "0")
	failing(t, 2, []string{"--nope"}, "serve", "directory", t.TempDir(), "--nope")
	failing(t, 2, []string{"--port"}, "serve", "demo", "--port", "x")
	failing(t, 1, []string{"--memory"}, "serve", "demo", "--port", "0", "--memory", "much")
	failing(t, 1, []string{"port"}, "serve", "demo", "--port", "99999")
	failing(t, 1, []string{"API key"}, "serve", "demo", "--port", "0", "--api-key", "a b")
}
