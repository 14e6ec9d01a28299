//go:build native

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/internal/host"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// scan is a Python program that writes frames, each of one number: "frame N"
// appends one, "rewrite K N" writes the Kth anew, "anew" begins the file again
// under its name, and "close" closes it. Modes: swmr, or close after each.
const scan = `
import sys, h5py
name, mode, filters = sys.argv[1:4]
kw = dict(compression="gzip", shuffle=True) if filters == "gzip" else {}
def begin():
    f = h5py.File(name, "w", libver=("v110", "v110") if mode == "swmr" else ("earliest", "v110"))
    d = f.create_dataset("d", (0, 512, 1024), maxshape=(None, 512, 1024), chunks=(1, 512, 1024), dtype="<i4", **kw)
    if mode == "swmr":
        f.swmr_mode = True
    return f, d
f, d = begin()
for line in sys.stdin:
    what, *args = line.split()
    if mode != "swmr" and not f:
        f = h5py.File(name, "a")
        d = f["d"]
    if what == "frame":
        n = len(d)
        d.resize(n + 1, 0)
        d[n] = int(args[0])
    elif what == "rewrite":
        d[int(args[0])] = int(args[1])
    elif what == "anew":
        f.close()
        f, d = begin()
    d.flush() if mode == "swmr" else f.flush()
    if what == "close" or mode != "swmr":
        f.close()
    print("done", flush=True)
`

// counted counts the blocks that are really read, by what they hold.
type counted struct {
	*source.Node
	mu    *sync.Mutex
	reads map[int32]int
}

func (c counted) Unwrap() adapter.Adapter {
	array, ok := adapter.As[adapter.Identifier](c.Node)
	if !ok {
		return c.Node
	}
	return countedArray{array, c}
}

type countedArray struct {
	adapter.Identifier
	of counted
}

func (c countedArray) ReadBlock(ctx context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	b, err := c.Identifier.ReadBlock(ctx, v, block)
	if err == nil {
		c.of.mu.Lock()
		c.of.reads[int32(binary.LittleEndian.Uint32(b.Data))]++
		c.of.mu.Unlock()
	}
	return b, err
}

// TestPastOfLiveFiles: of a file that is being written each frame is decoded
// once, and no frame is ever an old one: not of a file that only grows, nor
// where frames are written again, nor where the file is begun anew.
func TestPastOfLiveFiles(t *testing.T) {
	for _, mode := range []string{"swmr", "closed"} {
		for _, filters := range []string{"gzip", "none"} {
			t.Run(mode+" "+filters, func(t *testing.T) { pastOfLive(t, mode, filters) })
		}
	}
}

func pastOfLive(t *testing.T, mode, filters string) {
	t.Helper()
	dir := t.TempDir()
	tell := scribe(t, scan, filepath.Join(dir, "live.h5"), mode, filters)
	b := newBench(t, dir, host.Options{Processes: 2})
	cache, err := datacache.New(datacache.Options{Bytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	mu, reads := &sync.Mutex{}, map[int32]int{}
	look := func(step string, want []int32) {
		t.Helper()
		got, err := frames(t.Context(), cache.Wrap(counted{b.node("live.h5", "d"), mu, reads}, "live"))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("after %s: %v, %v; want %v", step, got, err, want)
		}
	}
	var want []int32
	for n := range int32(5) {
		want = append(want, 100+n)
		tell(fmt.Sprint("frame ", 100+n))
		look("a frame", want)
		look("a frame, again", want)
	}
	want[2] = 202
	tell("rewrite 2 202")
	look("a rewritten frame", want)
	tell("anew")
	want = nil
	for n := range int32(6) {
		want = append(want, 300+n)
		tell(fmt.Sprint("frame ", 300+n))
	}
	look("a new file under the old name", want)
	tell("close")
	look("the end", want)
	for value, n := range reads {
		if n > 1 {
			t.Errorf("frame %d was decoded %d times", value, n)
		}
	}
	if s := cache.Stats(); s.Hits < 20 {
		t.Errorf("%+v", s)
	}
}

// frames are the numbers of which all frames are made.
func frames(ctx context.Context, a adapter.Adapter) ([]int32, error) {
	d, _, err := a.Describe(ctx)
	if err != nil {
		return nil, err
	}
	var out []int32
	for n := range d.Grid.Shape[0] {
		array, _ := adapter.As[adapter.Array](a)
		block := []int64{n / d.Grid.Block[0], 0, 0}
		v, err := array.Version(ctx, d, d.Grid.Of(block))
		if err != nil {
			return nil, err
		}
		b, err := array.ReadBlock(ctx, v, block)
		if err != nil {
			return nil, err
		}
		row := b.Data[n%d.Grid.Block[0]*512*1024*4:][:512*1024*4]
		first := int32(binary.LittleEndian.Uint32(row))
		for at := 0; at < len(row); at += 4 {
			if v := int32(binary.LittleEndian.Uint32(row[at:])); v != first {
				return nil, fmt.Errorf("frame %d has %d and %d", n, first, v)
			}
		}
		out = append(out, first)
	}
	return out, nil
}
