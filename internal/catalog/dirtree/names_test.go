package dirtree

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// kinded is a format that has a kind, and refuses everything else.
type kinded struct{ kind adapter.Kind }

func (k kinded) Kind() adapter.Kind { return k.kind }

func (k kinded) Describe(context.Context, adapter.Source, []string) (*adapter.Description, error) {
	return nil, fmt.Errorf("%s: %w", k.kind.Name, errdef.ErrUnsupported)
}

func (k kinded) Open(adapter.Source, []string, *adapter.Description) (any, error) {
	return nil, errdef.ErrUnsupported
}

// formats are those that Tiled has, by name alone.
func formats() []adapter.Format {
	var out []adapter.Format
	add := func(name, mediaType string, sequence, folder bool, ext ...string) {
		out = append(out, kinded{adapter.Kind{Name: name, MediaType: mediaType, Extensions: ext, Folder: folder}})
		if sequence {
			out = append(out, kinded{adapter.Kind{Name: name + "s", MediaType: "multipart/related;type=" + mediaType, Extensions: ext, Sequence: true}})
		}
	}
	add("csv", "text/csv", false, false, ".csv")
	add("npy", "application/x-npy", true, false, ".npy")
	add("tiff", "image/tiff", true, false, ".tif", ".tiff")
	add("jpeg", "image/jpeg", true, false, ".jpg", ".jpeg")
	add("png", "image/png", true, false, ".png")
	add("hdf5", "application/x-hdf5", false, false, ".h5", ".hdf5", ".hdf", ".nxs")
	add("parquet", "application/x-parquet", false, false, ".parquet")
	add("excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false, false, ".xlsx")
	add("zarr", "application/x-zarr", false, true, ".zarr")
	return out
}

// golden is names.json, which testdata/gen_names.py had the real Tiled write.
type golden struct {
	Strip, Keep    map[string]node
	Files, Folders []string
}

type node struct {
	Files    []string
	Mimetype *string
}

func (g golden) entries() []entry {
	var out []entry
	for _, name := range g.Files {
		out = append(out, entry{name, aFile})
	}
	for _, name := range g.Folders {
		out = append(out, entry{name, aFolder})
	}
	return out
}

// TestNamesAreTiled: keys, groups and media types are those of the real Tiled,
// but for the differences that are meant.
func TestNamesAreTiled(t *testing.T) {
	text, err := os.ReadFile("testdata/names.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil || len(g.Strip) < 20 || len(g.Keep) < 20 {
		t.Fatalf("%d, %v", len(g.Strip), err)
	}
	// It stacks .tif and .npy together; it cuts names at #; it unpacks .csv.gz.
	differs := map[string]bool{"_unnamed": true, "a#b": true, "a#b.csv": true, "data": true, "data.csv.gz": true}
	for mode, want := range map[string]map[string]node{"strip": g.Strip, "keep": g.Keep} {
		r := newRules(Options{Formats: formats(), KeepExt: mode == "keep"})
		l := r.arrange(g.entries(), nil)
		for key, n := range want {
			if differs[key] {
				continue
			}
			it := l.byKey[key]
			if it == nil {
				t.Errorf("%s: no %q, which has %v", mode, key, n.Files)
				continue
			}
			names := slices.Sorted(slices.Values(it.names))
			if len(n.Files) > 0 && !slices.Equal(names, n.Files) {
				t.Errorf("%s: %q has %v, Tiled %v", mode, key, names, n.Files)
			}
			if got := mediaTypeOf(r, it); n.Mimetype != nil && got != *n.Mimetype || n.Mimetype == nil && got != "" {
				t.Errorf("%s: %q is %q, in Tiled %v", mode, key, got, n.Mimetype)
			}
		}
		files := 0
		for _, it := range l.items {
			files += len(it.names)
		}
		if all := len(g.Files) + len(g.Folders) - 1; files != all { // one is hidden
			t.Errorf("%s: %d of %d files are served", mode, files, all)
		}
	}
}

func mediaTypeOf(r rules, it *item) string {
	f := it.format
	switch {
	case f != nil:
	case it.what == aFolder:
		f = r.folder(it.names[0])
	default:
		f, _ = r.file(it.names[0])
	}
	if f == nil {
		return ""
	}
	return f.Kind().MediaType
}

func keysOf(l *listing) string {
	var out []string
	for _, it := range l.items {
		out = append(out, fmt.Sprintf("%s=%s", it.key, strings.Join(it.names, "+")))
	}
	return strings.Join(out, " ")
}

// TestKeys: collisions, sequences, order, flags.
func TestKeys(t *testing.T) {
	files := func(names string) []entry {
		var out []entry
		for _, name := range strings.Fields(names) {
			what := aFile
			if trimmed, ok := strings.CutSuffix(name, "/"); ok {
				name, what = trimmed, aFolder
			}
			out = append(out, entry{name, what})
		}
		return out
	}
	for _, c := range []struct {
		name, files, want string
		opts              Options
	}{
		{"order", "b.csv a10.csv a2.csv A.csv", "A=A.csv a2=a2.csv a10=a10.csv b=b.csv", Options{}},
		{"collision", "v1.3.csv v1.2.csv v1.10.csv", "v1=v1.2.csv v1.3.csv=v1.3.csv v1.10.csv=v1.10.csv", Options{}},
		{"a folder and a file", "same.csv same/", "same=same same.csv=same.csv", Options{}},
		{"two folders", "dir/ dir.with.dots/", "dir=dir dir.with.dots=dir.with.dots", Options{}},
		{"a sequence and a file", "img.tif img1.tif img2.tif", "img=img.tif img1.tif=img1.tif+img2.tif", Options{}},
		{"two kinds of sequence", "s1.npy s1.tif s2.npy", "s=s1.npy+s2.npy s1.tif=s1.tif", Options{}},
		{"natural", "i1.png i10.png i2.png i002.png", "i=i1.png+i002.png+i2.png+i10.png", Options{}},
		{"keep", "a.csv b.tar.gz i1.npy d.x/", "a.csv=a.csv b.tar.gz=b.tar.gz d.x=d.x i=i1.npy", Options{KeepExt: true}},
		{"include", "a.csv b.npy c d/ e.zarr/ f.tar.csv", "a=a.csv d=d f=f.tar.csv", Options{IncludeExt: []string{".csv"}}},
		{"hidden", ".a .b.csv ..c d", "d=d", Options{}},
	} {
		c.opts.Formats = formats()
		if got := keysOf(newRules(c.opts).arrange(files(c.files), nil)); got != c.want {
			t.Errorf("%s:\n%s\n%s", c.name, got, c.want)
		}
	}
	r := newRules(Options{Formats: formats(), Ext: map[string]string{".dat": "text/csv", ".csv": "image/tiff", ".odd": "a/b", ".x.y": "application/x-npy"}})
	for name, want := range map[string]string{"a.dat": "csv", "a.csv": "tiff", "a.odd": "a/b", "q.x.y": "npy", "q.y": "application/octet-stream", "n.CSV": "tiff"} {
		f, got := r.file(name)
		if f != nil {
			got = f.Kind().Name
		}
		if got != want {
			t.Errorf("--ext: %s is %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"bad\xff\xfe.csv": "bad%FF%FE", "a#b.csv": "a%23b", "a?b.csv": "a%3Fb", "a\nb.csv": "a%0Ab", "a%41.csv": "a%2541", "50%.csv": "50%", "5%z.csv": "5%z",
		"é€ .csv": "é€ ", "a+b&c;d.csv": "a+b&c;d",
	} {
		if got := r.key(name); got != want {
			t.Errorf("%q is called %q, want %q", name, got, want)
		}
	}
}

// TestDiffering: a listing made from an older one is the one made from nothing,
// and takes over what did not change.
func TestDiffering(t *testing.T) {
	r := newRules(Options{Formats: formats()})
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{}
	for i := range 300 {
		names = append(names, fmt.Sprintf("f%d.csv", i), fmt.Sprintf("f%d.v2.csv", i%40), fmt.Sprintf("s%d_%d.npy", i%7, i), fmt.Sprintf("f%d", i%50))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var old *listing
	for range 60 {
		var entries []entry
		for _, name := range names {
			if rng.IntN(10) > 0 {
				entries = append(entries, entry{name, kind(rng.IntN(20) / 19)})
			}
		}
		rng.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		next, anew := r.arrange(entries, old), r.arrange(entries, nil)
		if a, b := keysOf(next), keysOf(anew); a != b {
			t.Fatalf("by differencing:\n%s\nanew:\n%s", a, b)
		}
		old = next
	}
	again := r.arrange([]entry{{"a.csv", aFile}, {"s1.npy", aFile}, {"s2.npy", aFile}}, nil)
	more := r.arrange([]entry{{"s2.npy", aFile}, {"b.csv", aFile}, {"a.csv", aFile}, {"s1.npy", aFile}}, again)
	if more.byKey["a"] != again.byKey["a"] || more.byKey["s"] != again.byKey["s"] || len(more.items) != 3 {
		t.Error("what did not change was made anew")
	}
}

// TestListingsBounded: the folder used last stays, whatever its size.
func TestListingsBounded(t *testing.T) {
	s := listings{limit: 100}
	for i := range 50 {
		s.put(fmt.Sprint(i), &listing{names: 9, read: time.Now()})
	}
	if s.byUse.Len() != 10 || s.names > 100 || s.get("49") == nil || s.get("1") != nil {
		t.Errorf("%d folders, %d names", s.byUse.Len(), s.names)
	}
	s.put("big", &listing{names: 5000})
	if s.get("big") == nil || s.byUse.Len() != 1 || len(s.byPath) != 1 {
		t.Errorf("%d folders", s.byUse.Len())
	}
}

// TestKindOf: what the folder says of an entry.
func TestKindOf(t *testing.T) {
	for mode, want := range map[fs.FileMode]kind{0: aFile, fs.ModeDir: aFolder, fs.ModeSymlink: aLink, fs.ModeNamedPipe: aThing, fs.ModeSocket: aThing, fs.ModeDevice | fs.ModeCharDevice: aThing} {
		if got := kindOf(mode); got != want {
			t.Errorf("%v: %v", mode, got)
		}
	}
}
