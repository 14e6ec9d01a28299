//go:build native

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/native/hdf5file"
	"github.com/terrazzo-data/terrazzo/internal/host"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

const fixtures = "../../internal/formats/native/hdf5file/testdata"

// TestMain is the program itself when it is started as a host.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "--memory" {
		main()
		return
	}
	os.Exit(m.Run())
}

// bench is a folder that is served through hosts.
type bench struct {
	dir    string
	pool   *host.Pool
	wall   *source.Wall
	memory *source.Memory
}

func newBench(t *testing.T, dir string, opts host.Options) *bench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	opts.Program, opts.Args = self, []string{"--memory", fmt.Sprint(4 << 30), "--root", dir}
	b := &bench{dir: dir, memory: source.NewMemory(source.MemoryOptions{})}
	if b.pool, err = host.Start(opts); err != nil {
		t.Fatal(err)
	}
	if b.wall, err = source.OpenWall(dir, source.WallOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.memory.Close()
		if err := b.pool.Close(); err != nil {
			t.Error(err)
		}
		_ = b.wall.Close()
	})
	return b
}

func (b *bench) node(file string, inside ...string) *source.Node {
	f := b.pool.Native()(adapter.Kind{Name: "hdf5", MediaType: "application/x-hdf5", Extensions: []string{".h5"}})
	item := source.Item{Tree: "t", Path: file, Dir: filepath.ToSlash(filepath.Dir(file)), Names: []string{filepath.Base(file)}}
	return source.New(b.wall, b.memory, f, item, inside)
}

// whole reads all of an array, block by block.
func whole(ctx context.Context, n *source.Node) (*adapter.Description, []byte, error) {
	d, _, err := n.Describe(ctx)
	if err != nil || d.Family != structure.FamilyArray {
		return d, nil, err
	}
	a, done, err := asArray(n)
	if err != nil {
		return d, nil, err
	}
	defer done()
	all := ndslice.All(d.Grid.Shape)
	v, err := a.Version(ctx, d, all)
	if err != nil {
		return d, nil, err
	}
	item := d.Array.DataType.ItemSize
	if all.Len() > 1<<26/max(item, 1) {
		return d, nil, nil // a damaged shape: nobody reads all of it
	}
	out := make([]byte, all.Len()*item)
	for p := range all.Plan(d.Grid) {
		b, err := a.ReadBlock(ctx, v, slices.Clone(p.Block))
		if err == nil {
			b, err = a.ReadBlock(ctx, v, p.Block) // the second time from a cache, if there is one
		}
		if err != nil {
			return d, nil, err
		}
		if err := ndslice.Gather(out, all, p, b.Data, b.Shape, int(item)); err != nil {
			return d, nil, err
		}
	}
	return d, out, nil
}

