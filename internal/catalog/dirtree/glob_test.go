package dirtree_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// TestGlob: names in natural order, folders included, and the same adapters as
// long as the names stay.
func TestGlob(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"run2/a10.doc", "run2/a9.doc", "run10/a1.doc", "run2/b1.doc", "run2/.a0.doc", "a1.doc", "run2/deep/a1.doc", "run2/a3.txt"} {
		w.write(name, "{}")
	}
	for pattern, want := range map[string]string{
		"run*/a*.doc": "[run2/a9.doc run2/a10.doc run10/a1.doc]", "*.doc": "[a1.doc]", "run2/a?.doc": "[run2/a9.doc]", "nothing*": "[]", "*/*/*": "[run2/deep/a1.doc]",
	} {
		g, err := w.tree.Glob(pattern, nil)
		if err != nil {
			t.Fatal(err)
		}
		names, nodes, err := g.Members(t.Context())
		if got := fmt.Sprint(names); err != nil || got != want || len(nodes) != len(names) {
			t.Errorf("%s: got %s, %v, want %s", pattern, got, err, want)
		}
	}
	g, err := w.tree.Glob("run2/a*.doc", nil)
	if err != nil {
		t.Fatal(err)
	}
	names, nodes, _ := g.Members(t.Context())
	again, same, _ := g.Members(t.Context())
	if &names[0] != &again[0] || &nodes[0] != &same[0] {
		t.Error("nothing changed, and other slices were given")
	}
	w.write("run2/a1.doc", "{}")
	more, fresh, err := g.Members(t.Context())
	if err != nil || len(more) != 3 || more[0] != "run2/a1.doc" || fresh[1] != nodes[0] {
		t.Errorf("after a file was added: %v, %v", more, err)
	}
	assets, err := g.Assets(t.Context())
	if err != nil || len(assets) != 3 || assets[2].Num != 2 {
		t.Errorf("assets %v, %v", assets, err)
	}
}

// TestGlobStaysInside: a pattern leads nowhere but down, and what nothing reads
// is an error that says so.
func TestGlobStaysInside(t *testing.T) {
	w := newWorld(t, nil)
	for _, pattern := range []string{"", ".", "..", "../*", "/etc/*", "a/../../b", "a//b", "[", "a/"} {
		if _, err := w.tree.Glob(pattern, nil); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%q: got %v", pattern, err)
		}
	}
	w.write("a.what", "")
	g, err := w.tree.Glob("a*", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.Members(t.Context()); !errors.Is(err, errdef.ErrUnsupported) {
		t.Errorf("a file that nothing reads: got %v", err)
	}
}
