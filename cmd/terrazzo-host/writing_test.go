//go:build native

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/host"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// writer is a Python program that writes a file step by step, as it is told.
const writer = `
import sys, h5py
f = h5py.File(sys.argv[1], "w", libver=("earliest", "v110") if sys.argv[2] == "old" else ("v110", "v110"))
d = f.create_dataset("d", (0, 8), maxshape=(None, 8), chunks=(1, 8), dtype="<i8", compression="gzip")
if sys.argv[2] == "swmr":
    f.swmr_mode = True
n = 0
for line in sys.stdin:
    if line.strip() == "close":
        f.close()
    else:
        d.resize(n + 1, 0)
        d[n] = n
        n += 1
        d.flush() if sys.argv[2] == "swmr" else f.flush()
    print("done", flush=True)
`

// scribe runs a program that does one step for each line it is sent; tell makes
// it do one and waits for that.
func scribe(t *testing.T, program string, args ...string) (tell func(string)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), append([]string{"-c", program}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = in.Close(), cmd.Wait() })
	answers := bufio.NewReader(out)
	return func(step string) {
		t.Helper()
		if _, err := io.WriteString(in, step+"\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := answers.ReadString('\n'); err != nil || line != "done\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
}

// TestSWMR: what a SWMR writer has flushed is there with the next request.
func TestSWMR(t *testing.T) {
	dir := t.TempDir()
	tell := scribe(t, writer, filepath.Join(dir, "live.h5"), "swmr")
	b := newBench(t, dir, host.Options{Processes: 2})
	for n := range 8 {
		tell("step")
		d, data, err := whole(t.Context(), b.node("live.h5", "d"))
		if err != nil {
			t.Fatal(err)
		}
		last := data[max(0, len(data)-8):]
		if d.Grid.Shape[0] != int64(n+1) || int64(binary.LittleEndian.Uint64(last)) != int64(n) {
			t.Errorf("after %d steps: shape %v, last %v", n+1, d.Grid.Shape, last)
		}
	}
	tell("close")
	if d, _, err := whole(t.Context(), b.node("live.h5", "d")); err != nil || d.Grid.Shape[0] != 8 {
		t.Errorf("closed: %v, %v", d, err)
	}
	if s := b.pool.Stats(); s.Crashed+s.Killed > 0 {
		t.Errorf("%+v", s)
	}
}

// TestWriter: a file that somebody writes without SWMR is told from a damaged
// one, and read when it is whole.
func TestWriter(t *testing.T) {
	dir := t.TempDir()
	tell := scribe(t, writer, filepath.Join(dir, "w.h5"), "new")
	b := newBench(t, dir, host.Options{Processes: 1, Fresh: 1})
	tell("step")
	_, _, err := whole(t.Context(), b.node("w.h5", "d"))
	if !errors.Is(err, errdef.ErrUnavailable) || errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(err.Error(), "writing") {
		t.Errorf("while it is written: %v", err)
	}
	tell("close")
	if d, _, err := whole(t.Context(), b.node("w.h5", "d")); err != nil || d.Grid.Shape[0] != 1 {
		t.Errorf("closed: %v, %v", d, err)
	}
}
