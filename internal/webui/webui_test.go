package webui_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/webui"
)

// TestSelfContained: the page loads nothing from elsewhere, and puts nothing
// that a file says into the page as markup.
func TestSelfContained(t *testing.T) {
	files, err := webui.FS()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.html", "page.js"} {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, never := range []string{"http://", "https://", "innerHTML", "document.write", "eval("} {
			if strings.Contains(string(text), never) {
				t.Errorf("%s has %q", name, never)
			}
		}
	}
}
