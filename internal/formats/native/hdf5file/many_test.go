//go:build native

package hdf5file_test

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

func python(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), append([]string{"-c", program}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// blockCost is what reading one block takes.
func blockCost(t *testing.T, s *served, block []int64, file string, inside ...string) adapter.Cost {
	t.Helper()
	n := s.node(file, inside...)
	d, _, err := n.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, _ := adapter.As[adapter.Array](n)
	v, err := a.Version(t.Context(), d, d.Grid.Of(block))
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.ReadBlock(t.Context(), v, block)
	if err != nil {
		t.Fatal(err)
	}
	return b.Cost
}

// TestManyChunks: finding chunks among 100,000 reads the way to them, not the
// whole index, with every kind of index that such a data set has.
func TestManyChunks(t *testing.T) {
	const program = `
import sys, zlib, h5py
row = zlib.compress(bytes(8192))
for name, version, limit in (("btree1", "earliest", None), ("array", "v110", None), ("fixed", "v110", 100_000), ("btree2", "v110", -1)):
    with h5py.File(f"{sys.argv[1]}/{name}.h5", "w", libver=(version, "v110")) as f:
        d = f.create_dataset("d", (100_000, 1024), chunks=(1, 1024), maxshape=(limit and 100_000, 1024 if limit != -1 else None), dtype="f8", compression="gzip")
        if name == "btree2":
            d = f.create_dataset("d2", (100_000, 1024), chunks=(1, 1024), maxshape=(None, None), dtype="f8", compression="gzip")
        for i in range(100_000 if name in ("btree1", "array") else 80_000):
            d.id.write_direct_chunk((i, 0), row)
`
	dir := t.TempDir()
	python(t, program, dir)
	for name, member := range map[string]string{"btree1": "d", "array": "d", "fixed": "d", "btree2": "d2"} {
		s := serve(t, dir)
		cost := blockCost(t, s, []int64{300, 0}, name+".h5", member)
		t.Logf("%s: %+v", name, cost)
		if cost.Bytes < 256*8 || cost.Bytes > 400<<10 {
			t.Errorf("%s: %d bytes were read for 256 chunks", name, cost.Bytes)
		}
	}
}

// TestManyFiles: of an array over 282 files, describing opens each once, and
// reading a frame the one that has it.
func TestManyFiles(t *testing.T) {
	const program = `
import os, shutil, sys, h5py
os.chdir(sys.argv[1])
with h5py.File("one.h5", "w") as f:
    f.create_dataset("d", (20, 512, 1024), "<i4", chunks=(1, 512, 1024), compression="gzip")[3] = 7
for i in range(282):
    shutil.copy("one.h5", f"f{i}.h5")
v = h5py.VirtualLayout((282 * 20, 512, 1024), "<i4")
for i in range(282):
    v[20 * i:20 * i + 20] = h5py.VirtualSource(f"f{i}.h5", "d", (20, 512, 1024))
with h5py.File("all.h5", "w", libver="v110") as f:
    f.create_virtual_dataset("d", v)
`
	dir := t.TempDir()
	python(t, program, dir)
	s := serve(t, dir)
	n := s.node("all.h5", "d")
	d, _, err := n.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Grid.Block, []int64{1, 512, 1024}) || len(d.Files) != 283 {
		t.Errorf("blocks of %v, %d files", d.Grid.Block, len(d.Files))
	}
	cost := blockCost(t, s, []int64{20*100 + 3, 0, 0}, "all.h5", "d")
	t.Logf("%d bytes of notes, a frame: %+v", len(d.Notes), cost)
	if cost.Opens > 1 {
		t.Errorf("a frame opened %d files", cost.Opens)
	}
}
