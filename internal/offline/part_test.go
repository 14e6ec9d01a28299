package offline

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzPart: whatever a file of the library holds is a part that was written, or an
// error.
func FuzzPart(f *testing.F) {
	dir := f.TempDir()
	good := filepath.Join(dir, "good")
	if err := writePart(good, partHeader{ETag: `"x"`, Fetched: time.Unix(0, 0), Node: &record{Path: []string{"a"}}}, []byte("body")); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-1])
	f.Add([]byte(partMagic + "\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "part")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		h, body, err := readPart(path)
		if err == nil && int64(len(body)) != h.Size {
			t.Errorf("%d bytes, the header has %d", len(body), h.Size)
		}
	})
}
