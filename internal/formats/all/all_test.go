package all_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/all"
)

// TestList: every kind of file has one format, and says all that is to say.
func TestList(t *testing.T) {
	names, files := map[string]bool{}, map[string]string{}
	for _, f := range all.List() {
		k := f.Kind()
		if k.Name == "" || names[k.Name] || k.MediaType == "" || len(k.Extensions) == 0 || k.Reads == "" == (k.Missing == "") {
			t.Errorf("incomplete, or there twice: %+v", k)
		}
		names[k.Name] = true
		for _, e := range k.Extensions {
			if !strings.HasPrefix(e, ".") || e != strings.ToLower(e) {
				t.Errorf("%s: the extension %q", k.Name, e)
			}
			if k.Sequence {
				e += " in a row"
			}
			if files[e] != "" {
				t.Errorf("%s and %s both read %s", files[e], k.Name, e)
			}
			files[e] = k.Name
		}
	}
	for _, e := range []string{".csv", ".png", ".png in a row", ".jpg", ".jpeg in a row", ".npy", ".zarr", ".npy in a row", ".h5", ".nx5", ".tif", ".tiff in a row", ".nc", ".xlsx"} {
		if files[e] == "" {
			t.Errorf("nothing for %s", e)
		}
	}
}

// TestMissing: what cannot be read says so, and is not opened.
func TestMissing(t *testing.T) {
	seen := 0
	for _, f := range all.List() {
		if f.Kind().Missing == "" {
			continue
		}
		seen++
		src := adaptertest.NewFolder(t, ".", "all.go")
		_, err := f.Describe(t.Context(), src, nil)
		if !errors.Is(err, errdef.ErrUnsupported) || !strings.Contains(err.Error(), f.Kind().Missing) {
			t.Errorf("%s: %v", f.Kind().Name, err)
		}
		if n := len(src.Opened()); n > 0 {
			t.Errorf("%s: %d files were opened", f.Kind().Name, n)
		}
	}
	if seen < 3 {
		t.Errorf("%d formats are missing", seen)
	}
}

// TestImageSequence: frames of a sequence are the images, read with one open.
func TestImageSequence(t *testing.T) {
	for kind, name := range map[string]string{"png": "pillow_RGB.png", "jpeg": "colour.jpeg"} {
		src := adaptertest.NewFolder(t, "../imagefile/testdata", name)
		one := read(t, format(t, kind), src, 0)
		src = adaptertest.NewFolder(t, "../imagefile/testdata", name, name)
		frame := read(t, format(t, kind+"-sequence"), src, 1)
		if !bytes.Equal(one, frame) || src.Opened()[name] != 2 {
			t.Errorf("%s: the second frame differs, or was opened %v", kind, src.Opened())
		}
	}
}

func format(t *testing.T, name string) adapter.Format {
	t.Helper()
	for _, f := range all.List() {
		if f.Kind().Name == name {
			return f
		}
	}
	t.Fatalf("no format %s", name)
	return nil
}

// read describes the item and reads a block, the first but along the first axis.
func read(t *testing.T, f adapter.Format, src adapter.Source, first int64) []byte {
	t.Helper()
	d, err := f.Describe(t.Context(), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(src, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	index := make([]int64, len(d.Grid.Shape))
	index[0] = first
	block, err := r.(adapter.ArrayReader).ReadBlock(t.Context(), index)
	if err != nil {
		t.Fatal(err)
	}
	return block.Data
}
