package cli_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// screen is a terminal of 100 x 30 characters in which a shell runs that has terrazzo.
type screen struct {
	t            *testing.T
	tmux, socket string
}

func newScreen(t *testing.T, server string, shell ...string) *screen {
	t.Helper()
	s := &screen{t: t, tmux: testenv.Tmux(t), socket: filepath.Join(t.TempDir(), "s")}
	bin, home := filepath.Join(t.TempDir(), "bin"), t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = os.MkdirAll(bin, 0o700)
	}
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "terrazzo"))
	}
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-f", os.DevNull, "new-session", "-d", "-x", "100", "-y", "30"}, shell...)
	cmd := s.command(args...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home,
		"XDG_DATA_HOME="+home, "TILED_API_KEY=secret", "URL="+server, "PS1=ready> ", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HISTFILE=/dev/null", "TMUX=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command(s.tmux, "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) command(args ...string) *exec.Cmd {
	return exec.CommandContext(s.t.Context(), s.tmux, append([]string{"-S", s.socket}, args...)...)
}

func (s *screen) keys(keys ...string) {
	s.t.Helper()
	if out, err := s.command(append([]string{"send-keys", "--"}, keys...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("keys: %v\n%s", err, out)
	}
}

// until looks at the screen until it shows what is wanted, and returns it, colours
// included.
func (s *screen) until(want string) string {
	s.t.Helper()
	pattern := regexp.MustCompile(want)
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		plain, _ := s.command("capture-pane", "-p").Output()
		text := string(plain)
		if pattern.MatchString(text) {
			coloured, err := s.command("capture-pane", "-p", "-e").Output()
			if err != nil {
				s.t.Fatal(err)
			}
			return string(coloured)
		}
		select {
		case <-time.After(50 * time.Millisecond): // a screen tells nobody that it changed
		case <-ctx.Done():
			s.t.Fatalf("the screen never showed %q:\n%s", want, text)
		}
	}
}

// TestOnATerminal: what people see.
func TestOnATerminal(t *testing.T) {
	t.Parallel()
	server, stop := demo(t)
	defer stop()
	s := newScreen(t, server, testenv.Shell(t, "bash"), "--norc", "--noprofile")
	s.until("ready>")
	s.keys("clear; terrazzo info $URL scan/detector; echo done", "Enter")
	if text := s.until(`(?s)▀.*\ndone`); !strings.Contains(text, "38;5;") {
		t.Errorf("no colours:\n%q", text)
	}
	s.keys("clear; terrazzo info $URL nested/deeper/line; echo done", "Enter")
	s.until(`(?s)[▁▂▃▄▅▆▇█]{10,}.*\ndone`)
	s.keys("clear; terrazzo get $URL image --format png; terrazzo get $URL scan/detector --format csv; echo done", "Enter")
	s.until(`(?s)png is not for terminals.*15728640 numbers are too many for a terminal.*\ndone`)
	s.keys("clear; terrazzo info $URL image --no-preview | cat; TERM=dumb terrazzo info $URL image; echo done", "Enter")
	if text := s.until(`(?s)gradient.*gradient.*\ndone`); strings.ContainsAny(text, "▀░") {
		t.Errorf("a picture that nobody wanted:\n%s", text)
	}
}

// slowly is a server that takes its time with data.
func slowly(t *testing.T, server string) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/array/full") {
			select {
			case <-time.After(400 * time.Millisecond): // the network, not a synchronisation
			case <-r.Context().Done():
			}
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestProgressOnATerminal: a bar after a second, none in a pipe, and an interrupt that
// leaves nothing behind and says how to go on.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	server, stop := demo(t)
	defer stop()
	s := newScreen(t, slowly(t, server), testenv.Shell(t, "bash"), "--norc", "--noprofile")
	s.until("ready>")
	s.keys("clear; terrazzo download $URL scan --parallel 1; echo status $?", "Enter")
	s.until(`▕█*[▏▎▍▌▋▊▉]? *▏ +[0-9]+ %  .* left`)
	s.keys("C-c", "")
	s.until(`(?s)interrupted; the same command begins again.*status 130`)
	s.keys("clear; terrazzo download $URL scan --quiet; terrazzo --offline ls $URL scan; echo status $?", "Enter")
	s.until(`(?s)3 nodes, 18 parts \([1-9][0-9]* were held already\).*detector.*status 0`)
	s.keys("clear; terrazzo get $URL scan/detector --format raw --no-cache 2>$HOME/shown | wc -c; wc -c < $HOME/shown", "Enter")
	s.until(`(?m)^31457280\n0$`)
}

// TestShellsComplete: the shells themselves take the scripts, and complete.
func TestShellsComplete(t *testing.T) {
	t.Parallel()
	for shell, args := range map[string][]string{"bash": {"--norc", "--noprofile"}, "zsh": {"-f"}} {
		s := newScreen(t, "", append([]string{testenv.Shell(t, shell)}, args...)...)
		s.keys(fmt.Sprintf("source <(terrazzo completion %s); echo sour''ced", shell), "Enter")
		s.until("(?m)^sourced")
		for typed, want := range map[string]string{
			"terrazzo sea": "terrazzo search ", "terrazzo cache ref": "terrazzo cache refresh ", "terrazzo offline serve --wri": "--write-profile ",
		} {
			s.keys("C-u", "clear", "Enter")
			s.until(`^\S*[#%>] *\n`)
			s.keys(typed, "Tab", "x")
			s.until(regexp.QuoteMeta(want) + "x")
		}
	}
	fish := exec.CommandContext(t.Context(), testenv.Shell(t, "fish"), "--no-config", "-c", `
		terrazzo completion fish | source
		complete -C "terrazzo sea"; complete -C "terrazzo cache ref"; complete -C "terrazzo offline serve --wri"; complete -C "terrazzo serve d"`)
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "terrazzo")); err != nil {
		t.Fatal(err)
	}
	fish.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
	out, err := fish.CombinedOutput()
	for _, want := range []string{"search\t", "refresh\t", "--write-profile\t", "directory\t", "demo\t"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("fish: %q is not in\n%s, error %v", want, out, err)
		}
	}
}
