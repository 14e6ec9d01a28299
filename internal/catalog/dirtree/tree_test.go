package dirtree_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/catalog/dirtree"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type counter struct {
	mu sync.Mutex
	n  map[source.Op]int64
}

func (c *counter) Count(op source.Op, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[op] += n
}

func (c *counter) take() (opens, stats, dirs, looks int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	opens, stats, dirs, looks = c.n[source.Opens], c.n[source.Stats], c.n[source.ReadDirs], c.n[source.Describes]
	clear(c.n)
	return opens, stats, dirs, looks
}

// document is a format for tests: a file is JSON, which is its metadata, and a
// container of its keys.
type document struct{ hold chan struct{} }

func (document) Kind() adapter.Kind {
	return adapter.Kind{Name: "document", MediaType: "application/json", Extensions: []string{".doc"}}
}

func (f document) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	file, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if f.hold != nil {
		<-f.hold
	}
	b := make([]byte, file.Size())
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, err
	}
	var metadata map[string]any
	if err := json.Unmarshal(b, &metadata); err != nil {
		return nil, fmt.Errorf("document %s: no JSON: %w", name, errdef.ErrUnprocessable)
	}
	return &adapter.Description{Family: structure.FamilyContainer, Metadata: metadata, Specs: []structure.Spec{{Name: "doc"}}}, nil
}

func (document) Open(adapter.Source, []string, *adapter.Description) (any, error) { return nil, nil }

type world struct {
	*testing.T
	dir    string
	tree   *dirtree.Tree
	memory *source.Memory
	counts *counter
	opts   dirtree.Options
	kept   source.MemoryOptions
}

func newWorld(t *testing.T, set func(w *world)) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), counts: &counter{n: map[source.Op]int64{}}}
	w.opts = dirtree.Options{Name: "t", Formats: []adapter.Format{document{}}}
	if set != nil {
		set(w)
	}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	w.Helper()
	w.opts.Recorder, w.kept.Recorder = w.counts, w.counts
	w.memory = source.NewMemory(w.kept)
	w.opts.Memory = w.memory
	var err error
	if w.tree, err = dirtree.Open(w.dir, w.opts); err != nil {
		w.Fatal(err)
	}
}

func (w *world) close() {
	if err := errors.Join(w.tree.Close(), w.memory.Close()); err != nil {
		w.Error(err)
	}
}

