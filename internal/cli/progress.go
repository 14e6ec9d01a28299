package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// progress says how far something long has come, to who looks at a terminal. It is
// silent for the first second.
type progress struct {
	p     *Program
	quiet bool

	mu    sync.Mutex // guards following
	begun time.Time
	shown time.Time
}

func newProgress(p *Program, quiet bool) *progress {
	return &progress{p: p, quiet: quiet || !p.terminal(p.Err) || os.Getenv("TERM") == "dumb", begun: time.Now()}
}

// silentFor is how long nothing is shown, and showEvery how often after that.
const (
	silentFor = time.Second
	showEvery = time.Second / 5
)

// show says how far it is.
func (g *progress) show(format string, args ...any) { g.draw(0, 0, format, args...) }

// draw draws a bar of done of total, if that is known, and says more beside it.
func (g *progress) draw(done, total int64, format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if g.quiet || now.Sub(g.begun) < silentFor || now.Sub(g.shown) < showEvery {
		return
	}
	g.shown = now
	text := fmt.Sprintf(format, args...)
	if total > 0 && done > 0 {
		left := time.Duration(float64(now.Sub(g.begun)) * float64(total-done) / float64(done))
		text = fmt.Sprintf("%s %3d %%  %s  %s left", bar(done, total), min(100, done*100/total), text, left.Round(time.Second))
	}
	g.p.say("\r\x1b[K%s", cutTo(text, width(g.p.Err)-1))
}

// done clears the line.
func (g *progress) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shown.IsZero() {
		g.p.say("\r\x1b[K")
	}
}

// barCells is the width of a bar.
const barCells = 20

func bar(done, total int64) string {
	eighths := int(float64(min(done, total)) / float64(total) * barCells * 8)
	out := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		out += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return "▕" + out + strings.Repeat(" ", barCells-utf8.RuneCountInString(out)) + "▏"
}

// cutTo is text of at most n characters.
func cutTo(text string, n int) string {
	if utf8.RuneCountInString(text) <= n || n < 2 {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// width is that of a terminal, in characters.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	return 80
}

// shownWriter counts what is written, and shows it.
type shownWriter struct {
	w     io.Writer
	n     int64
	total int64
	g     *progress
}

func (s *shownWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	speed := sizeOf(int64(float64(s.n)/max(0.001, time.Since(s.g.begun).Seconds()))) + "/s"
	if s.total > 0 {
		s.g.draw(s.n, s.total, "%s of %s  %s", sizeOf(s.n), sizeOf(s.total), speed)
	} else {
		s.g.show("%s  %s", sizeOf(s.n), speed)
	}
	return n, err
}

// room makes sure that so many bytes may be written to the folder of path, as far as can
// be known beforehand.
func room(path string, need int64) error {
	var about unix.Statfs_t
	if err := unix.Statfs(path, &about); err != nil {
		return nil //nolint:nilerr // it will be seen when it is written
	}
	free := int64(about.Bavail) * int64(about.Bsize) //nolint:gosec,unconvert // sizes of disks; the types differ between systems
	if need <= free {
		return nil
	}
	return fmt.Errorf("%s: %s are needed and %s are free; take a --slice, or name another place: %w", path, sizeOf(need), sizeOf(free), unix.ENOSPC)
}
