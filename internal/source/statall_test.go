package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// TestManyLooksAreTheSame compares the quick way to look at many files with the
// long one, for everything that can lie in a folder or not.
func TestManyLooksAreTheSame(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"in/deep/a", "shut"} {
		must(os.MkdirAll(filepath.Join(dir, folder), 0o700))
	}
	names := []string{".", "deep", "deep/a", "deep/a/none", "nowhere/x", "nowhere/y", "nowhere/z", "nowhere/w", "f1/x", "f1/y", "f1/z", "f1/w", "link", "dangling", "out", "loop", "../up", "/1/far", "/9/far"}
	for i := range 100 {
		name := fmt.Sprintf("f%d", i)
		must(os.WriteFile(filepath.Join(dir, "in", name), make([]byte, i), 0o600))
		must(os.WriteFile(filepath.Join(dir, "in/deep", name), make([]byte, i), 0o600))
		names = append(names, name, "deep/"+name, "deep/none"+name)
	}
	must(os.WriteFile(filepath.Join(other, "far"), nil, 0o600))
	must(os.Symlink("f1", filepath.Join(dir, "in/link")))
	must(os.Symlink("nothing", filepath.Join(dir, "in/dangling")))
	must(os.Symlink(filepath.Join(other, "far"), filepath.Join(dir, "in/out")))
	w, err := OpenWall(dir, WallOptions{Allow: []string{other}})
	must(err)
	defer w.Close()
	n := &Node{wall: w, item: Item{Dir: "in"}}
	many, err := n.look(t.Context(), names)
	must(err)
	for i, name := range names {
		one, err := n.stampNow(context.Background(), nil, name)
		if err != nil || many[i] != one {
			t.Errorf("%s: %+v among many, %+v alone, %v", name, many[i], one, err)
		}
	}
	if present := slices.IndexFunc(many, func(s adapter.Stamp) bool { return !s.Absent }); present < 0 {
		t.Error("nothing was there")
	}
	must(os.Symlink("loop", filepath.Join(dir, "in/loop")))
	_, alone := n.stampNow(context.Background(), nil, "loop")
	if _, err := n.look(t.Context(), names); (err == nil) != (alone == nil) {
		t.Errorf("a link to itself: %v among many, %v alone", err, alone)
	}
}