// asArray is n as an array, behind a data cache of the size that the
// environment says; done gives that back.
func asArray(n *source.Node) (a adapter.Array, done func(), err error) {
	bytes, err := testenv.DataCacheBytes(64 << 20)
	if err != nil {
		return nil, nil, err
	}
	cache, err := datacache.New(datacache.Options{Bytes: bytes})
	if err != nil {
		return nil, nil, err
	}
	a, _ = adapter.As[adapter.Array](cache.Wrap(n))
	return a, func() { _ = cache.Close() }, nil // it has no trace to flush
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func numbers(values ...int64) []byte {
	b := make([]byte, 0, 8*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// secrets puts a file with data, and raw data, under a folder.
func secrets(t *testing.T, dir string) {
	t.Helper()
	copyFile(t, filepath.Join(fixtures, "other.h5"), filepath.Join(dir, "secret.h5"))
	if err := os.WriteFile(filepath.Join(dir, "raw.bin"), numbers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWall: no way that an HDF5 file has to name another file leads out of the
// folder, and each leads where it should inside.
func TestWall(t *testing.T) {
	dir := t.TempDir()
	served := filepath.Join(dir, "served")
	secrets(t, filepath.Join(dir, "outside"))
	secrets(t, filepath.Join(served, "in", "sub"))
	for _, where := range []string{"in", "out"} {
		for _, name := range []string{"links.h5", "nested.h5"} {
			copyFile(t, filepath.Join(fixtures, "links", where, name), filepath.Join(served, where, name))
		}
	}
	// In the folder "out", ../outside is beside it: served, unless it is "up".
	if err := os.Rename(filepath.Join(served, "out", "links.h5"), filepath.Join(served, "links.h5")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(served, "out", "nested.h5"), filepath.Join(served, "nested.h5")); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, served, host.Options{Processes: 1})
	want := numbers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	for _, member := range []string{"link", "raw", "virtual", "nested", "through"} {
		d, data, err := whole(t.Context(), b.node("links.h5", member))
		if !errors.Is(err, errdef.ErrForbidden) || len(data) > 0 {
			t.Errorf("%s out of the folder: %v, %v, %v", member, d, data, err)
		}
		_, data, err = whole(t.Context(), b.node("in/links.h5", member))
		if err != nil || !bytes.Equal(data, want) {
			t.Errorf("%s inside: %v, %v", member, data, err)
		}
	}
}

// TestSources: a file behind a virtual data set that appears, grows in number,
// or is replaced, is seen at once, though the master is never touched.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, filepath.Join(fixtures, "links", "in", "numbered.h5"), filepath.Join(dir, "numbered.h5"))
	copyFile(t, filepath.Join(fixtures, "types_earliest.h5"), filepath.Join(dir, "m.h5"))
	for i := range 2 {
		copyFile(t, filepath.Join(fixtures, fmt.Sprintf("src%d.h5", i)), filepath.Join(dir, fmt.Sprintf("src%d.h5", i)))
	}
	b := newBench(t, dir, host.Options{Processes: 1})
	row := func() [4]int64 {
		t.Helper()
		_, data, err := whole(t.Context(), b.node("m.h5", "vds"))
		if err != nil {
			t.Fatal(err)
		}
		var out [4]int64
		for i := range out {
			out[i] = int64(binary.LittleEndian.Uint64(data[80*i+8:]))
		}
		return out
	}
	if got := row(); got != [4]int64{1, 2, -9, -9} {
		t.Errorf("two of four files: %v", got)
	}
	copyFile(t, filepath.Join(fixtures, "src2.h5"), filepath.Join(dir, "src2.h5"))
	if got := row(); got != [4]int64{1, 2, 3, -9} {
		t.Errorf("a third appeared: %v", got)
	}
	copyFile(t, filepath.Join(fixtures, "src2.h5"), filepath.Join(dir, "new.h5"))
	if err := os.Rename(filepath.Join(dir, "new.h5"), filepath.Join(dir, "src0.h5")); err != nil {
		t.Fatal(err)
	}
	if got := row(); got != [4]int64{3, 2, 3, -9} {
		t.Errorf("the first was replaced: %v", got)
	}
	for i := range 4 {
		d, data, err := whole(t.Context(), b.node("numbered.h5", "d"))
		if err != nil || d.Grid.Shape[0] != int64(2*i) || i > 0 && int64(binary.LittleEndian.Uint64(data[len(data)-8:])) != int64(i-1) {
			t.Errorf("%d files of a row: shape %v: %v", i, d, err)
		}
		if i < 3 {
			copyFile(t, filepath.Join(fixtures, "links", fmt.Sprintf("part%d.h5", i)), filepath.Join(dir, fmt.Sprintf("part%d.h5", i)))
		}
	}
}

// TestCorruption reads files with random bytes changed, or cut off: each is
// right or a clear error, within the time, and nothing is left behind.
func TestCorruption(t *testing.T) {
	files := 40
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		files = 1000
	}
	dir := t.TempDir()
	b := newBench(t, dir, host.Options{Processes: 2, Deadline: 5 * time.Second, Fresh: 1})
	processes, descriptors := 0, 0
	outcome := make(map[string]int)
	var mu sync.Mutex
	originals := []string{"types_earliest.h5", "types_latest.h5", "user.h5", "odd.h5", "mosaic.h5"}
	for _, name := range []string{"mosaic0.h5", "mosaic1.h5", "mosaic0.bin", "mosaic1.bin"} {
		copyFile(t, filepath.Join(fixtures, name), filepath.Join(dir, name))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for n := range files {
		if n == files/4 {
			processes, descriptors = open(t)
		}
		name := fmt.Sprintf("f%d.h5", n)
		damage(t, filepath.Join(fixtures, originals[n%len(originals)]), filepath.Join(dir, name), rand.New(rand.NewPCG(seed, uint64(n))))
		started := time.Now()
		visit(t, b, name, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			outcome[kind(t, name, err)]++
		})
		if took := time.Since(started); took > 90*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		_ = os.Remove(filepath.Join(dir, name))
	}
	g, d := open(t)
	stats := b.pool.Stats()
	t.Logf("%d files: %v; %+v", files, outcome, stats)
	if g > processes+4 || d > descriptors+160 { // up to 64 files stay open in each host
		t.Errorf("%d processes and %d descriptors, %d and %d at first", g, d, processes, descriptors)
	}
	if outcome["right"] < files {
		t.Errorf("hardly anything could be read: %v", outcome)
	}
}

// kind is what became of a read.
func kind(t *testing.T, name string, err error) string {
	t.Helper()
	if err == nil {
		return "right"
	}
	for what, sentinel := range map[string]error{
		"unprocessable": errdef.ErrUnprocessable, "unsupported": errdef.ErrUnsupported, "gone": errdef.ErrGone, "forbidden": errdef.ErrForbidden,
		"too large": errdef.ErrTooLarge, "not found": errdef.ErrNotFound, "unavailable": errdef.ErrUnavailable, "changed": errdef.ErrChanged, "invalid": errdef.ErrInvalid,
	} {
		if errors.Is(err, sentinel) {
			return what
		}
	}
	t.Errorf("%s: %v is no error of errdef", name, err)
	return "other"
}

func damage(t *testing.T, from, to string, r *rand.Rand) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if r.IntN(8) == 0 {
		data = data[:r.IntN(len(data))]
	}
	for range 1 + r.IntN(12) {
		if len(data) > 0 {
			// The structures stand mostly at the beginning.
			at := r.IntN(len(data))
			if r.IntN(2) == 0 {
				at = r.IntN(min(len(data), 20_000))
			}
			data[at] = byte(r.Uint32())
		}
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// visit walks through a file and reads all of it.
func visit(t *testing.T, b *bench, name string, tell func(error)) {
	t.Helper()
	d, _, err := b.node(name).Describe(t.Context())
	tell(err)
	if err != nil {
		return
	}
	crashes := 0
	for _, key := range d.Keys {
		_, _, err := whole(t.Context(), b.node(name, key))
		tell(err)
		if err != nil && strings.Contains(err.Error(), "twice") {
			crashes++
		}
		if crashes > 0 && strings.Contains(fmt.Sprint(err), "set aside") {
			return // so is everything else in it
		}
	}
}

// open counts our processes, this one and all hosts, and their descriptors.
func open(t *testing.T) (processes, descriptors int) {
	t.Helper()
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	pids := []string{"self"}
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		pids = append(pids, strings.Fields(string(text))...)
	}
	for _, pid := range pids {
		entries, err := os.ReadDir("/proc/" + pid + "/fd")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		descriptors += len(entries)
	}
	return len(pids), descriptors
}

// TestReads says which library reads.
func TestReads(t *testing.T) {
	if k := hdf5file.New().Kind(); !strings.HasPrefix(k.Reads, "libhdf5 1.") {
		t.Errorf("%+v", k)
	}
}