func (w *world) write(name, text string) {
	w.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

// settle lets the stamps of what was written become trusted, which takes the
// real clock of the file system two seconds.
func (w *world) settle() { <-time.After(2100 * time.Millisecond) }

// search runs a query given as in a URL, and says which keys it finds.
func (w *world) search(text string) (string, catalog.Page, error) {
	w.Helper()
	values, err := url.ParseQuery(text)
	if err != nil {
		w.Fatal(err)
	}
	q := catalog.Query{Limit: 100, Describe: true}
	if q.Filters, err = catalog.ParseFilters(values); err != nil {
		w.Fatal(err)
	}
	if q.Sort, err = catalog.ParseSort(values); err != nil {
		w.Fatal(err)
	}
	page, err := catalog.Search(w.Context(), w.tree.Root(), q)
	var keys []string
	for _, it := range page.Items {
		keys = append(keys, it.Key)
	}
	return strings.Join(keys, " "), page, err
}

func (w *world) lookup(path ...string) (adapter.Adapter, *adapter.Description, error) {
	a, err := catalog.Lookup(w.Context(), w.tree.Root(), path, nil)
	if err != nil {
		return nil, nil, err
	}
	d, _, err := a.Describe(w.Context())
	return a, d, err
}

// TestKeysInAddresses: clients put keys into addresses as they are, where a %23
// arrives as '#'; others encode them.
func TestKeysInAddresses(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"a#b", "c?d", "e%41", "n\nl", "x\xff"} {
		w.write(name+".doc", `{"x": 1}`)
	}
	keys, _, err := w.search("")
	if err != nil || keys != "a%23b c%3Fd e%2541 n%0Al x%FF" {
		t.Errorf("%s, %v", keys, err)
	}
	for key := range strings.FieldsSeq(keys) {
		once, err := url.PathUnescape(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, sent := range []string{key, once} {
			if _, _, err := w.lookup(sent); err != nil {
				t.Errorf("%q: %v", sent, err)
			}
		}
	}
}

// TestAsItIsNow: what is added, changed or removed is seen on the next request.
func TestAsItIsNow(t *testing.T) {
	w := newWorld(t, nil)
	check := func(what, want string) {
		t.Helper()
		if got, page, err := w.search(""); err != nil || got != want || page.Count != int64(len(strings.Fields(want))) {
			t.Errorf("%s: %q, %v; want %q", what, got, err, want)
		}
	}
	check("empty", "")
	w.write("b.doc", `{"x": 1}`)
	check("added", "b")
	w.write("a/c.doc", `{}`)
	check("a folder", "a b")
	if _, d, err := w.lookup("a", "c"); err != nil || d.Family != structure.FamilyContainer {
		t.Errorf("%v, %v", d, err)
	}
	w.write("b.doc", `{"x": 2}`)
	if _, d, err := w.lookup("b"); err != nil || d.Metadata["x"] != 2.0 {
		t.Errorf("%v, %v", d, err)
	}
	_ = os.Rename(filepath.Join(w.dir, "b.doc"), filepath.Join(w.dir, "d.doc"))
	check("renamed", "a d")
	if _, _, err := w.lookup("b"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("%v", err)
	}
	_ = os.RemoveAll(filepath.Join(w.dir, "a"))
	check("removed", "d")
	w.write("d.txt", "")
	check("collided", "d d.txt")
	_ = os.RemoveAll(w.dir)
	if _, _, err := w.search(""); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("the whole folder gone: %v", err)
	}
}

