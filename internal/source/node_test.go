package source_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a Recorder.
type counter struct {
	mu sync.Mutex
	n  map[source.Op]int64
}

func newCounter() *counter { return &counter{n: map[source.Op]int64{}} }

func (c *counter) Count(op source.Op, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[op] += n
}

func (c *counter) get(op source.Op) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[op]
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.n)
}

// letters is a format for tests: each file of an item is one row of bytes, and
// one block. Texts that begin with a word in capitals make it misbehave.
type letters struct {
	appendOnly bool
	// each, if set, runs while a file is described, or a block read.
	each func(what, name string)
}

func (l letters) Kind() adapter.Kind {
	return adapter.Kind{Name: "letters", MediaType: "text/letters", Extensions: []string{".txt"}}
}

func (l letters) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	names := src.Names()
	text, err := load(ctx, src, names[0])
	if err != nil {
		return nil, err
	}
	if l.each != nil {
		l.each("describe", names[0])
	}
	switch word, _, _ := strings.Cut(text, " "); word {
	case "BROKEN":
		return nil, fmt.Errorf("letters %s: is broken: %w", names[0], errdef.ErrUnprocessable)
	case "PANIC":
		var none []int
		none[3]++
	case "GROUP":
		if len(inside) == 0 {
			return &adapter.Description{Family: structure.FamilyContainer, Keys: strings.Fields(text)[1:]}, nil
		}
		text = inside[0]
	}
	d := &adapter.Description{
		Family: structure.FamilyArray,
		Array: &structure.Array{
			DataType: structure.DType{Kind: 'u', ItemSize: 1, Endianness: structure.NotApplicable},
			Shape:    []int64{int64(len(names)), int64(len(text))}, Chunks: [][]int64{{int64(len(names))}, {int64(len(text))}},
		},
		Metadata:   map[string]any{"length": int64(len(text)), "word": strings.Fields(text + " .")[0]},
		AppendOnly: l.appendOnly,
		Specs:      []structure.Spec{{Name: "letters"}},
		Notes:      []byte("note"),
	}
	d.Grid = ndslice.Grid{Shape: d.Array.Shape, Block: []int64{1, int64(len(text))}}
	return d, nil
}

func load(ctx context.Context, src adapter.Source, name string) (string, error) {
	f, err := src.Open(ctx, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, f.Size())
	_, err = f.ReadAt(b, 0)
	return string(b), err
}

func (l letters) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	return &lettersReader{l, src, d}, nil
}

type lettersReader struct {
	l   letters
	src adapter.Source
	d   *adapter.Description
}

func (r *lettersReader) Touches(sel ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range sel[0].Count {
			if !yield(r.src.Names()[sel[0].Start+i*sel[0].Step]) {
				return
			}
		}
	}
}

func (r *lettersReader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	name := r.src.Names()[block[0]]
	f, err := r.src.Open(ctx, name)
	if err != nil {
		return adapter.Block{}, err
	}
	defer f.Close()
	if r.l.each != nil {
		r.l.each("read", name)
	}
	b := make([]byte, r.d.Grid.Shape[1])
	if _, err := f.ReadAt(b, 0); err != nil {
		return adapter.Block{}, err
	}
	if string(b[:min(5, len(b))]) == "CRASH" {
		b = b[:0:0]
		_ = b[7]
	}
	return adapter.Block{Data: b, Shape: r.d.Grid.BlockShape(block)}, nil
}

// world is a folder with a wall, a memory and counters.
type world struct {
	*testing.T
	dir    string
	wall   *source.Wall
	memory *source.Memory
	counts *counter
	format letters
}

