package host_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/npy"
	"github.com/terrazzo-data/terrazzo/internal/host"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// TestMain is a host too: the test binary, started with this argument.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "host" {
		l, err := host.Inherited()
		if err == nil {
			err = host.Serve(context.Background(), l, host.ServeOptions{Program: "test host", Formats: []adapter.Format{npy.Format{}, script{}}})
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// script is a format whose files say what happens to those who read them.
type script struct{}

func (script) Kind() adapter.Kind {
	return adapter.Kind{Name: "script", MediaType: "text/x-script", Extensions: []string{".script"}, Reads: "the test"}
}

func (script) Describe(ctx context.Context, src adapter.Source, _ []string) (*adapter.Description, error) {
	text, err := content(ctx, src, src.Names()[0])
	if err != nil {
		return nil, err
	}
	if n := 0; strings.HasPrefix(text, "group") {
		if _, err := fmt.Sscanf(text, "group %d", &n); err != nil {
			return nil, err
		}
		d := &adapter.Description{Family: structure.FamilyContainer}
		for i := range n {
			d.Keys = append(d.Keys, fmt.Sprint("k", i))
		}
		return d, nil
	}
	shape := []int64{4}
	return &adapter.Description{
		Family: structure.FamilyArray, Metadata: map[string]any{"a": int64(1), "nan": []any{1.5, nil, "x"}},
		Array: &structure.Array{DataType: structure.DType{Kind: 'i', ItemSize: 8, Endianness: structure.Little}, Shape: shape, Chunks: structure.RegularChunks(shape, shape)},
		Grid:  ndslice.Grid{Shape: shape, Block: []int64{2}},
	}, nil
}

func (script) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	if d.Family == structure.FamilyContainer {
		return nil, nil
	}
	return scripted{src}, nil
}

type scripted struct{ src adapter.Source }

func (s scripted) Touches(ndslice.Selection) iter.Seq[string] {
	return func(yield func(string) bool) { yield(s.src.Names()[0]) }
}

func (s scripted) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	text, err := content(ctx, s.src, s.src.Names()[0])
	if err != nil {
		return adapter.Block{}, err
	}
	verb, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch verb {
	case "crash":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		<-make(chan int)
	case "once": // crashes where rest does not exist yet
		if f, err := os.OpenFile(rest, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_ = f.Close()
			os.Exit(7)
		}
	case "burn":
		for {
			runtime.KeepAlive(block)
		}
	case "sleep":
		<-make(chan int)
	case "panic":
		panic("as the file says")
	case "slow":
		time.Sleep(20 * time.Millisecond)
	}
	data := make([]byte, 16)
	binary.LittleEndian.PutUint64(data, uint64(2*block[0]))
	binary.LittleEndian.PutUint64(data[8:], uint64(2*block[0]+1))
	return adapter.Block{Data: data, Shape: []int64{2}}, nil
}

func content(ctx context.Context, src adapter.Source, name string) (string, error) {
	f, err := src.Open(ctx, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text := make([]byte, f.Size())
	_, err = f.ReadAt(text, 0)
	return string(text), err
}

// bench is a folder that is served through a pool.
type bench struct {
	pool   *host.Pool
	dir    string
	wall   *source.Wall
	memory *source.Memory
}

func newBench(t *testing.T, opts host.Options) *bench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	opts.Program, opts.Args = self, []string{"host"}
	pool, err := host.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{pool: pool, dir: t.TempDir(), memory: source.NewMemory(source.MemoryOptions{})}
	if b.wall, err = source.OpenWall(b.dir, source.WallOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.memory.Close()
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		_ = b.wall.Close()
	})
	return b
}

// file writes a script.
func (b *bench) file(t *testing.T, name, text string) *source.Node {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b.node(script{}.Kind(), name)
}

func (b *bench) node(kind adapter.Kind, name string) *source.Node {
	return source.New(b.wall, b.memory, b.pool.Format(kind), source.Item{Tree: "t", Path: name, Dir: ".", Names: []string{name}}, nil)
}

func read(ctx context.Context, n *source.Node, block int64) ([]byte, error) {
	d, _, err := n.Describe(ctx)
	if err != nil {
		return nil, err
	}
	a, ok := adapter.As[adapter.Array](n)
	if !ok {
		return nil, errors.New("no array")
	}
	index := make([]int64, len(d.Grid.Shape))
	index[0] = block
	v, err := a.Version(ctx, d, d.Grid.Of(index))
	if err != nil {
		return nil, err
	}
	out, err := a.ReadBlock(ctx, v, index)
	return out.Data, err
}