// TestHundredThousand: a page of a folder of 100,000 files touches the items
// on it, and opening the tree touches none.
func TestHundredThousand(t *testing.T) {
	const files = 100_000
	w := newWorld(t, nil)
	for i := range files {
		f, err := os.OpenFile(fmt.Sprintf("%s/f%06d.bin", w.dir, i), os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	w.settle()
	w.close()
	w.open()
	if opens, stats, dirs, looks := w.counts.take(); opens+stats+dirs+looks != 0 {
		t.Errorf("start: %d opens, %d stats, %d folders, %d looks", opens, stats, dirs, looks)
	}
	page := func(what string, q catalog.Query, first string, maxStats, maxDirs int64) catalog.Page {
		t.Helper()
		p, err := catalog.Search(t.Context(), w.tree.Root(), q)
		if err != nil {
			t.Fatal(err)
		}
		if p.Count != files || int64(len(p.Items)) != q.Limit || p.Items[0].Key != first || p.Items[0].Err != nil {
			t.Errorf("%s: %d of %d, first %+v", what, len(p.Items), p.Count, p.Items[0])
		}
		opens, stats, dirs, looks := w.counts.take()
		if opens != 0 || looks != 0 || stats > maxStats || dirs > maxDirs {
			t.Errorf("%s: %d opens, %d stats, %d folders read, %d looks", what, opens, stats, dirs, looks)
		}
		return p
	}
	page("first", catalog.Query{Limit: 100, Describe: true}, "f000000", 102, 1)
	p := page("next", catalog.Query{Limit: 100, Offset: 50_000, Describe: true}, "f050000", 101, 0)
	if !p.Version.Trusted || p.Next != 50_100 {
		t.Errorf("%+v, next %d", p.Version, p.Next)
	}
	page("keys", catalog.Query{Limit: 300}, "f000000", 1, 0)
	page("backwards", catalog.Query{Limit: 1, Sort: []catalog.Sort{{Descending: true}}}, "f099999", 1, 0)
	page("by id", catalog.Query{Limit: 10, Sort: []catalog.Sort{{Key: "id", Descending: true}}}, "f099999", 1, 0)
	if _, _, err := w.lookup("f070707"); err != nil {
		t.Error(err)
	}
	if _, stats, dirs, _ := w.counts.take(); stats > 2 || dirs != 0 {
		t.Errorf("one node: %d stats, %d folders read", stats, dirs)
	}
	// While it changes, its names are read four times a second, and a new name
	// is found all the same.
	w.write("new.bin", "")
	page2, err := catalog.Search(t.Context(), w.tree.Root(), catalog.Query{Limit: 1})
	if err != nil || page2.Version.Trusted || page2.Count != files+1 {
		t.Errorf("%+v, %v", page2, err)
	}
	w.counts.take()
	for i := range 20 {
		w.write(fmt.Sprintf("newer%d", i), "")
		if _, _, err := w.lookup(fmt.Sprintf("newer%d", i)); err != nil {
			t.Error(err)
		}
	}
	if _, _, dirs, _ := w.counts.take(); dirs >= 20 {
		t.Errorf("the names were read %d times for 20 requests", dirs)
	}
}

// TestUnreadable: what cannot be read is listed with its reason, harms nobody,
// and says it when it is asked for.
func TestUnreadable(t *testing.T) {
	outside := t.TempDir()
	w := newWorld(t, nil)
	w.write("good.doc", `{"x": 1}`)
	w.write("bad.doc", `{"x": `)
	if err := syscall.Mkfifo(filepath.Join(w.dir, "fifo.doc"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"out": outside, "out.doc": filepath.Join(outside, "x.doc"), "dangling.doc": "nowhere", "loop": "loop", "to-fifo": "fifo.doc", "fine.doc": "good.doc",
	} {
		if err := os.Symlink(target, filepath.Join(w.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	_, page, err := w.search("")
	if err != nil || page.Count != 9 {
		t.Fatalf("%d, %v", page.Count, err)
	}
	want := map[string]error{
		"good": nil, "fine": nil, "bad": errdef.ErrUnprocessable, "fifo": errdef.ErrUnprocessable, "to-fifo": errdef.ErrUnprocessable,
		"out": errdef.ErrForbidden, "out.doc": errdef.ErrForbidden, "dangling": errdef.ErrGone, "loop": errdef.ErrUnprocessable,
	}
	for _, it := range page.Items {
		kind, ok := want[it.Key]
		if !ok || !errors.Is(it.Err, kind) {
			t.Errorf("%s: %v, want %v", it.Key, it.Err, kind)
		}
		reason, _ := it.Description.Metadata["error"].(string)
		if kind != nil && (it.Description.Family != structure.FamilyBytes || reason != it.Err.Error()) {
			t.Errorf("%s: %+v", it.Key, it.Description)
		}
		if _, _, err := w.lookup(it.Key); !errors.Is(err, kind) {
			t.Errorf("%s by itself: %v", it.Key, err)
		}
	}
	// Its bytes can be had all the same.
	a, err := catalog.Lookup(t.Context(), w.tree.Root(), []string{"bad"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	holder, ok := adapter.As[adapter.AssetHolder](a)
	if !ok {
		t.Fatal("no assets")
	}
	assets, err := holder.Assets(t.Context())
	if err != nil || len(assets) != 1 || assets[0].Size != 6 || !strings.HasPrefix(assets[0].URI, "file://localhost/") {
		t.Errorf("%+v, %v", assets, err)
	}
	f, _, err := holder.OpenAsset(t.Context(), 1, "")
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	for _, c := range []struct {
		id       int
		relative string
	}{{2, ""}, {0, ""}, {1, "x"}, {1, "../good.doc"}} {
		if _, _, err := holder.OpenAsset(t.Context(), c.id, c.relative); !errors.Is(err, errdef.ErrNotFound) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, path := range [][]string{{".."}, {"..", "x"}, {"."}, {""}, {"good.doc"}, {"out", "x"}, {"good", "nothing"}} {
		if _, _, err := w.lookup(path...); !errors.Is(err, errdef.ErrNotFound) && !errors.Is(err, errdef.ErrForbidden) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// TestMetadataQueries: filters, orders and distinct on what files hold.
func TestMetadataQueries(t *testing.T) {
	w := newWorld(t, func(w *world) { w.kept.StateDir = filepath.Join(w.TempDir(), "state") })
	for i, color := range []string{"red", "blue", "red", "green"} {
		w.write(fmt.Sprintf("d%d.doc", i), fmt.Sprintf(`{"color": %q, "n": {"i": %d}}`, color, i))
	}
	w.write("e.doc", `{}`)
	w.write("raw.bin", "")
	w.settle()
	for query, want := range map[string]string{
		`filter[eq][condition][key]=color&filter[eq][condition][value]="red"`: "d0 d2",
		`sort=-n.i`:  "e raw d3 d2 d1 d0",
		`sort=color`: "d1 d3 d0 d2 e raw",
		`filter[structure_family][condition][value]=bytes`:                                                      "raw",
		`filter[specs][condition][include]=["doc"]&sort=-`:                                                      "e d3 d2 d1 d0",
		`filter[lookup][condition][key]=d2&filter[eq][condition][key]=color&filter[eq][condition][value]="red"`: "d2",
		`filter[lookup][condition][key]=d1&filter[eq][condition][key]=color&filter[eq][condition][value]="red"`: "",
	} {
		if got, _, err := w.search(query); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", query, got, err, want)
		}
	}
	d, err := catalog.FindDistinct(t.Context(), w.tree.Root(), catalog.DistinctQuery{Metadata: []string{"color"}, Families: true, Counts: true})
	if err != nil || fmt.Sprint(d.Metadata["color"]) != "[{red 2} {blue 1} {green 1}]" || fmt.Sprint(d.Families) != "[{container 5} {bytes 1}]" {
		t.Errorf("%+v, %v", d, err)
	}
	// A second time it costs one stat an item, and after a restart two: one for
	// the index, and one to see that what is remembered on disk still holds.
	for again, most := range map[string]int64{"again": 10, "restarted": 18} {
		if again == "restarted" {
			w.close()
			w.open()
		}
		w.counts.take()
		if got, page, err := w.search(`filter[eq][condition][key]=color&filter[eq][condition][value]="green"`); err != nil || got != "d3" || !page.Version.Trusted {
			t.Errorf("%s: %q, %v", again, got, err)
		}
		if opens, stats, _, looks := w.counts.take(); opens != 0 || looks != 0 || stats > most {
			t.Errorf("%s: %d opens, %d stats, %d looks", again, opens, stats, looks)
		}
	}
	w.write("d3.doc", `{"color": "red"}`)
	if got, page, err := w.search(`filter[eq][condition][key]=color&filter[eq][condition][value]="red"`); err != nil || got != "d0 d2 d3" || page.Version.Trusted {
		t.Errorf("%q, %+v, %v", got, page.Version, err)
	}
	// Keys alone need no file.
	w.counts.take()
	if got, _, err := w.search(`filter[keys_filter][condition][keys]=["e","d1","none"]&sort=-id`); err != nil || got != "e d1" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNotReady: an answer on metadata is complete or is none; a page comes in
// time, with what is not ready said to be so.
func TestNotReady(t *testing.T) {
	hold := make(chan struct{})
	w := newWorld(t, func(w *world) {
		w.opts.Formats = []adapter.Format{document{hold}}
		w.opts.PageTime, w.opts.FillTime = time.Millisecond, time.Millisecond
	})
	for i := range 40 {
		w.write(fmt.Sprintf("d%02d.doc", i), `{"x": 1}`)
	}
	w.settle()
	present := `filter[keypresent][condition][key]=x`
	if _, _, err := w.search(present); !errors.Is(err, errdef.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	_, page, err := w.search("")
	if err != nil || len(page.Items) != 40 || page.Version.Trusted || !errors.Is(page.Items[7].Err, errdef.ErrUnavailable) {
		t.Errorf("%d items, %+v, %v", len(page.Items), page.Version, err)
	}
	if _, err := catalog.SearchDeep(t.Context(), w.tree.Root(), catalog.Query{Limit: 5, Filters: filters(t, present)}, 3); !errors.Is(err, errdef.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	close(hold)
	for {
		got, _, err := w.search(present)
		if err == nil {
			if len(strings.Fields(got)) != 40 {
				t.Errorf("%s", got)
			}
			break
		}
		if !errors.Is(err, errdef.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if _, _, _, looks := w.counts.take(); looks != 40 {
		t.Errorf("%d looks into 40 files", looks)
	}
}

func filters(t *testing.T, text string) []catalog.Filter {
	t.Helper()
	values, _ := url.ParseQuery(text)
	f, err := catalog.ParseFilters(values)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFill: filling ahead looks into every file once, links that lead back are
// no trap.
func TestFill(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"a.doc", "b.doc", "sub/c.doc", "sub/deep/d.doc"} {
		w.write(name, `{}`)
	}
	w.write("bad.doc", "")
	_ = os.Symlink(".", filepath.Join(w.dir, "sub", "back"))
	w.settle()
	var last dirtree.Progress
	if err := w.tree.Fill(t.Context(), func(p dirtree.Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if last.Folders != 3 || last.Items != 8 || last.Errors != 1 {
		t.Errorf("%+v", last)
	}
	w.counts.take()
	page, err := catalog.SearchDeep(t.Context(), w.tree.Root(), catalog.Query{Limit: 100}, 3)
	var paths []string
	for _, it := range page.Items {
		paths = append(paths, strings.Join(it.Path, "/"))
	}
	want := "a b bad sub sub/back sub/back/back sub/back/c sub/back/deep sub/c sub/deep sub/deep/d"
	if got := strings.Join(paths, " "); err != nil || got != want || page.Next != -1 || page.Count != int64(len(paths)) {
		t.Errorf("%s\n%s\n%v", got, want, err)
	}
	if opens, _, _, looks := w.counts.take(); opens != 1 || looks != 1 {
		t.Errorf("%d opens, %d looks: only what the link leads to has not been seen", opens, looks)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.tree.Fill(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestOddNames: names of any bytes have keys, and the keys lead back.
func TestOddNames(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"with space.doc", "100%.doc", "a#b?.doc", "über 微.doc", "bad\xff\xfe.doc", "new\nline.doc", `back\slash.doc`} {
		w.write(name, `{"ok": true}`)
	}
	_, page, err := w.search("")
	if err != nil || len(page.Items) != 7 {
		t.Fatalf("%d, %v", len(page.Items), err)
	}
	for _, it := range page.Items {
		if _, d, err := w.lookup(it.Key); err != nil || d.Metadata["ok"] != true {
			t.Errorf("%q: %v", it.Key, err)
		}
	}
}

// TestTogether: requests and changes at once, for the race detector; every
// answer is one of a state that was.
func TestTogether(t *testing.T) {
	w := newWorld(t, nil)
	stop := make(chan struct{})
	var writer, readers sync.WaitGroup
	w.write("still.doc", `{"x": 0}`)
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			w.write(fmt.Sprintf("d%d.doc", i%20), `{"x": 1}`)
			_ = os.Remove(filepath.Join(w.dir, fmt.Sprintf("d%d.doc", (i+10)%20)))
		}
	})
	for range 4 {
		readers.Go(func() {
			for range 30 {
				keys, page, err := w.search("")
				if err != nil || !strings.Contains(keys, "still") || page.Version.Trusted {
					t.Errorf("%q, %v", keys, err)
				}
				if _, _, err := w.lookup("still"); err != nil {
					t.Error(err)
				}
				_, _, err = w.search(`filter[keypresent][condition][key]=x`)
				if err != nil && !errors.Is(err, errdef.ErrUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	writer.Wait()
}
