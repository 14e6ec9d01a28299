package demo_test

import (
	"encoding/binary"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/demo"
)

func find[T any](t *testing.T, path ...string) T {
	t.Helper()
	node, err := catalog.Lookup(t.Context(), demo.Tree(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, ok := adapter.As[T](node)
	if !ok {
		t.Fatalf("%v is a %T", path, node)
	}
	return out
}

func TestDetectorBlocksFit(t *testing.T) {
	a := find[adapter.Array](t, "scan", "detector")
	d, v, err := a.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := []int64{14, 0, 0}
	b, err := a.ReadBlock(t.Context(), v, last)
	if err != nil {
		t.Fatal(err)
	}
	if want := 4 * 512 * 512 * 2; len(b.Data) != want {
		t.Errorf("%d bytes in a block, want %d", len(b.Data), want)
	}
	// The pixel in the middle of frame 56 is the beam: cos(-14) of it.
	middle := binary.LittleEndian.Uint16(b.Data[2*(256*512+256):])
	if middle != 2273 {
		t.Errorf("the middle of frame 56 is %d", middle)
	}
	if _, err := a.ReadBlock(t.Context(), v, []int64{15, 0, 0}); err == nil {
		t.Errorf("a block beyond %v was read", d.Array.Shape)
	}
}

func TestSpectraColumns(t *testing.T) {
	table := find[adapter.Table](t, "scan", "spectra")
	_, v, err := table.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := table.ReadColumns(t.Context(), v, 2, []int{2, 0})
	if err != nil || len(got.Arrays) != 2 || got.Arrays[0].Len() != 1000 {
		t.Fatalf("%v, %v", got, err)
	}
	if got.Arrays[0].ValueStr(0) != "above" || got.Arrays[1].ValueStr(0) != "8500" {
		t.Errorf("first row: %s %s", got.Arrays[0].ValueStr(0), got.Arrays[1].ValueStr(0))
	}
}