// TestThrough: what comes through a host is what the format gives without.
func TestThrough(t *testing.T) {
	b := newBench(t, host.Options{Processes: 1})
	var file bytes.Buffer
	header := "{'descr': '<i4', 'fortran_order': True, 'shape': (1500, 1000)}"
	file.WriteString("\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), 0}) + header)
	for i := range uint32(1500 * 1000) {
		_ = binary.Write(&file, binary.LittleEndian, i)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "a.npy"), file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	direct := source.New(b.wall, b.memory, npy.Format{}, source.Item{Tree: "t", Path: "direct", Dir: ".", Names: []string{"a.npy"}}, nil)
	node := b.node(npy.Format{}.Kind(), "a.npy")
	want, err := read(t.Context(), direct, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(t.Context(), node, 0)
	if err != nil || !bytes.Equal(got, want) || len(got) < 1<<20 {
		t.Fatalf("%d bytes, %d without a host: %v", len(got), len(want), err)
	}
	d, _, _ := node.Describe(t.Context())
	plain, _, _ := direct.Describe(t.Context())
	if d.Array.DataType.String() != plain.Array.DataType.String() || fmt.Sprint(d.Grid, d.Array) != fmt.Sprint(plain.Grid, plain.Array) {
		t.Errorf("described as %v, without a host %v", d, plain)
	}
	other := b.file(t, "m.script", "fine")
	od, _, err := other.Describe(t.Context())
	if err != nil || fmt.Sprint(od.Metadata) != "map[a:1 nan:[1.5 <nil> x]]" {
		t.Errorf("metadata %v, %v", od, err)
	}
	if g := b.pool.Greeting(); g.Program != "test host" || len(g.Formats) != 2 || g.Formats[1].Reads != "the test" {
		t.Errorf("greeting %+v", g)
	}
	if s := b.pool.Stats(); s.Started != 1 || s.Crashed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestCrash: a file that ends its host is tried once more alone, and is then
// set aside; nobody else notices.
func TestCrash(t *testing.T) {
	b := newBench(t, host.Options{Processes: 1, Fresh: 1})
	bad, good := b.file(t, "bad.script", "crash"), b.file(t, "good.script", "fine")
	once := b.file(t, "once.script", "once "+filepath.Join(t.TempDir(), "flag"))
	if data, err := read(t.Context(), once, 1); err != nil || data[0] != 2 {
		t.Errorf("a file that crashes once: %v, %v", data, err)
	}
	before := b.pool.Stats() // the first crash may not have been counted yet
	_, err := read(t.Context(), bad, 0)
	if !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(err.Error(), "bad.script") || !strings.Contains(err.Error(), "crashed") {
		t.Errorf("the file that crashes: %v", err)
	}
	s := b.pool.Stats()
	if s.Started-before.Started < 1 || s.Retried-before.Retried != 1 || s.Marked != 1 {
		t.Errorf("%+v, then %+v", before, s)
	}
	_, err = read(t.Context(), bad, 0)
	if !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(err.Error(), "set aside") || b.pool.Stats().Crashed != s.Crashed {
		t.Errorf("asked again: %v, %+v", err, b.pool.Stats())
	}
	if data, err := read(t.Context(), good, 1); err != nil || data[0] != 2 {
		t.Errorf("the file that does not: %v, %v", data, err)
	}
	b.pool.Lift(filepath.Join(b.dir, "bad.script"))
	if _, err = read(t.Context(), bad, 0); !strings.Contains(fmt.Sprint(err), "crashed") {
		t.Errorf("after the mark was lifted: %v", err)
	}
}

// TestLive: a file that was just written to is never marked.
func TestLive(t *testing.T) {
	b := newBench(t, host.Options{Processes: 1})
	bad := b.file(t, "bad.script", "crash")
	if _, err := read(t.Context(), bad, 0); !errors.Is(err, errdef.ErrUnavailable) || errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("got %v", err)
	}
	if s := b.pool.Stats(); s.Marked != 0 || s.Retried != 1 {
		t.Errorf("%+v", s)
	}
}

// TestHang: computing without an end is a mark, waiting is not.
func TestHang(t *testing.T) {
	b := newBench(t, host.Options{Processes: 2, Deadline: 600 * time.Millisecond, Fresh: 1})
	burn, sleep, faulty := b.file(t, "burn.script", "burn"), b.file(t, "sleep.script", "sleep"), b.file(t, "panic.script", "panic")
	if _, err := read(t.Context(), sleep, 0); !errors.Is(err, errdef.ErrUnavailable) || errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("waiting: %v", err)
	}
	if s := b.pool.Stats(); s.Marked != 0 || s.Killed != 1 {
		t.Errorf("after waiting: %+v", s)
	}
	if _, err := read(t.Context(), burn, 0); !errors.Is(err, errdef.ErrUnprocessable) || !strings.Contains(err.Error(), "computed") {
		t.Errorf("computing: %v", err)
	}
	if s := b.pool.Stats(); s.Marked != 1 || s.Killed != 3 {
		t.Errorf("after computing: %+v", s)
	}
	if _, err := read(t.Context(), faulty, 0); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("a panic: %v", err)
	}
	if s := b.pool.Stats(); s.Crashed != 0 {
		t.Errorf("after a panic: %+v", s)
	}
}

