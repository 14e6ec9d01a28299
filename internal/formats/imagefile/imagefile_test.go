package imagefile_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/imagefile"
)

func TestPNG(t *testing.T) {
	adaptertest.Run(t, imagefile.PNG{}, adaptertest.Goldens(t, "testdata/golden_png.json"))
}

func TestJPEG(t *testing.T) {
	adaptertest.Run(t, imagefile.JPEG{}, adaptertest.Goldens(t, "testdata/golden_jpeg.json"))
}

// source writes a file of that content, made longer by nothing if size asks for it.
func source(tb testing.TB, name, content string, size int64) *adaptertest.Folder {
	tb.Helper()
	dir := tb.TempDir()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	if size > 0 {
		if err := os.Truncate(path, size); err != nil { // a sparse file
			tb.Fatal(err)
		}
	}
	return adaptertest.NewFolder(tb, dir, name)
}

func read(tb testing.TB, f adapter.Format, src adapter.Source) (adapter.Block, error) {
	tb.Helper()
	d, err := f.Describe(tb.Context(), src, nil)
	if err != nil {
		return adapter.Block{}, err
	}
	r, err := f.Open(src, nil, d)
	if err != nil {
		return adapter.Block{}, err
	}
	return r.(adapter.ArrayReader).ReadBlock(tb.Context(), make([]int64, len(d.Grid.Shape)))
}

func file(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// chunk makes a PNG chunk.
func chunk(kind, body string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(kind+body)))
	return string(head) + kind + body + string(sum)
}

// TestPNGRefusals shows files whose header is good and whose rest is not.
func TestPNGRefusals(t *testing.T) {
	good := file(t, "pillow_L.png")
	at := strings.Index(good, "IDAT") - 4
	head, body := good[:at], good[at+8:len(good)-16]
	for name, content := range map[string]string{
		"no picture":      head + chunk("IEND", ""),
		"chunks for ever": head + strings.Repeat(chunk("tEXt", ""), 20_000) + good[at:],
		"empty for ever":  head + strings.Repeat(chunk("IDAT", ""), 20_000) + good[at:],
		"not deflate":     head + chunk("IDAT", strings.Repeat("x", 200)) + chunk("IEND", ""),
		"chunk too long":  head + "\xff\xff\xff\xffIDAT" + body,
		"wrong checksum":  head + chunk("IDAT", body[:len(body)-1]+"x") + chunk("IEND", ""),
		"other between":   head + chunk("IDAT", body[:20]) + chunk("tEXt", "a\x00b") + chunk("IDAT", body[20:]),
	} {
		if b, err := read(t, imagefile.PNG{}, source(t, "a.png", content, 0)); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: %d bytes, %v", name, len(b.Data), err)
		}
	}
}

// TestSizeOfFile asserts that a file far larger than its picture costs no memory:
// PNG reads what it needs, JPEG refuses.
func TestSizeOfFile(t *testing.T) {
	src := source(t, "a.png", file(t, "pillow_L.png"), 1<<40)
	if b, err := read(t, imagefile.PNG{}, src); err != nil || len(b.Data) != 2000 {
		t.Errorf("PNG: %d bytes, %v", len(b.Data), err)
	}
	if n := src.Bytes(); n > 4096 {
		t.Errorf("PNG: read %d bytes", n)
	}
	src = source(t, "a.jpg", file(t, "grey.jpg"), 1<<40)
	if b, err := read(t, imagefile.JPEG{}, src); !errors.Is(err, errdef.ErrUnsupported) {
		t.Errorf("JPEG: %d bytes, %v", len(b.Data), err)
	}
	if n := src.Bytes(); n > 64<<10 {
		t.Errorf("JPEG: read %d bytes", n)
	}
}

func TestNoMembers(t *testing.T) {
	src := source(t, "a.png", file(t, "pillow_L.png"), 0)
	if _, err := (imagefile.PNG{}).Describe(t.Context(), src, []string{"x"}); !errors.Is(err, errdef.ErrNotFound) {
		t.Error(err)
	}
}

func FuzzPNG(f *testing.F) {
	names, err := filepath.Glob("testdata/*.png")
	if err != nil || len(names) < 40 {
		f.Fatalf("%d seeds, %v", len(names), err)
	}
	for _, name := range names {
		f.Add([]byte(file(f, filepath.Base(name))))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "a.png"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		src := adaptertest.NewFolder(t, dir, "a.png")
		if d, err := (imagefile.PNG{}).Describe(t.Context(), src, nil); err == nil && d.Array.Shape[0]*d.Array.Shape[1] > 1<<20 {
			return
		}
		_, err := read(t, imagefile.PNG{}, src)
		if err != nil && !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
			t.Fatal(err)
		}
	})
}
