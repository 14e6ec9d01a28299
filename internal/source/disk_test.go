package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// restarted gives the world a new memory, as a new process has it.
func (w *world) restarted(opts source.MemoryOptions) {
	w.Helper()
	if err := w.memory.Close(); err != nil {
		w.Fatal(err)
	}
	opts.Recorder = w.counts
	w.memory = source.NewMemory(opts)
	w.counts.reset()
}

// TestState: descriptions and errors outlive the process, but not another
// version of the program.
func TestState(t *testing.T) {
	t.Parallel()
	opts := source.MemoryOptions{StateDir: filepath.Join(t.TempDir(), "state"), Salt: "1"}
	w := newWorld(t, opts)
	w.write("a.txt", "hello")
	w.write("b.txt", "BROKEN file")
	w.settle("a.txt", "b.txt")
	before, v := w.describe(w.node("a.txt"))
	_, _, broken := w.node("b.txt").Describe(t.Context())
	w.restarted(opts)
	if !w.memory.Persistent() {
		t.Fatal("no state")
	}
	after, v2 := w.describe(w.node("a.txt"))
	if v != v2 || after.Metadata["length"] != before.Metadata["length"] || after.Array.DataType.String() != before.Array.DataType.String() ||
		string(after.Notes) != "note" || after.Specs[0].Name != "letters" || after.MediaType != "text/letters" || len(after.Files) != 1 {
		t.Errorf("%+v %+v\n%+v %+v", before, v, after, v2)
	}
	if _, _, err := w.node("b.txt").Describe(t.Context()); !errors.Is(err, errdef.ErrUnprocessable) || err.Error() != broken.Error() {
		t.Errorf("%v, before %v", err, broken)
	}
	if n := w.counts.get(source.Describes); n != 0 {
		t.Errorf("%d looks after the restart", n)
	}
	if text, _ := w.read(w.node("a.txt"), nil); text != "hello" {
		t.Errorf("%q", text)
	}
	w.write("b.txt", "changed meanwhile")
	if _, _, err := w.node("b.txt").Describe(t.Context()); err != nil {
		t.Error(err)
	}
	opts.Salt = "2"
	w.restarted(opts)
	w.describe(w.node("a.txt"))
	if n := w.counts.get(source.Describes); n != 1 {
		t.Errorf("%d looks of another program", n)
	}
}

// TestStateTaken: a second process, a folder that cannot be written and a
// damaged file mean memory alone or a new start, said once.
func TestStateTaken(t *testing.T) {
	t.Parallel()
	opts := source.MemoryOptions{StateDir: t.TempDir()}
	w := newWorld(t, opts)
	w.write("a.txt", "hello")
	w.settle("a.txt")
	w.describe(w.node("a.txt"))
	var said bytes.Buffer
	opts.Log = slog.New(slog.NewTextHandler(&said, nil))
	second := source.NewMemory(opts)
	if second.Persistent() || strings.Count(said.String(), "memory alone") != 1 || !strings.Contains(said.String(), "another process") {
		t.Errorf("%s", said.String())
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	blocked := opts
	blocked.StateDir = filepath.Join(w.dir, "a.txt", "state")
	third := source.NewMemory(blocked)
	if third.Persistent() {
		t.Error("a state in a file")
	}
	_ = third.Close()
	if err := w.memory.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(opts.StateDir, "descriptions.db")
	for _, damage := range []string{"", "no database at all", strings.Repeat("\x00\xff", 40000)} {
		if err := os.WriteFile(file, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		w.memory = source.NewMemory(opts)
		if !w.memory.Persistent() {
			t.Errorf("%.10q: not begun anew", damage)
		}
		w.describe(w.node("a.txt"))
		if err := w.memory.Close(); err != nil {
			t.Error(err)
		}
	}
	w.memory = source.NewMemory(opts)
}

// TestStateCutOff: a state file cut off under our feet costs what it held, and
// nothing else.
func TestStateCutOff(t *testing.T) {
	t.Parallel()
	opts := source.MemoryOptions{StateDir: t.TempDir()}
	w := newWorld(t, opts)
	names := make([]string, 300)
	for i := range names {
		names[i] = fmt.Sprintf("f%03d.txt", i)
		w.write(names[i], "hello")
	}
	w.settle(names...)
	for _, name := range names {
		w.describe(w.node(name))
	}
	w.restarted(opts)
	if err := os.Truncate(filepath.Join(opts.StateDir, "descriptions.db"), 4096); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		w.describe(w.node(name))
	}
}

// TestMemoryBounded: what is held stays within the bound, and comes back from
// disk.
func TestMemoryBounded(t *testing.T) {
	t.Parallel()
	for _, state := range []bool{false, true} {
		opts := source.MemoryOptions{Bytes: 20_000}
		if state {
			opts.StateDir = t.TempDir()
		}
		w := newWorld(t, opts)
		names := make([]string, 100)
		for i := range names {
			names[i] = fmt.Sprintf("f%02d.txt", i)
			w.write(names[i], "hello")
		}
		w.settle(names...)
		for _, name := range names {
			w.describe(w.node(name))
		}
		w.restarted(opts)
		for range 2 {
			for _, name := range names {
				w.describe(w.node(name))
			}
		}
		describes, disk := w.counts.get(source.Describes), w.counts.get(source.RecallsDisk)
		if state && (describes != 0 || disk != 200) || !state && describes != 200 {
			t.Errorf("state %v: %d looks, %d from disk", state, describes, disk)
		}
	}
}

// TestStateBounded: the file holds at most two generations.
func TestStateBounded(t *testing.T) {
	t.Parallel()
	opts := source.MemoryOptions{StateDir: t.TempDir(), Bytes: 1, DiskBytes: 20_000}
	w := newWorld(t, opts)
	names := make([]string, 400)
	for i := range names {
		names[i] = fmt.Sprintf("f%03d.txt", i)
		w.write(names[i], "hello")
	}
	w.settle(names...)
	for round := range 3 {
		for _, name := range names[:100+round*100] {
			w.describe(w.node(name))
		}
		w.restarted(opts)
	}
	info, err := os.Stat(filepath.Join(opts.StateDir, "descriptions.db"))
	if err != nil || info.Size() > 400_000 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
}