// TestCrowded: files that compute without an end hold up nobody who reads others,
// however many ask for them, and are marked.
func TestCrowded(t *testing.T) {
	b := newBench(t, host.Options{Processes: 2, Deadline: 5 * time.Second, Patience: 300 * time.Millisecond, Fresh: 1})
	var burning sync.WaitGroup
	var marked atomic.Int64
	for i := range 3 {
		burn := b.file(t, fmt.Sprintf("burn%c.script", 'a'+i), "burn")
		for range 4 {
			burning.Go(func() {
				if _, err := read(t.Context(), burn, 0); errors.Is(err, errdef.ErrUnprocessable) {
					marked.Add(1)
				} else {
					t.Errorf("%v", err)
				}
			})
		}
	}
	var reading sync.WaitGroup
	for i := range 12 {
		good := b.file(t, fmt.Sprintf("good%c.script", 'a'+i), "fine")
		reading.Go(func() {
			for range 3 {
				if data, err := read(t.Context(), good, 1); err != nil || data[0] != 2 {
					t.Errorf("%v, %v", data, err)
				}
			}
		})
	}
	reading.Wait()
	if n := marked.Load(); n > 0 {
		t.Errorf("the others waited until %d were marked", n)
	}
	burning.Wait()
	if s := b.pool.Stats(); s.Marked != 3 || s.Crashed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestCancel: who goes away gets his own error, and the host stays.
func TestCancel(t *testing.T) {
	b := newBench(t, host.Options{Processes: 1})
	sleep := b.file(t, "sleep.script", "sleep")
	ctx, cancel := context.WithCancel(t.Context())
	if _, _, err := sleep.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := read(ctx, sleep, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if s := b.pool.Stats(); s.Killed+s.Crashed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestChaos kills and stops hosts under many readers: none loses a request.
func TestChaos(t *testing.T) {
	rounds := 12
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		rounds = 150
	}
	b := newBench(t, host.Options{Processes: 2, Deadline: 10 * time.Second, Fresh: 1})
	nodes := make([]*source.Node, 16)
	for i := range nodes {
		nodes[i] = b.file(t, fmt.Sprintf("f%d.script", i), "slow")
		if _, _, err := nodes[i].Describe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var right, wrong, unavailable atomic.Int64
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for r := range 64 {
		readers.Go(func() {
			for i := r; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				block := int64(i % 2)
				data, err := read(t.Context(), nodes[i%len(nodes)], block)
				switch {
				case err == nil && len(data) == 16 && int64(data[0]) == 2*block:
					right.Add(1)
				case errors.Is(err, errdef.ErrUnavailable) || errors.Is(err, errdef.ErrChanged):
					unavailable.Add(1)
				default:
					wrong.Add(1)
					t.Errorf("%v, %v", data, err)
				}
			}
		})
	}
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGSTOP}
	for i := range rounds {
		time.Sleep(100 * time.Millisecond)
		if kids := children(t); len(kids) > 0 {
			_ = syscall.Kill(kids[i%len(kids)], signals[i%len(signals)])
		}
	}
	close(stop)
	readers.Wait()
	t.Logf("%d right, %d told to come again, %d wrong; %+v", right.Load(), unavailable.Load(), wrong.Load(), b.pool.Stats())
	if right.Load() < 100 || b.pool.Stats().Marked != 0 {
		t.Errorf("%d requests were answered; %+v", right.Load(), b.pool.Stats())
	}
	if err := b.pool.Close(); err != nil {
		t.Fatal(err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("%d processes are left", len(left))
	}
}

// children are the processes whose parent we are.
func children(t *testing.T) []int {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			pid := 0
			_, _ = fmt.Sscan(field, &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestPages: more members than fit one reply come in pages.
func TestPages(t *testing.T) {
	b := newBench(t, host.Options{Processes: 1})
	for n, requests := range map[int]int64{0: 1, 7: 1, 50_000: 1, 50_001: 2, 120_001: 3} {
		before := b.pool.Stats().Requests
		name := fmt.Sprintf("g%d.script", n)
		d, _, err := b.file(t, name, fmt.Sprint("group ", n)).Describe(t.Context())
		if err != nil || len(d.Keys) != n {
			t.Fatalf("%d members: %d, %v", n, len(d.Keys), err)
		}
		for i, key := range d.Keys {
			if key != fmt.Sprint("k", i) {
				t.Fatalf("member %d of %d is %q", i, n, key)
			}
		}
		if got := b.pool.Stats().Requests - before; got != requests {
			t.Errorf("%d members: %d requests, expected %d", n, got, requests)
		}
	}
}
