package all_test

import (
	"errors"
	"strings"
	"testing"

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
	if seen < 5 {
		t.Errorf("%d formats are missing", seen)
	}
}
