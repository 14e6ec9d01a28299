package source_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// growing is a format that goes on, and says from how many letters.
type growing struct {
	letters
	from chan int64
}

func (g growing) Resume(ctx context.Context, src adapter.Source, inside []string, previous *adapter.Description) (*adapter.Description, error) {
	g.from <- previous.Array.Shape[1]
	return g.Describe(ctx, src, inside)
}

// TestResume: of a file that only grows, each look goes on from the last one,
// trusted or not, and over a restart.
func TestResume(t *testing.T) {
	t.Parallel()
	opts := source.MemoryOptions{StateDir: filepath.Join(t.TempDir(), "state")}
	w := newWorld(t, opts)
	g := growing{letters{appendOnly: true}, make(chan int64, 10)}
	look := func(want ...int64) {
		t.Helper()
		n := source.New(w.wall, w.memory, g, source.Item{Tree: "t", Path: "a", Dir: ".", Names: []string{"a.txt"}}, nil)
		w.describe(n)
		close(g.from)
		var got []int64
		for from := range g.from {
			got = append(got, from)
		}
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("went on from %v, want %v", got, want)
		}
		g.from = make(chan int64, 10)
	}
	w.write("a.txt", "one")
	look()
	w.write("a.txt", "one two")
	look(3)
	w.settle("a.txt")
	look(7)
	look()
	w.restarted(opts)
	w.write("a.txt", "one two three")
	look(7)
}
