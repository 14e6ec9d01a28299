package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/telemetry"
)

// slowly counts writes, each of which takes a while.
type slowly struct {
	mu     sync.Mutex
	writes int
	text   bytes.Buffer
	err    error
}

func (s *slowly) Write(p []byte) (int, error) {
	time.Sleep(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.text.Write(p)
	return len(p), s.err
}

// seen is how many lines came in how many writes.
func (s *slowly) seen() (lines, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), "\n"), s.writes
}

func TestLinesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &slowly{}
		l := telemetry.NewLines(out)
		for i := range 1000 {
			if _, err := fmt.Fprintf(l, "line %d\n", i); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second) // nobody has to close it
		if lines, writes := out.seen(); writes != 1 || lines != 1000 {
			t.Errorf("%d lines in %d writes", lines, writes)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLinesAreBounded has much more to say than fits, to a writer that is slow.
func TestLinesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &slowly{}
		l := telemetry.NewLines(out)
		var all sync.WaitGroup
		line := []byte(strings.Repeat("x", 1023) + "\n")
		for range 4 {
			all.Go(func() {
				for range 1000 {
					if n, err := l.Write(line); n != len(line) || err != nil {
						t.Errorf("%d, %v", n, err)
					}
				}
			})
		}
		all.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if lines, writes := out.seen(); lines != 4000 || writes < 4000*1024/(256<<10)/2 {
			t.Errorf("%d lines in %d writes", lines, writes)
		}
		n, err := l.Write(line)
		if lines, _ := out.seen(); n != len(line) || err != nil || lines != 4001 {
			t.Errorf("after the end: %d, %v", n, err)
		}
	})
}

func TestLinesSayWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		l := telemetry.NewLines(&slowly{err: full})
		if _, err := l.Write([]byte("one\n")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if _, err := l.Write([]byte("two\n")); !errors.Is(err, full) {
			t.Errorf("%v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
