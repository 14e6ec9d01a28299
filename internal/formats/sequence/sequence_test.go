package sequence_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/npy"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

func TestFormat(t *testing.T) {
	adaptertest.Run(t, sequence.Of(npy.Format{}), adaptertest.Goldens(t, "testdata/golden.json"))
}

func open(t *testing.T, src adapter.Source) (*adapter.Description, adapter.ArrayReader) {
	t.Helper()
	f := sequence.Of(npy.Format{})
	d, err := f.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(src, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	return d, r.(adapter.ArrayReader)
}

func TestKind(t *testing.T) {
	k := sequence.Of(npy.Format{}).Kind()
	if !k.Sequence || k.Name != "npy-sequence" || k.MediaType != "multipart/related;type=application/x-npy" ||
		!slices.Equal(k.Extensions, []string{".npy"}) {
		t.Errorf("%+v", k)
	}
}

// TestNeverCast: a file unlike the first is an error that names it, and the
// others are read all the same.
func TestNeverCast(t *testing.T) {
	for _, other := range []string{"other_shape.npy", "other_type.npy", "other_bytes.npy", "other_broken.npy"} {
		src := adaptertest.NewFolder(t, "testdata", "frame0.npy", other, "frame1.npy")
		d, r := open(t, src)
		if opened := src.Opened(); len(opened) != 1 || opened["frame0.npy"] != 1 || !d.AppendOnly {
			t.Errorf("described by opening %v, append-only %v", opened, d.AppendOnly)
		}
		_, err := r.ReadBlock(t.Context(), []int64{1, 0, 0})
		if !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(err.Error(), other) {
			t.Errorf("%s: got %v", other, err)
		}
		block, err := r.ReadBlock(t.Context(), []int64{2, 0, 0})
		if err != nil || binary.LittleEndian.Uint16(block.Data) != 100 {
			t.Errorf("%s: the file behind it: %v, %v", other, block.Data, err)
		}
	}
}

func TestTouches(t *testing.T) {
	src := adaptertest.NewFolder(t, "testdata", "frame0.npy", "frame1.npy", "frame2.npy")
	d, r := open(t, src)
	for text, want := range map[string]string{
		"": "[frame0.npy frame1.npy frame2.npy]", "1": "[frame1.npy]", "::-2,0": "[frame2.npy frame0.npy]", ":,0:0": "[]",
	} {
		slice, err := ndslice.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		sel, err := slice.Normalise(d.Grid.Shape)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(slices.Collect(r.Touches(sel))); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	gone := adaptertest.NewFolder(t, "testdata", "frame0.npy")
	opened, err := sequence.Of(npy.Format{}).Open(gone, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.(adapter.ArrayReader).ReadBlock(t.Context(), []int64{1, 0, 0}); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("a file fewer: got %v", err)
	}
}

// TestOtherGrid stacks a file in Fortran order, large enough to be cut along
// another axis, on one in C order.
func TestOtherGrid(t *testing.T) {
	const rows, columns = 1500, 1000
	dir := t.TempDir()
	var c, fortran bytes.Buffer
	for at := range uint32(rows * columns) {
		_ = binary.Write(&c, binary.LittleEndian, at)
		_ = binary.Write(&fortran, binary.LittleEndian, at%rows*columns+at/rows)
	}
	for name, data := range map[string][]byte{"0False": c.Bytes(), "1True": fortran.Bytes()} {
		header := fmt.Sprintf("{'descr': '<u4', 'fortran_order': %s, 'shape': (%d, %d)}", name[1:], rows, columns)
		file := "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), 0}) + header + string(data)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src := adaptertest.NewFolder(t, dir, "0False", "1True")
	d, r := open(t, src)
	if counts := d.Grid.Counts(); !slices.Equal(counts, []int64{2, 3, 1}) {
		t.Fatalf("blocks %v", counts)
	}
	for block := range int64(3) {
		want, err := r.ReadBlock(t.Context(), []int64{0, block, 0})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.ReadBlock(t.Context(), []int64{1, block, 0})
		if err != nil || !bytes.Equal(got.Data, want.Data) || !slices.Equal(got.Shape, want.Shape) {
			t.Fatalf("block %d differs: %v", block, err)
		}
	}
}
