package cli_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/terrazzo-data/terrazzo/internal/cli"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/server"
)

var update = flag.Bool("update", false, "write docs/command-line.md anew")

// TestMain lets scripts run the program: terrazzo is this test binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"terrazzo": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			os.Exit(cli.Run(ctx, cli.Program{Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr}))
		},
	})
}

// demo serves the demo tree until stop is called.
func demo(tb testing.TB) (url string, stop func()) {
	tb.Helper()
	c := config.Default()
	c.Listen.Host, c.Listen.Port = "127.0.0.1", 0
	c.Authentication.SingleUserAPIKey = "secret"
	c.Own.State = "none"
	c.Trees = []config.Tree{{Tree: "demo", Path: "/"}}
	s, err := server.New(c, server.Program{Version: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, err := s.Listen(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stopped := false
	return "http://" + l.Addr().String(), func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			tb.Error(err)
		}
	}
}

// TestScripts runs testdata/client: each script has a demo server of its own at $URL, with
// the key in $TILED_API_KEY; "stopserver" stops it.
func TestScripts(t *testing.T) {
	t.Parallel()
	p := params(t)
	p.Dir = filepath.Join("testdata", "client")
	testscript.Run(t, p)
}

// params are what scripts run with.
func params(t *testing.T) testscript.Params {
	t.Helper()
	return testscript.Params{
		Setup: func(e *testscript.Env) error {
			url, stop := demo(t)
			e.Defer(stop)
			e.Values["stop"] = stop
			home := filepath.Join(e.WorkDir, "home")
			e.Vars = append(e.Vars, "URL="+url, "TILED_API_KEY=secret", "HOME="+home,
				"XDG_CONFIG_HOME="+home+"/config", "XDG_CACHE_HOME="+home+"/cache", "XDG_DATA_HOME="+home+"/data")
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"stopserver": func(s *testscript.TestScript, _ bool, _ []string) {
				stop, ok := s.Value("stop").(func())
				if !ok {
					s.Fatalf("no server")
				}
				stop()
			},
			// status N command…: the command must end with that status.
			"status": func(s *testscript.TestScript, _ bool, args []string) {
				err := s.Exec(args[1], args[2:]...)
				got := "0"
				if err != nil {
					if _, after, ok := strings.Cut(err.Error(), "exit status "); ok {
						got = after
					}
				}
				if got != args[0] {
					s.Fatalf("status %s, want %s: %v", got, args[0], err)
				}
			},
		},
	}
}

// TestManual keeps docs/command-line.md what the grammar says.
func TestManual(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	if err := cli.WriteManual(&want); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "command-line.md")
	if *update {
		if err := os.WriteFile(file, []byte(want.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Error("docs/command-line.md is not what the grammar says: run go test ./internal/cli -run Manual -update")
	}
}
