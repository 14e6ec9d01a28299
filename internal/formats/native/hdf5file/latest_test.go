//go:build native

package hdf5file_test

import (
	"encoding/binary"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// TestLatestIndexes reads chunks by way of large indexes of each kind as HDF5
// 2.0 writes them: pages of arrays, secondary blocks, a tree of some depth. The
// chunk at i holds 7·i; of each tenth there is none.
func TestLatestIndexes(t *testing.T) {
	const program = `
import sys, zlib, h5py
N = 140_000
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    for name, shape, limit, chunk in (
        ("fixed", (N,), (N,), (1,)), ("grows", (N,), (None,), (1,)), ("tree", (N // 100, 100), (None, None), (1, 1)),
    ):
        d = f.create_dataset(name, shape, chunks=chunk, maxshape=limit, dtype="<i4", compression="gzip", fillvalue=-1)
        n = N if name == "grows" else N // 7
        for i in range(n):
            if i % 10:
                at = (i,) if name != "tree" else (i // 100, i % 100)
                d.id.write_direct_chunk(at, zlib.compress((7 * i).to_bytes(4, "little"), 1))
`
	dir := t.TempDir()
	python(t, program, dir+"/large.h5")
	s := serve(t, dir)
	for name, n := range map[string]int64{"fixed": 20_000, "grows": 140_000, "tree": 20_000} {
		node := s.node("large.h5", name)
		d, _, err := node.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a, _ := adapter.As[adapter.Array](node)
		columns := int64(1)
		if name == "tree" {
			columns = 100
		}
		var b adapter.Block
		last := int64(-1)
		for i := range n {
			row := i / columns
			if block := row / d.Grid.Block[0]; block != last {
				last = block
				where := make([]int64, len(d.Grid.Shape))
				where[0] = block
				v, err := a.Version(t.Context(), d, d.Grid.Of(where))
				if err != nil {
					t.Fatal(err)
				}
				if b, err = a.ReadBlock(t.Context(), v, where); err != nil {
					t.Fatalf("%s: %v: %v", name, where, err)
				}
			}
			at := row%d.Grid.Block[0]*columns + i%columns
			want := int32(7 * i)
			if i%10 == 0 {
				want = -1
			}
			if got := int32(binary.LittleEndian.Uint32(b.Data[4*at:])); got != want {
				t.Fatalf("%s: element %d is %d, want %d", name, i, got, want)
			}
		}
	}
}