func newWorld(t *testing.T, opts source.MemoryOptions) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), counts: newCounter()}
	w.wall = wall(t, w.dir, source.WallOptions{Recorder: w.counts})
	opts.Recorder = w.counts
	w.memory = source.NewMemory(opts)
	t.Cleanup(func() {
		if err := w.memory.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// write writes a file, which is racy for two seconds after.
func (w *world) write(name, text string) {
	w.Helper()
	put(w.T, w.dir, name, text)
}

func (w *world) node(names ...string) *source.Node {
	return source.New(w.wall, w.memory, w.format, source.Item{Tree: "t", Path: names[0], Dir: ".", Names: names}, nil)
}

// settle waits until the files' stamps are trusted, by the only way there is
// in the real world: time. The files are looked at, so that it is bounded.
func (w *world) settle(names ...string) {
	w.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, name := range names {
		for {
			stamp, _, err := w.wall.Stat(w.Context(), name)
			if err != nil {
				w.Fatal(err)
			}
			if w.wall.Trusted(name, stamp) {
				break
			}
			if time.Now().After(deadline) {
				w.Fatalf("%s is never trusted", name)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
}

func (w *world) describe(n *source.Node) (*adapter.Description, adapter.Version) {
	w.Helper()
	d, v, err := n.Describe(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return d, v
}

func (w *world) read(n *source.Node, sel ndslice.Selection) (string, adapter.Version) {
	w.Helper()
	d, _ := w.describe(n)
	a, ok := adapter.As[adapter.Array](n)
	if !ok {
		w.Fatal("no array")
	}
	if sel == nil {
		sel = ndslice.All(d.Grid.Shape)
	}
	v, err := a.Version(w.Context(), d, sel)
	if err != nil {
		w.Fatal(err)
	}
	var out strings.Builder
	for p := range sel.Plan(d.Grid) {
		b, err := a.ReadBlock(w.Context(), v, p.Block)
		if err != nil {
			w.Fatal(err)
		}
		out.Write(b.Data)
	}
	return out.String(), v
}

// TestDescribeOnce: a settled file is looked into once, by whoever asks, and a
// 304 opens nothing.
func TestDescribeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{})
	w.write("a.txt", "hello")
	w.write("b.txt", "BROKEN file")
	w.settle("a.txt", "b.txt")
	w.counts.reset()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, _, err := w.node("a.txt").Describe(t.Context()); err != nil {
				t.Error(err)
			}
			if _, _, err := w.node("b.txt").Describe(t.Context()); !errors.Is(err, errdef.ErrUnprocessable) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.counts.get(source.Describes); n != 2 {
		t.Errorf("%d looks into two files", n)
	}
	text, v := w.read(w.node("a.txt"), nil)
	if text != "hello" || !v.Trusted {
		t.Errorf("%q, %+v", text, v)
	}
	w.counts.reset()
	n := w.node("a.txt")
	d, _ := w.describe(n)
	a, _ := adapter.As[adapter.Array](n)
	again, err := a.Version(t.Context(), d, ndslice.All(d.Grid.Shape))
	if err != nil || again.ID != v.ID {
		t.Errorf("%+v, %v", again, err)
	}
	if opens, stats := w.counts.get(source.Opens), w.counts.get(source.Stats); opens != 0 || stats != 2 {
		t.Errorf("a validator opened %d files and looked at %d", opens, stats)
	}
	// The next version: seen at once.
	w.write("a.txt", "world!")
	if text, changed := w.read(w.node("a.txt"), nil); text != "world!" || changed.ID == v.ID || changed.Trusted {
		t.Errorf("%q, %+v", text, changed)
	}
	w.write("b.txt", "mended")
	if _, _, err := w.node("b.txt").Describe(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRacyNotKept: what was read from a file that is still changing is shared
// with nobody who asks later.
func TestRacyNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{})
	w.write("a.txt", "one")
	for i := range 3 {
		_, v := w.describe(w.node("a.txt"))
		if v.Trusted {
			t.Error("a file just written is trusted")
		}
		if n := w.counts.get(source.Describes); n != int64(i+1) {
			t.Errorf("%d looks after %d questions", n, i+1)
		}
	}
	// Two states with one stamp, as a coarse clock makes them.
	file := filepath.Join(w.dir, "a.txt")
	at := time.Now().Add(time.Hour)
	_ = os.Chtimes(file, at, at)
	if text, _ := w.read(w.node("a.txt"), nil); text != "one" {
		t.Errorf("%q", text)
	}
	f, _ := os.OpenFile(file, os.O_WRONLY, 0)
	_, _ = f.WriteString("two")
	_ = f.Close()
	_ = os.Chtimes(file, at, at)
	if text, _ := w.read(w.node("a.txt"), nil); text != "two" {
		t.Errorf("%q", text)
	}
}

// TestSharedWithThoseWhoWaited: a look that began before the question does not
// answer it while the file is not trusted.
func TestSharedWithThoseWhoWaited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{})
	w.write("a.txt", "one")
	inside, goOn := make(chan struct{}), make(chan struct{})
	var looks atomic.Int64
	w.format.each = func(string, string) {
		if looks.Add(1) == 1 {
			close(inside)
			<-goOn
		}
	}
	first := make(chan int64, 1)
	go func() {
		d, _, _ := w.node("a.txt").Describe(t.Context())
		first <- d.Array.Shape[1]
	}()
	<-inside
	w.write("a.txt", "three")
	second := make(chan int64, 1)
	go func() {
		d, _, _ := w.node("a.txt").Describe(t.Context())
		second <- d.Array.Shape[1]
	}()
	close(goOn)
	<-first
	if n := <-second; n != 5 {
		t.Errorf("the later question got a state of %d letters", n)
	}
}

// TestLookGoesOn: who has no more time leaves, and the look is not lost.
func TestLookGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{Wait: time.Millisecond})
	w.write("a.txt", "one")
	w.settle("a.txt")
	goOn := make(chan struct{})
	w.format.each = func(string, string) { <-goOn }
	if _, _, err := w.node("a.txt").Describe(t.Context()); !errors.Is(err, errdef.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.node("a.txt").Describe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(goOn)
	for {
		_, _, err := w.node("a.txt").Describe(t.Context())
		if err == nil {
			break
		}
		if !errors.Is(err, errdef.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if n := w.counts.get(source.Describes); n != 1 {
		t.Errorf("%d looks", n)
	}
}

// TestPinned: a read sees the pinned state or says that it changed.
func TestPinned(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world){
		"rewritten": func(w *world) { w.write("a.txt", "two and more") },
		"removed":   func(w *world) { _ = os.Remove(filepath.Join(w.dir, "a.txt")) },
		"replaced": func(w *world) {
			w.write("new", "two")
			_ = os.Rename(filepath.Join(w.dir, "new"), filepath.Join(w.dir, "a.txt"))
		},
		"truncated": func(w *world) { _ = os.Truncate(filepath.Join(w.dir, "a.txt"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, source.MemoryOptions{})
			w.write("a.txt", "one")
			n := w.node("a.txt")
			d, _ := w.describe(n)
			a, _ := adapter.As[adapter.Array](n)
			v, err := a.Version(t.Context(), d, ndslice.All(d.Grid.Shape))
			if err != nil {
				t.Fatal(err)
			}
			change(w)
			if _, err := a.ReadBlock(t.Context(), v, []int64{0, 0}); !errors.Is(err, errdef.ErrChanged) {
				t.Errorf("read: %v", err)
			}
			if _, err := a.Version(t.Context(), d, ndslice.All(d.Grid.Shape)); !errors.Is(err, errdef.ErrChanged) {
				t.Errorf("version: %v", err)
			}
		})
	}
	t.Run("while it is read", func(t *testing.T) {
		w := newWorld(t, source.MemoryOptions{})
		w.write("a.txt", "one")
		w.format.each = func(what, _ string) {
			if what == "read" {
				f, _ := os.OpenFile(filepath.Join(w.dir, "a.txt"), os.O_WRONLY|os.O_APPEND, 0)
				_, _ = f.WriteString("more")
				_ = f.Close()
			}
		}
		n := w.node("a.txt")
		d, _ := w.describe(n)
		a, _ := adapter.As[adapter.Array](n)
		v, _ := a.Version(t.Context(), d, ndslice.All(d.Grid.Shape))
		if _, err := a.ReadBlock(t.Context(), v, []int64{0, 0}); !errors.Is(err, errdef.ErrChanged) {
			t.Errorf("%v", err)
		}
		w.format.appendOnly = true // growing is no change of what lies before
		if text, _ := w.read(w.node("a.txt"), nil); text != "onemore" {
			t.Errorf("%q", text)
		}
	})
}

// TestBlockIDs: of an appended sequence the old blocks keep their names.
func TestBlockIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{})
	w.format.appendOnly = true
	for i := range 3 {
		w.write(fmt.Sprintf("s%d.txt", i), "abc")
	}
	ids := func(names ...string) []adapter.BlockID {
		n := source.New(w.wall, w.memory, w.format, source.Item{Tree: "t", Path: "s", Dir: ".", Names: names}, nil)
		d, _ := w.describe(n)
		a, _ := adapter.As[adapter.Array](n)
		v, err := a.Version(t.Context(), d, ndslice.All(d.Grid.Shape))
		if err != nil {
			t.Fatal(err)
		}
		var out []adapter.BlockID
		for i := range names {
			out = append(out, a.BlockID(v, []int64{int64(i), 0}))
		}
		return out
	}
	w.settle("s0.txt", "s1.txt", "s2.txt")
	two, three := ids("s0.txt", "s1.txt"), ids("s0.txt", "s1.txt", "s2.txt")
	if two[0] != three[0] || two[1] != three[1] || three[1] == three[2] || !two[0].Trusted {
		t.Errorf("%v\n%v", two, three)
	}
	w.write("s1.txt", "xyz")
	after := ids("s0.txt", "s1.txt", "s2.txt")
	if after[0] != three[0] || after[1].ID == three[1].ID || after[1].Trusted || !after[2].Trusted {
		t.Errorf("%v\n%v", three, after)
	}
}

