package datacache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/npy"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

const frameSide = 512

// npyOf is an NPY file of frames whose bytes are all the same.
func npyOf(frames int, value byte) []byte {
	header := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d, %d), }", frames, frameSide, frameSide)
	text := fmt.Appendf(nil, "\x93NUMPY\x01\x00\x76\x00%-117s\n", header)
	n := len(text)
	text = append(text, make([]byte, frames*frameSide*frameSide)...)
	for i := n; i < len(text); i++ {
		text[i] = value
	}
	return text
}

// TestNoStaleFiles hunts with real files: renamed over with the same size and
// the same mtime, grown, cut off and restored, while readers check that every
// body is of one state that was there after they asked.
func TestNoStaleFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "stack.npy")
	write := func(frames int, value byte) {
		next := filepath.Join(dir, "next")
		if err := os.WriteFile(next, npyOf(frames, value), 0o600); err != nil {
			t.Fatal(err)
		}
		same := time.Unix(1_700_000_000, 0)
		if err := errors.Join(os.Chtimes(next, same, same), os.Rename(next, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(4, 1)
	wall, err := source.OpenWall(dir, source.WallOptions{Storage: source.Storage{TrustAfter: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer wall.Close()
	memory := source.NewMemory(source.MemoryOptions{Log: slog.New(slog.DiscardHandler)})
	defer memory.Close()
	c := newCache(t, datacache.Options{Bytes: 64 * mib})
	node := c.Wrap(source.New(wall, memory, npy.Format{}, source.Item{Tree: "t", Path: "stack", Dir: ".", Names: []string{"stack.npy"}}, nil), "stack")

	var now atomic.Int64 // the state that is surely in the file
	now.Store(1)
	var done, refused atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for reader := range 32 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				before := now.Load()
				value, err := bodyOf(t.Context(), node, int64(reader+n)%4)
				switch {
				case errors.Is(err, errdef.ErrChanged), errors.Is(err, errdef.ErrUnprocessable), errors.Is(err, errdef.ErrUnavailable):
					refused.Add(1)
				case err != nil:
					t.Error(err)
					return
				case int64(value) < before:
					t.Errorf("state %d was given, %d was there when the reader asked", value, before)
					return
				default:
					done.Add(1)
				}
				runtime.Gosched()
			}
		})
	}
	for state := int64(2); state < 40 && !t.Failed(); state++ {
		if state%7 == 3 { // cut off for a while
			if err := os.Truncate(name, 1000); err != nil {
				t.Fatal(err)
			}
		}
		write(4+int(state%2), byte(state))
		now.Store(state)
		pause := 2 * time.Millisecond
		if state%3 == 0 { // long enough to be trusted
			pause = 60 * time.Millisecond
		}
		<-time.After(pause)
	}
	stop.Store(true)
	wg.Wait()
	if st := c.Stats(); done.Load() < 100 || st.Hits == 0 || st.Refused[datacache.Racy] == 0 {
		t.Errorf("%d bodies, %d refused, stats %+v: nothing was hunted", done.Load(), refused.Load(), st)
	}
}

// bodyOf reads two frames of one version, as a request does, and returns the
// byte that all of them have.
func bodyOf(ctx context.Context, node adapter.Adapter, frame int64) (byte, error) {
	d, _, err := node.Describe(ctx)
	if err != nil {
		return 0, err
	}
	a, ok := adapter.As[adapter.Array](node)
	if !ok {
		return 0, fmt.Errorf("no array: %w", errdef.ErrChanged)
	}
	blocks := [2][]int64{{frame % d.Grid.Counts()[0], 0, 0}, {0, 0, 0}}
	all := d.Grid.Of(blocks[0])
	all[0].Start, all[0].Count, all[0].Step = 0, d.Grid.Shape[0], 1
	v, err := a.Version(ctx, d, all)
	if err != nil {
		return 0, err
	}
	value := byte(0)
	for _, block := range blocks {
		b, err := a.ReadBlock(ctx, v, block)
		if err != nil {
			return 0, err
		}
		if value == 0 {
			value = b.Data[0]
		}
		if n := bytes.Count(b.Data, []byte{value}); n != len(b.Data) {
			return 0, fmt.Errorf("%d of %d bytes of block %v are of state %d, the others are not", n, len(b.Data), block, value)
		}
	}
	return value, nil
}
