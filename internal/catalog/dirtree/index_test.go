package dirtree_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// searched runs a search that may have to wait for its index.
func (w *world) searched(text string) string {
	w.Helper()
	got, _, err := w.search(text)
	if err != nil {
		w.Fatal(err)
	}
	return got
}

// TestSearchAgain: once it was made, the index of a folder costs one look at each
// file, whatever is asked, and none into it.
func TestSearchAgain(t *testing.T) {
	const files = 600
	w := newWorld(t, func(w *world) { w.kept.Bytes = 10_000 }) // remembers next to nothing
	for i := range files {
		w.write(fmt.Sprintf("d%03d.doc", i), fmt.Sprintf(`{"i": %d, "color": %q}`, i, []string{"red", "blue"}[i%2]))
	}
	w.settle()
	if got := w.searched(`filter[eq][condition][key]=i&filter[eq][condition][value]=7`); got != "d007" {
		t.Fatal(got)
	}
	if _, _, _, looks := w.counts.take(); looks > files+1 {
		t.Errorf("%d looks into %d files", looks, files)
	}
	for query, want := range map[string]int{
		`filter[eq][condition][key]=i&filter[eq][condition][value]=590`:                                                                     1,
		`filter[comparison][condition][operator]=lt&filter[comparison][condition][key]=i&filter[comparison][condition][value]=2&sort=color`: 2,
		`filter[fulltext][condition][text]=green`:                                                                                           0,
	} {
		if got := len(strings.Fields(w.searched(query))); got != want {
			t.Errorf("%s: %d found", query, got)
		}
		// What is on the page is described for it: a look at each, and one into it.
		if opens, stats, _, looks := w.counts.take(); opens != looks || looks > int64(want) || stats > int64(files+2+4*want) {
			t.Errorf("%s: %d opens, %d stats, %d looks", query, opens, stats, looks)
		}
	}
}

// TestSearchesSeeEachChange does to files what can be done to them, and searches
// after each: what an index holds is never older than the files.
func TestSearchesSeeEachChange(t *testing.T) {
	w := newWorld(t, nil)
	red := `filter[eq][condition][key]=color&filter[eq][condition][value]="red"`
	check := func(what, want string) {
		t.Helper()
		for range 2 { // the second time from the index, where that may be
			if got := w.searched(red); got != want {
				t.Errorf("%s: %q, expected %q", what, got, want)
			}
		}
	}
	in := func(name string) string { return filepath.Join(w.dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 9 {
		w.write(fmt.Sprintf("d%d.doc", i), `{"color": "red"}`)
	}
	w.write("b0.doc", `{"color": "blu"}`)
	w.write("raw.bin", "")
	w.write("sub/x.doc", `{"color": "red"}`)
	must(os.Symlink("d1.doc", in("link.doc")))
	w.settle()
	check("at first", "d0 d1 d2 d3 d4 d5 d6 d7 d8 link")
	old := time.Now().Add(-time.Hour)
	w.write("d0.doc", `{"color": "blu"}`) // as long as before
	must(os.Chtimes(in("d0.doc"), old, old))
	check("rewritten, its time set back", "d1 d2 d3 d4 d5 d6 d7 d8 link")
	must(os.Remove(in("d2.doc")))
	check("removed", "d1 d3 d4 d5 d6 d7 d8 link")
	must(os.Rename(in("b0.doc"), in("d3.doc")))
	check("renamed over", "d1 d4 d5 d6 d7 d8 link")
	must(os.Remove(in("d4.doc")))
	must(os.Mkdir(in("d4.doc"), 0o700))
	check("a folder in its place", "d1 d5 d6 d7 d8 link")
	w.write("a.doc", `{"color": "red"}`)
	check("added", "a d1 d5 d6 d7 d8 link")
	w.write("d1.doc", `{"color": "blu"}`)
	check("what a link leads to", "a d5 d6 d7 d8")
	must(os.Remove(in("link.doc")))
	must(os.Symlink("d5.doc", in("link.doc")))
	check("where a link leads", "a d5 d6 d7 d8 link")
	w.write("d6.doc", `no JSON`)
	check("damaged", "a d5 d7 d8 link")
	w.write("d6.doc", `{"color": "red"}`)
	check("mended", "a d5 d6 d7 d8 link")
	w.settle()
	check("settled", "a d5 d6 d7 d8 link")
	if keys := w.searched(`filter[structure_family][condition][value]=bytes`); keys != "raw" {
		t.Errorf("%s", keys)
	}
}

// TestSearchIsMadeInTheBackground asks with little patience: those who ask are
// told how far it is, each file is looked into once, and nothing is left running.
func TestSearchIsMadeInTheBackground(t *testing.T) {
	const files = 1500
	w := newWorld(t, func(w *world) {
		w.opts.Formats = []adapter.Format{document{}}
		w.opts.FillTime = time.Millisecond
	})
	for i := range files {
		w.write(fmt.Sprintf("d%04d.doc", i), `{"x": 1}`)
	}
	w.settle()
	said := ""
	for {
		_, page, err := w.search(`filter[keypresent][condition][key]=x`)
		if err == nil {
			if page.Count != files {
				t.Errorf("%d found", page.Count)
			}
			break
		}
		said = err.Error()
	}
	if !strings.Contains(said, "of 1500 items are in it") {
		t.Errorf("it was said: %q", said)
	}
	if _, _, _, looks := w.counts.take(); looks != files {
		t.Errorf("%d looks into %d files", looks, files)
	}
}
