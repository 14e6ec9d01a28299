package coding_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/coding"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// settings is every coding in every shape.
var settings = []string{"identity", "gzip", "gzip:6", "zstd", "zstd:9", "lz4", "blosc2", "blosc2:zstd"}

func parse(tb testing.TB, setting string) coding.Coding {
	tb.Helper()
	c, err := coding.Parse(setting)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// encode writes body in pieces of the given size.
func encode(tb testing.TB, c coding.Coding, body []byte, piece int) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := c.NewWriter(&out, 2)
	for rest := body; len(rest) > 0; {
		n := min(piece, len(rest))
		if _, err := w.Write(rest[:n]); err != nil {
			tb.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func decode(c coding.Coding, data []byte, limit int64) ([]byte, error) {
	r := c.NewReader(bytes.NewReader(data), limit)
	defer r.Close()
	return io.ReadAll(r)
}

// frame makes a detector image's likeness: a smooth ground, noise in the low
// bits, some bright spots; uint16.
func frame(pixels int) []byte {
	out := make([]byte, 2*pixels)
	state := uint32(1)
	for i := range pixels {
		state = state*1664525 + 1013904223
		v := 40 + (i%2048)/64 + int(state>>28)
		if state>>12&0x3ff == 0 {
			v += int(state >> 20)
		}
		binary.LittleEndian.PutUint16(out[2*i:], uint16(v))
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	whole := frame(530_000)
	for _, setting := range settings {
		c := parse(t, setting)
		for _, size := range []int{0, 1, 999, 1 << 20, len(whole)} {
			for _, piece := range []int{1 << 24, 40_999} {
				body := whole[:size]
				got, err := decode(c, encode(t, c, body, piece), int64(size))
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("%s, %d bytes by %d: %d bytes, %v", setting, size, piece, len(got), err)
				}
			}
		}
	}
}

// TestPieces asserts that a body's bytes do not depend on how it was written,
// or one ETag would name several bodies.
func TestPieces(t *testing.T) {
	body := frame(530_000)
	for _, setting := range settings {
		c := parse(t, setting)
		want := encode(t, c, body, len(body))
		for _, piece := range []int{7_777, 1 << 20} {
			if !bytes.Equal(encode(t, c, body, piece), want) {
				t.Errorf("%s: written by %d it is another body", setting, piece)
			}
		}
	}
}

// TestPython lets Tiled's own client decode what we send.
func TestPython(t *testing.T) {
	python := testenv.Python(t)
	dir := t.TempDir()
	args := []string{filepath.Join("testdata", "decode.py")}
	var want strings.Builder
	for i, body := range [][]byte{frame(1_100_000), frame(600), {7}} {
		for _, setting := range settings[1:] {
			c := parse(t, setting)
			name := fmt.Sprintf("%d-%s.%s", i, c.Tag(), c.Name())
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, encode(t, c, body, 100_000), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
			fmt.Fprintf(&want, "%s %d %x\n", name, len(body), sha256.Sum256(body))
		}
	}
	got, err := exec.CommandContext(t.Context(), python, args...).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if string(got) != want.String() {
		t.Errorf("decoded\n%s\nexpected\n%s", got, want.String())
	}
}

// TestFromPython decodes bodies that Python's libraries wrote.
func TestFromPython(t *testing.T) {
	want := make([]byte, 0, 10_000)
	for i := range 5000 {
		want = binary.LittleEndian.AppendUint16(want, uint16(i*i/50%3000))
	}
	for _, name := range []string{"gzip", "zstd", "lz4", "blosc2"} {
		data, err := os.ReadFile(filepath.Join("testdata", "bodies", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(parse(t, name), data, 10_000)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestZstdIsOneFrame counts frames by their magic number, the empty body's too.
func TestZstdIsOneFrame(t *testing.T) {
	c := parse(t, "zstd")
	for _, size := range []int{0, 10, 2_500_000} {
		data := encode(t, c, make([]byte, size), 65_536)
		if n := bytes.Count(data, []byte{0x28, 0xb5, 0x2f, 0xfd}); n != 1 {
			t.Errorf("%d bytes: %d frames", size, n)
		}
	}
}

func TestLimitStops(t *testing.T) {
	bomb := make([]byte, 3<<20)
	for _, setting := range settings {
		c := parse(t, setting)
		data := encode(t, c, bomb, 1<<20)
		src := &countingReader{r: bytes.NewReader(data)}
		got, err := io.ReadAll(c.NewReader(src, 1000))
		if !errors.Is(err, errdef.ErrTooLarge) || len(got) > 1000 {
			t.Errorf("%s: %d bytes, %v", setting, len(got), err)
		}
		if setting == "identity" && src.n > 10_000 {
			t.Errorf("%s: read %d bytes for 1000", setting, src.n)
		}
		if got, err := decode(c, encode(t, c, bomb[:1000], 1000), 1000); err != nil || len(got) != 1000 {
			t.Errorf("%s: exactly the limit: %d bytes, %v", setting, len(got), err)
		}
	}
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestDamaged(t *testing.T) {
	body := frame(3000)
	for _, setting := range settings[1:] {
		c := parse(t, setting)
		data := encode(t, c, body, len(body))
		for _, cut := range []int{1, 3, 11, len(data) / 2, len(data) - 1} {
			if _, err := decode(c, data[:cut], 1<<20); !errors.Is(err, errdef.ErrUnprocessable) {
				t.Errorf("%s cut at %d: %v", setting, cut, err)
			}
		}
		if _, err := decode(c, []byte("neither one coding nor the other"), 1<<40); err == nil {
			t.Errorf("%s: nonsense was decoded", setting)
		}
		lost := errors.New("connection lost")
		r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(lost))
		if _, err := io.ReadAll(c.NewReader(r, 1<<20)); !errors.Is(err, lost) || errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: a lost connection reads as %v", setting, err)
		}
		if got, err := decode(c, data, math.MaxInt32); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s after failures: %v", setting, err)
		}
	}
}

// brokenWriter fails after some bytes.
type brokenWriter struct{ left int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// TestFailedWriter asserts that a failure is told, that it stays, and that the
// next body is whole all the same.
func TestFailedWriter(t *testing.T) {
	body := frame(60_000)
	for _, setting := range settings[1:] {
		c := parse(t, setting)
		want := encode(t, c, body, 50_000)
		for _, left := range []int{0, 100, len(want) - 1} {
			w := c.NewWriter(&brokenWriter{left}, 2)
			_, err := w.Write(body)
			if closed := w.Close(); err == nil && closed == nil || closed != nil && !errors.Is(closed, io.ErrClosedPipe) {
				t.Errorf("%s: broken after %d: Write %v, Close %v", setting, left, err, closed)
			}
			if !bytes.Equal(encode(t, c, body, 50_000), want) {
				t.Errorf("%s: the body after a failure differs", setting)
			}
		}
	}
}

func TestWriteAfterClose(t *testing.T) {
	for _, setting := range settings[1:] {
		c := parse(t, setting)
		w := c.NewWriter(io.Discard, 1)
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Error(err)
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Errorf("%s: wrote after Close", setting)
		}
	}
}

func TestLZ4Limit(t *testing.T) {
	w := parse(t, "lz4").NewWriter(io.Discard, 1)
	piece := make([]byte, coding.LZ4Limit/4)
	for range 4 {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(piece[:1]); !errors.Is(err, errdef.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	body := frame(20_000)
	for _, setting := range settings {
		c := parse(t, setting)
		want := encode(t, c, body, 10_000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 5 {
					data := encode(t, c, body, 10_000)
					got, err := decode(c, data, int64(len(body)))
					if err != nil || !bytes.Equal(got, body) || !bytes.Equal(data, want) {
						t.Errorf("%s: %v", setting, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestParseRefuses(t *testing.T) {
	for _, setting := range []string{"", "br", "gzip:0", "gzip:10", "zstd:x", "lz4:1", "blosc2:snappy", "identity:1", "zstd:"} {
		_, err := coding.Parse(setting)
		if setting == "zstd:" {
			if err != nil {
				t.Errorf("%q: %v", setting, err)
			}
		} else if !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%q: %v", setting, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	for i, setting := range settings {
		f.Add(uint8(i), encode(f, parse(f, setting), frame(600), 500))
	}
	var all []coding.Coding
	for _, setting := range settings {
		all = append(all, parse(f, setting))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		c := all[int(which)%len(all)]
		got, err := decode(c, data, 1<<16)
		if len(got) > 1<<16 {
			t.Fatalf("%d bytes come through a limit of 65536", len(got))
		}
		if err != nil && !errors.Is(err, errdef.ErrTooLarge) && !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
			t.Fatalf("error of no kind: %v", err)
		}
	})
}
