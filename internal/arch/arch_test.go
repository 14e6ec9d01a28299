package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/terrazzo-data/terrazzo"

// may lists, for each package, the packages of this module that it may import
// directly. Both sides are patterns of [path.Match]; a right-hand "*" alone
// allows everything. A package that no row matches fails the test: adding one
// is a decision, so it is written down, here and in ARCHITECTURE.md.
var may = map[string][]string{
	"adapter":                         vocabulary,
	"adapter/adaptertest":             vocabulary,
	"client":                          below("httpcache", "internal/coding", "internal/formats/arrowfile", "internal/ipcmeta"),
	"cmd/terrazzo":                    {"."},
	"cmd/terrazzo-host":               {"adapter", "internal/formats/native/*", "internal/formats/sequence", "internal/host"},
	"datacache":                       below("internal/evict", "internal/evict/trace", "internal/flight", "store"),
	"errdef":                          {},
	"httpcache":                       {"errdef", "httpcache/rfc9111", "internal/stores/*", "store"},
	"httpcache/rfc9111":               {},
	"internal/admin":                  {"errdef", "internal/respcache", "store"},
	"internal/arch":                   {},
	"internal/auth":                   {"errdef"},
	"internal/blosc":                  {"errdef"},
	"internal/budget":                 {"errdef"},
	"internal/catalog":                below("internal/flight"),
	"internal/catalog/dirtree":        below("internal/catalog", "internal/flight", "internal/source"),
	"internal/coding":                 {"errdef", "internal/blosc"},
	"internal/column":                 below("internal/flight"),
	"internal/config":                 {"errdef"},
	"internal/document":               {"errdef"},
	"internal/evict":                  {},
	"internal/evict/sim":              {"internal/evict", "internal/evict/trace"},
	"internal/evict/trace":            {"errdef"},
	"internal/flight":                 {},
	"internal/formats/*":              below("internal/blosc", "internal/ipcmeta"),
	"internal/formats/all":            below("internal/formats/*"),
	"internal/formats/imagefile/jpeg": {"errdef"},
	"internal/formats/native/*":       below("internal/formats/native/hdf5compat", "internal/formats/tiffmeta", "internal/hdf5"),
	"internal/hdf5":                   {"errdef", "structure"},
	"internal/host":                   vocabulary,
	"internal/httpapi":                below("internal/auth", "internal/blosc", "internal/budget", "internal/catalog", "internal/coding", "internal/document", "internal/media"),
	"internal/media":                  below("internal/document", "internal/hdf5"),
	"internal/memlimit":               {},
	"internal/offline":                below("client", "internal/auth", "internal/budget", "internal/catalog", "internal/coding", "internal/column", "internal/document", "internal/httpapi", "internal/ipcmeta", "internal/media", "internal/webui"),
	"internal/personal":               {"errdef", "httpcache"},
	"internal/profile":                {"client", "errdef"},
	"internal/proxy":                  {"errdef", "httpcache/rfc9111", "internal/admin", "internal/flight", "internal/respcache", "internal/stores/*", "store"},
	"internal/replay":                 {"errdef", "internal/coding"},
	"internal/respcache":              {"errdef", "httpcache/rfc9111", "store"},
	"internal/server":                 {"*"},
	"internal/source":                 below("internal/flight"),
	"internal/stores/*":               {"errdef", "internal/evict", "store"},
	"internal/telemetry":              {"*"},
	"internal/testenv":                {},
	"internal/webui":                  {},
	"internal/cli":                    {"*"},
	"internal/demo":                   vocabulary,
	"internal/formats/imagefile":      below("internal/formats/imagefile/jpeg"),
	"internal/ipcmeta":                {"errdef"},
	"ndslice":                         {"errdef"},
	"store":                           {"errdef"},
	"store/storetest":                 {"errdef", "store"},
	"structure":                       {"errdef", "internal/ipcmeta"},
}

// vocabulary is what everything above it may speak.
var vocabulary = []string{"adapter", "errdef", "ndslice", "structure"}

func below(more ...string) []string { return append(more, vocabulary...) }

// TestShape checks every package against its row, and that it has a package
// comment and a line in ARCHITECTURE.md.
func TestShape(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if p.Doc == "" {
			t.Errorf("%s: no package comment", p.ImportPath)
		}
		if name == "" || p.Name == "main" && !strings.HasPrefix(name, "cmd/") {
			continue // the root and developers' programs may import what they need
		}
		if !bytes.Contains(document, []byte("`"+name+"`")) {
			t.Errorf("%s: ARCHITECTURE.md does not name it as `%s`", name, name)
		}
		allowed, ok := rule(name)
		if !ok {
			t.Errorf("%s: no row in the table; add it with the packages it may import", name)
			continue
		}
		for _, imp := range p.Imports {
			if rel, ours := strings.CutPrefix(imp, module+"/"); ours && !matchAny(allowed, rel) {
				t.Errorf("%s imports %s, which its row does not allow", name, rel)
			}
		}
	}
}

// limits in lines; a file beyond them is a place to split.
const maxFile, maxTestFile = 500, 1000

// TestSizes keeps files within what one can read at a sitting.
func TestSizes(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != root || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		limit := maxFile
		if strings.HasSuffix(file, "_test.go") {
			limit = maxTestFile
		}
		if n := bytes.Count(text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines; the limit is %d", file, n, limit)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rule returns the row for a package: its own, or else the pattern it matches.
func rule(name string) ([]string, bool) {
	if allowed, ok := may[name]; ok {
		return allowed, true
	}
	for pattern, allowed := range may {
		if ok, _ := path.Match(pattern, name); ok {
			return allowed, true
		}
	}
	return nil, false
}

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok || p == "*" {
			return true
		}
	}
	return false
}

type pkg struct {
	ImportPath, Name, Doc string
	Imports               []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
