package blosc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/blosc"
)

// golden is a line of testdata/chunks.txt: a chunk that C-Blosc made.
type golden struct {
	codec             string
	shuffle, typesize int
	size              int
	kind              string
	chunk             []byte
}

func (g golden) String() string {
	return fmt.Sprintf("%s/shuffle%d/%dx%d/%s", g.codec, g.shuffle, g.typesize, g.size, g.kind)
}

func goldens(tb testing.TB) []golden {
	tb.Helper()
	text, err := os.ReadFile("testdata/chunks.txt")
	if err != nil {
		tb.Fatal(err)
	}
	var all []golden
	for line := range strings.Lines(string(text)) {
		var g golden
		var encoded string
		if _, err := fmt.Sscan(line, &g.codec, &g.shuffle, &g.typesize, &g.size, &g.kind, &encoded); err != nil {
			tb.Fatal(err)
		}
		if g.chunk, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			tb.Fatal(err)
		}
		all = append(all, g)
	}
	if len(all) != 6*3*16 {
		tb.Fatalf("%d golden chunks, expected %d", len(all), 6*3*16)
	}
	return all
}

// testData makes what data in testdata/gen_chunks.py makes.
func testData(kind string, typesize, size int) []byte {
	out := make([]byte, size)
	state := 1
	for k := range out {
		e, j := k/typesize, k%typesize
		switch {
		case kind == "noise":
			state = (state*1103515245 + 12345) & 0x7fffffff
			out[k] = byte(state >> 16)
		case kind == "sparse" && e%2003 == 7:
			out[k] = byte(j + 1 + e>>9)
		case kind == "smooth" && e%251 == 96:
			out[k] = byte(k * 131)
		case kind == "smooth":
			out[k] = byte(e*e>>(12+j%4) + j*37)
		}
	}
	return out
}

// pick returns the golden chunk of that name.
func pick(tb testing.TB, name string) golden {
	tb.Helper()
	for _, g := range goldens(tb) {
		if g.String() == name {
			return g
		}
	}
	tb.Fatalf("no golden chunk %s", name)
	return golden{}
}

func TestDecodeGolden(t *testing.T) {
	var d blosc.Decoder
	for _, g := range goldens(t) {
		t.Run(g.String(), func(t *testing.T) {
			want := testData(g.kind, g.typesize, g.size)
			n, err := blosc.DecodedSize(g.chunk)
			if err != nil || n != len(want) {
				t.Fatalf("DecodedSize: %d, %v, expected %d", n, err, len(want))
			}
			got := make([]byte, n)
			if n, err = d.Decode(got, append(g.chunk, "trailing"...)); err != nil || n != len(want) {
				t.Fatalf("Decode: %d, %v", n, err)
			}
			if !bytes.Equal(got, want) {
				t.Fatal("decoded bytes differ from what was compressed")
			}
		})
	}
}

func TestDecodeConcurrently(t *testing.T) {
	var d blosc.Decoder
	all := goldens(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range all {
				g := all[(i+worker*67)%len(all)]
				got := make([]byte, g.size)
				if _, err := d.Decode(got, g.chunk); err != nil {
					t.Errorf("%v: %v", g, err)
				} else if !bytes.Equal(got, testData(g.kind, g.typesize, g.size)) {
					t.Errorf("%v: decoded bytes differ", g)
				}
			}
		})
	}
	wg.Wait()
}

// TestDecodeDamaged cuts and changes every golden chunk: Decode may answer what
// it likes, in the two words that its contract allows, but not panic.
func TestDecodeDamaged(t *testing.T) {
	var d blosc.Decoder
	for _, g := range goldens(t) {
		dst := make([]byte, g.size)
		for cut := 0; cut < len(g.chunk); cut += 1 + cut/4 {
			if _, err := d.Decode(dst, g.chunk[:cut]); !errors.Is(err, errdef.ErrUnprocessable) {
				t.Fatalf("%v cut at %d: %v", g, cut, err)
			}
		}
		for at := 0; at < len(g.chunk); at += 1 + at/(1<<20/g.size) {
			bad := bytes.Clone(g.chunk)
			bad[at] ^= 0xff
			_, err := d.Decode(dst, bad)
			if err != nil && !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
				t.Fatalf("%v, byte %d: %v", g, at, err)
			}
		}
	}
}

func TestHeaderRefusals(t *testing.T) {
	good := pick(t, "lz4/shuffle1/2x150004/sparse").chunk
	put := func(at int, value uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], value) }
	}
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"blosc2":           {func(b []byte) { b[0] = 5 }, errdef.ErrUnsupported},
		"reserved flag":    {func(b []byte) { b[2] |= 8 }, errdef.ErrUnsupported},
		"unknown codec":    {func(b []byte) { b[2] |= 0xe0 }, errdef.ErrUnsupported},
		"typesize 0":       {func(b []byte) { b[3] = 0 }, errdef.ErrUnprocessable},
		"4 GiB":            {put(4, 1<<32-1), errdef.ErrUnprocessable},
		"more than dst":    {put(4, 150005), errdef.ErrUnprocessable},
		"block 0":          {put(8, 0), errdef.ErrUnprocessable},
		"blocks of 1 byte": {put(8, 1), errdef.ErrUnprocessable},
		"block 2 GiB":      {put(8, 1<<31), errdef.ErrUnprocessable},
		"encoded 15":       {put(12, 15), errdef.ErrUnprocessable},
		"encoded more":     {put(12, 1<<30), errdef.ErrUnprocessable},
		"start in header":  {put(16, 3), errdef.ErrUnprocessable},
		"start negative":   {put(16, 1<<32-1), errdef.ErrUnprocessable},
	} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Clone(good)
			c.change(bad)
			var d blosc.Decoder
			if _, err := d.Decode(make([]byte, 150004), bad); !errors.Is(err, c.want) {
				t.Errorf("got %v, expected %v", err, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for i, g := range goldens(f) {
		if i%7 == 0 {
			f.Add(g.chunk)
		}
	}
	var d blosc.Decoder
	f.Fuzz(func(t *testing.T, chunk []byte) {
		n, err := blosc.DecodedSize(chunk)
		if err != nil || n > 1<<16 {
			return
		}
		dst := make([]byte, n+1)
		got, err := d.Decode(dst[:n], chunk)
		if dst[n] != 0 {
			t.Fatal("wrote past its limit")
		}
		if (err == nil) != (got == n) && n > 0 {
			t.Fatalf("%d bytes of %d, error %v", got, n, err)
		}
	})
}
