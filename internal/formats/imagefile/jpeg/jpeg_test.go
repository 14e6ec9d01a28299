package jpeg_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/imagefile/jpeg"
)

// golden is a line of testdata/golden.txt.
type golden struct {
	name   string
	config jpeg.Config
	sum    string
	data   []byte
}

func goldens(tb testing.TB) []golden {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "golden.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	var all []golden
	for line := range strings.Lines(string(text)) {
		var g golden
		if _, err := fmt.Sscan(line, &g.name, &g.config.Width, &g.config.Height, &g.config.Components, &g.sum); err != nil {
			tb.Fatal(err)
		}
		if g.data, err = os.ReadFile(filepath.Join("testdata", g.name+".jpg")); err != nil {
			tb.Fatal(err)
		}
		all = append(all, g)
	}
	if len(all) < 50 {
		tb.Fatalf("%d golden pictures, expected 50 and more", len(all))
	}
	return all
}

// TestGolden asks for the very bytes that Pillow gives.
func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			if c, err := jpeg.DecodeConfig(bytes.NewReader(g.data), int64(len(g.data))); err != nil || c != g.config {
				t.Errorf("DecodeConfig: %v, %v, expected %v", c, err, g.config)
			}
			got, err := jpeg.Decode(t.Context(), g.data)
			if err != nil {
				t.Fatal(err)
			}
			if got.Config != g.config || len(got.Pix) != g.config.Width*g.config.Height*g.config.Components {
				t.Errorf("%v and %d bytes, expected %v", got.Config, len(got.Pix), g.config)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(got.Pix)); sum != g.sum {
				t.Error("pixels are not those of Pillow")
			}
		})
	}
}

// TestCut asserts that a file that is cut off anywhere is refused.
func TestCut(t *testing.T) {
	for _, g := range goldens(t) {
		for cut := 0; cut < len(g.data)-1; cut += 1 + len(g.data)/50 {
			if _, err := jpeg.Decode(t.Context(), g.data[:cut]); !errors.Is(err, errdef.ErrUnprocessable) {
				t.Fatalf("%s cut at %d of %d: %v", g.name, cut, len(g.data), err)
			}
		}
	}
}

// TestRefusals changes a byte of a good file, found by what stands before it.
func TestRefusals(t *testing.T) {
	var good []byte
	for _, g := range goldens(t) {
		if g.name == "rgb420_37x29" {
			good = g.data
		}
	}
	sof := bytes.Index(good, []byte{0xff, 0xc0})
	for name, c := range map[string]struct {
		at   int
		to   []byte
		want error
	}{
		"start":              {0, []byte("GIF"), errdef.ErrUnprocessable},
		"lossless":           {sof + 1, []byte{0xc3}, errdef.ErrUnsupported},
		"arithmetic":         {sof + 1, []byte{0xc9}, errdef.ErrUnsupported},
		"12 bits":            {sof + 4, []byte{12}, errdef.ErrUnsupported},
		"no height":          {sof + 5, []byte{0, 0}, errdef.ErrUnprocessable},
		"65535 by 65535":     {sof + 5, []byte{255, 255, 255, 255}, errdef.ErrUnsupported},
		"10000 by 10000":     {sof + 5, []byte{39, 16, 39, 16}, errdef.ErrUnprocessable},
		"two components":     {sof + 9, []byte{2}, errdef.ErrUnprocessable},
		"factor 0":           {sof + 11, []byte{0x02}, errdef.ErrUnprocessable},
		"factor 3 over 2":    {sof + 11, []byte{0x33, 0, 2, 0x22}, errdef.ErrUnsupported},
		"quantisation table": {sof + 12, []byte{3}, errdef.ErrUnprocessable},
	} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Clone(good)
			copy(bad[c.at:], c.to)
			if _, err := jpeg.Decode(t.Context(), bad); !errors.Is(err, c.want) {
				t.Errorf("got %v, expected %v", err, c.want)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := jpeg.Decode(ctx, goldens(t)[0].data); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestConfigReadsLittle asserts that the size is found without the data.
func TestConfigReadsLittle(t *testing.T) {
	data := goldens(t)[0].data
	large := append(bytes.Clone(data), make([]byte, 1<<20)...)
	r := &countingReaderAt{r: bytes.NewReader(large)}
	if _, err := jpeg.DecodeConfig(r, int64(len(large))); err != nil || r.n > 4096 {
		t.Errorf("read %d bytes, %v", r.n, err)
	}
}

type countingReaderAt struct {
	r *bytes.Reader
	n int
}

func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += n
	return n, err
}

func FuzzDecode(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, configErr := jpeg.DecodeConfig(bytes.NewReader(data), int64(len(data)))
		if configErr == nil && config.Width*config.Height > 1<<20 {
			return
		}
		img, err := jpeg.Decode(t.Context(), data)
		if err == nil && (configErr != nil || img.Config != config || len(img.Pix) != config.Width*config.Height*config.Components) {
			t.Fatalf("%d bytes of %v, announced %v, %v", len(img.Pix), img.Config, config, configErr)
		}
		if err != nil && (img != nil || !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported)) {
			t.Fatalf("%v beside %v", img, err)
		}
	})
}
