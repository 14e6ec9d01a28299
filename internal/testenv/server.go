package testenv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startLimit bounds the wait for a server. The real Tiled takes 6 s for one
// file on an idle machine, and minutes for thousands.
const startLimit = 4 * time.Minute

// Server is a program that listens on loopback until its test ends.
type Server struct {
	Addr string // host:port
	URL  string // how clients name it, without a trailing slash
	Key  string // API key, of servers that have one
	PID  int    // its process, for tests that look at its CPU and memory
}

// Tiled serves a folder with the real Tiled (`tiled serve directory`), with
// more flags where given, and returns when it has indexed the folder. The API
// key is "secret"; give "--public" to read without it.
func Tiled(tb testing.TB, dir string, flags ...string) *Server {
	tb.Helper()
	tiled := filepath.Join(filepath.Dir(Python(tb)), "tiled")
	port := freePort(tb)
	args := append([]string{"serve", "directory", dir, "--port", port, "--api-key", "secret"}, flags...)
	s := start(tb, "Indexing complete.", tiled, args...)
	s.Addr = net.JoinHostPort("127.0.0.1", port)
	s.URL = "http://" + s.Addr
	s.Key = "secret"
	return s
}

// TiledConfig serves what a configuration file of the real Tiled says, and returns when
// it listens.
func TiledConfig(tb testing.TB, config string) *Server {
	tb.Helper()
	tiled := filepath.Join(filepath.Dir(Python(tb)), "tiled")
	file := filepath.Join(tb.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	port := freePort(tb)
	s := start(tb, "Uvicorn running on", tiled, "serve", "config", file, "--port", port)
	s.Addr = net.JoinHostPort("127.0.0.1", port)
	s.URL = "http://" + s.Addr
	return s
}

// Redis starts an empty Redis that keeps nothing on disk, with more
// configuration as flags ("--maxmemory", "100mb"). URL is for Redis clients.
func Redis(tb testing.TB, flags ...string) *Server {
	tb.Helper()
	redis := program(tb, "redis", "redis-server", "valkey-server")
	port := freePort(tb)
	args := append([]string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tb.TempDir(),
	}, flags...)
	s := start(tb, "eady to accept connections", redis, args...)
	s.Addr = net.JoinHostPort("127.0.0.1", port)
	s.URL = "redis://" + s.Addr
	return s
}

// Nginx starts nginx with one server block that holds the given directives
// (`root /dir;`, or a location with a proxy_pass), and returns when it accepts
// connections. It logs nothing and keeps its files in the test's own folder.
func Nginx(tb testing.TB, directives string) *Server {
	tb.Helper()
	nginx := program(tb, "nginx", "nginx")
	dir := tb.TempDir()
	port := freePort(tb)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(dir, port, directives)), 0o600); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	s := start(tb, "start worker process ", nginx, "-p", dir, "-c", conf, "-e", "stderr")
	s.Addr = net.JoinHostPort("127.0.0.1", port)
	s.URL = "http://" + s.Addr
	return s
}

func nginxConf(dir, port, directives string) string {
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // else its workers could not read a test's own folder
	}
	return fmt.Sprintf(`daemon off;
%[4]s
worker_processes 1;
pid %[1]s/pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen 127.0.0.1:%[2]s;
		%[3]s
	}
}
`, dir, port, directives, user)
}

// start runs a program until it prints a line that contains ready. The
// program and all that it starts are killed when the test ends.
func start(tb testing.TB, ready, program string, args ...string) *Server {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), program, args...)
	cmd.Env = append(os.Environ(), "HOME="+tb.TempDir(), "PYTHONUNBUFFERED=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, in, err := os.Pipe()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		tb.Fatalf("testenv: %s: %v", program, err)
	}
	_ = in.Close()
	is := make(chan error, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		watch(out, ready, is)
	}()
	tb.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		<-drained
		_ = out.Close()
	})
	select {
	case err := <-is:
		if err != nil {
			tb.Fatalf("testenv: %s: %v", program, err)
		}
	case <-time.After(startLimit):
		tb.Fatalf("testenv: %s: not ready after %v: it did not print %q", program, startLimit, ready)
	}
	return &Server{PID: cmd.Process.Pid}
}

// watch reads a program's output to its end and says on is, once, that it
// became ready, or that it ended before.
func watch(out io.Reader, ready string, is chan<- error) {
	var seen strings.Builder
	lines := bufio.NewReader(out)
	for found := false; ; {
		line, err := lines.ReadString('\n')
		if !found {
			seen.WriteString(line)
			if strings.Contains(line, ready) {
				found = true
				is <- nil
			}
		}
		if err != nil {
			if !found {
				is <- fmt.Errorf("ended before it was ready: %w; it printed:\n%s", eof(err), seen.String())
			}
			return
		}
	}
}

func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// freePort returns a port that nothing listened on a moment ago.
func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
