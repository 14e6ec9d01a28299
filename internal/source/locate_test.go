package source_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/structure"
)

// links is a format whose files name other files, one a line.
type links struct{ found *[]string }

func (links) Kind() adapter.Kind {
	return adapter.Kind{Name: "links", MediaType: "text/x-links", Extensions: []string{".links"}}
}

func (l links) Describe(ctx context.Context, src adapter.Source, _ []string) (*adapter.Description, error) {
	locator, ok := src.(adapter.Locator)
	if !ok {
		return nil, errdef.ErrUnsupported
	}
	place, err := locator.Locate(ctx, "", src.Names()[0])
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(place.Path)
	if err != nil {
		return nil, err
	}
	from := place.Name
	for target := range strings.FieldsSeq(string(text)) {
		next, err := locator.Locate(ctx, from, target)
		if err != nil {
			return nil, err
		}
		what := next.Name + " " + filepath.Base(next.Path)
		if next.Stamp.Absent {
			what = next.Name + " absent"
		}
		*l.found = append(*l.found, what)
	}
	return &adapter.Description{Family: structure.FamilyContainer, Metadata: map[string]any{}}, nil
}

func (links) Open(adapter.Source, []string, *adapter.Description) (any, error) {
	return nil, nil
}

// TestLocate: names within files lead where they should, and never out.
func TestLocate(t *testing.T) {
	top := t.TempDir()
	for name, text := range map[string]string{
		"served/a/x.h5": "x", "served/b/y.h5": "y", "served/z.h5": "z", "allowed/r.h5": "r", "secret/s.h5": "s",
	} {
		file := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(top, "secret", "s.h5"), filepath.Join(top, "served", "a", "out.h5")); err != nil {
		t.Fatal(err)
	}
	wall, err := source.OpenWall(filepath.Join(top, "served"), source.WallOptions{Allow: []string{filepath.Join(top, "allowed")}})
	if err != nil {
		t.Fatal(err)
	}
	defer wall.Close()
	for target, want := range map[string]string{
		"x.h5":                              "x.h5 x.h5",
		"../b/y.h5":                         "/b/y.h5 y.h5",
		"../z.h5":                           "/z.h5 z.h5",
		"none.h5":                           "none.h5 absent",
		"../none.h5":                        "/none.h5 absent",
		filepath.Join(top, "served/b/y.h5"): "/b/y.h5 y.h5",
		filepath.Join(top, "allowed/r.h5"):  "//1/r.h5 r.h5",
		"../../allowed/r.h5":                "//1/r.h5 r.h5",
		filepath.Join(top, "allowed/n.h5"):  "//1/n.h5 absent",
		filepath.Join(top, "secret/s.h5"):   "forbidden",
		"../../secret/s.h5":                 "forbidden",
		"../../served/a/x.h5":               "x.h5 x.h5",
		"out.h5":                            "forbidden",
		filepath.Join(top, "allowed", "..", "secret", "s.h5"): "forbidden",
		"../../allowed/../secret/s.h5":                        "forbidden",
	} {
		if err := os.WriteFile(filepath.Join(top, "served", "a", "l.links"), []byte(target), 0o600); err != nil {
			t.Fatal(err)
		}
		memory := source.NewMemory(source.MemoryOptions{})
		var found []string
		n := source.New(wall, memory, links{&found}, source.Item{Tree: "t", Path: "p", Dir: "a", Names: []string{"l.links"}}, nil)
		d, _, err := n.Describe(t.Context())
		switch {
		case want == "forbidden":
			if !errors.Is(err, errdef.ErrForbidden) {
				t.Errorf("%s: %v, %v", target, found, err)
			}
		case err != nil || len(found) != 1 || found[0] != want:
			t.Errorf("%s: %v, %v, expected %s", target, found, err, want)
		default:
			name, _, _ := strings.Cut(want, " ")
			if !slices.ContainsFunc(d.Files, func(f adapter.Dependency) bool { return f.Name == name }) {
				t.Errorf("%s: is no dependency: %v", target, d.Files)
			}
			if _, _, err := n.Describe(t.Context()); err != nil {
				t.Errorf("%s: described again: %v", target, err)
			}
		}
		_ = memory.Close()
	}
}
