//go:build native

package main

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/host"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// TestOtherFiles: whatever lies behind a master that is never touched (a target of
// a link, raw data, a source of a virtual data set, what lies behind that) is
// seen at once when it appears, is replaced, is written to in its place, grows,
// and goes.
func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	put := func(from, to string) {
		t.Helper()
		copyFile(t, filepath.Join(fixtures, from), filepath.Join(dir, "new"))
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	put("mosaic.h5", "mosaic.h5")
	put("mosaic0.h5", "mosaic0.h5")
	b := newBench(t, dir, host.Options{Processes: 2, Fresh: 1})
	const frame = 50 * 64
	// at is the first element of a frame, or the error.
	at := func(file, member string, n int) (int32, int64, error) {
		t.Helper()
		d, data, err := whole(t.Context(), b.node(file, member))
		if err != nil {
			return 0, 0, err
		}
		return int32(binary.LittleEndian.Uint32(data[4*frame*n:])), d.Grid.Shape[0], nil
	}
	expect := func(when, file, member string, n int, want int32) {
		t.Helper()
		if got, _, err := at(file, member, n); err != nil || got != want {
			t.Errorf("%s: %s of %s begins with %d, %v; want %d", when, member, file, got, err, want)
		}
	}
	gone := func(when, file, member string, want error) {
		t.Helper()
		if got, _, err := at(file, member, 0); !errors.Is(err, want) {
			t.Errorf("%s: %s of %s: %d, %v; want %v", when, member, file, got, err, want)
		}
	}
	expect("no source", "mosaic.h5", "stack", 4, -7)
	expect("no target behind a source", "mosaic.h5", "far", 0, -7)
	gone("no target", "mosaic0.h5", "far", errdef.ErrGone)
	gone("no raw data", "mosaic0.h5", "raw", errdef.ErrGone)
	gone("no raw data behind a source", "mosaic.h5", "raw", errdef.ErrUnprocessable)
	put("mosaic1.h5", "mosaic1.h5")
	put("mosaic0.bin", "mosaic0.bin")
	put("mosaic1.bin", "mosaic1.bin")
	expect("it appeared", "mosaic.h5", "stack", 4, 100_000)
	expect("it appeared", "mosaic.h5", "far", 0, 100_000)
	expect("it appeared", "mosaic0.h5", "far", 0, 100_000)
	expect("it appeared", "mosaic0.h5", "raw", 1, frame)
	expect("it appeared", "mosaic.h5", "raw", 1, frame)
	put("mosaic0.h5", "mosaic1.h5")
	put("mosaic1.bin", "mosaic0.bin")
	expect("it was replaced", "mosaic.h5", "stack", 4, 0)
	expect("it was replaced", "mosaic0.h5", "raw", 0, 100_000)
	expect("it was replaced", "mosaic.h5", "raw", 0, 100_000)
	copyFile(t, filepath.Join(fixtures, "mosaic0.bin"), filepath.Join(dir, "mosaic0.bin"))
	expect("it was written to", "mosaic0.h5", "raw", 0, 0)
	expect("it was written to", "mosaic.h5", "raw", 0, 0)
	const larger = `
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("stack", data=np.full((5, 50, 64), 9, "<i4"), chunks=(1, 50, 64), compression="gzip")
`
	if out, err := exec.CommandContext(t.Context(), testenv.Python(t), "-c", larger, filepath.Join(dir, "mosaic1.h5")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	expect("it grew", "mosaic.h5", "stack", 6, 9)
	if got, length, err := at("mosaic0.h5", "far", 4); got != 9 || length != 5 || err != nil {
		t.Errorf("the target grew: %d of %d frames, %v", got, length, err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "mosaic1.h5")), os.Remove(filepath.Join(dir, "mosaic0.bin"))); err != nil {
		t.Fatal(err)
	}
	expect("it is gone", "mosaic.h5", "stack", 4, -7)
	expect("it is gone", "mosaic.h5", "far", 0, -7)
	gone("it is gone", "mosaic0.h5", "far", errdef.ErrGone)
	gone("it is gone", "mosaic0.h5", "raw", errdef.ErrGone)
	if s := b.pool.Stats(); s.Crashed+s.Killed > 0 {
		t.Errorf("%+v", s)
	}
}