// TestContainers: members have identities of their own, and are 404 if they
// are not there.
func TestContainers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{})
	w.write("g.txt", "GROUP left right")
	n := w.node("g.txt")
	if _, ok := adapter.As[adapter.Container](n); ok {
		t.Error("a container before anybody looked")
	}
	w.describe(n)
	c, ok := adapter.As[adapter.Container](n)
	if !ok {
		t.Fatal("no container")
	}
	if _, ok := adapter.As[adapter.Array](n); ok {
		t.Error("an array too")
	}
	if _, err := c.Child(t.Context(), "middle"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("%v", err)
	}
	child, err := c.Child(t.Context(), "right")
	if err != nil {
		t.Fatal(err)
	}
	if d, _, err := child.Describe(t.Context()); err != nil || d.Metadata["word"] != "right" || d.MediaType != "text/letters" {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestPanics: a format that fails on a file harms nobody else.
func TestPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{})
	w.write("p.txt", "PANIC now")
	w.write("c.txt", "CRASH later")
	if _, _, err := w.node("p.txt").Describe(t.Context()); !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(err.Error(), "p.txt") {
		t.Errorf("%v", err)
	}
	n := w.node("c.txt")
	d, _ := w.describe(n)
	a, _ := adapter.As[adapter.Array](n)
	v, _ := a.Version(t.Context(), d, ndslice.All(d.Grid.Shape))
	if _, err := a.ReadBlock(t.Context(), v, []int64{0, 0}); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("%v", err)
	}
	if _, err := a.ReadBlock(t.Context(), v, []int64{7, 0}); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err := a.ReadBlock(t.Context(), adapter.Version{}, []int64{0, 0}); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

// TestCost: what a read took is measured.
func TestCost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, source.MemoryOptions{})
	w.write("a.txt", "hello")
	n := w.node("a.txt")
	d, _ := w.describe(n)
	a, _ := adapter.As[adapter.Array](n)
	v, _ := a.Version(t.Context(), d, ndslice.All(d.Grid.Shape))
	b, err := a.ReadBlock(t.Context(), v, []int64{0, 0})
	if err != nil || b.Cost.Bytes != 5 || b.Cost.Opens != 1 || b.Cost.Wait <= 0 || b.Cost.CPU < 0 {
		t.Errorf("%+v, %v", b.Cost, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.ReadBlock(ctx, v, []int64{0, 0}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
