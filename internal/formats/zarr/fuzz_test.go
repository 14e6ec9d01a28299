package zarr_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/zarr"
)

func known(err error) bool {
	return err == nil || errors.Is(err, errdef.ErrUnprocessable) || errors.Is(err, errdef.ErrUnsupported) ||
		errors.Is(err, errdef.ErrNotFound)
}

// seeds reads the files that match.
func seeds(f *testing.F, least int, patterns ...string) map[string]string {
	f.Helper()
	out := map[string]string{}
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			out[name] = string(text)
		}
	}
	if len(out) < least {
		f.Fatalf("%d seeds, at least %d are expected", len(out), least)
	}
	return out
}

// FuzzMetadata describes an array or group by any text, and reads a block that
// is not too large: of fill values, of a chunk of zeros.
func FuzzMetadata(f *testing.F) {
	for _, text := range seeds(f, 150, "*/*/.zarray", "*/*/zarr.json", "*/.zgroup", "*/zarr.json") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		zeros := string(make([]byte, 600))
		for _, files := range []map[string]string{{".zarray": text, "0.0": zeros}, {"zarr.json": text, "c/0/0": zeros}} {
			src := adaptertest.NewMemory(files)
			format := zarr.New()
			d, err := format.Describe(t.Context(), src, nil)
			if !known(err) {
				t.Fatal(err)
			}
			if err != nil || d.Array == nil {
				continue
			}
			if err := d.Grid.Validate(); err != nil {
				t.Fatal(err)
			}
			opened, err := format.Open(src, nil, d)
			if err != nil {
				t.Fatal(err)
			}
			block := make([]int64, len(d.Grid.Shape))
			size := max(d.Array.DataType.ItemSize, 1)
			for _, n := range d.Grid.Block {
				size *= n
			}
			if !d.Grid.Contains(block) || size > 1<<20 {
				continue
			}
			if _, err := opened.(adapter.ArrayReader).ReadBlock(t.Context(), block); !known(err) {
				t.Fatal(err)
			}
		}
	})
}

// FuzzChunk reads any bytes as a chunk of each array with codecs.
func FuzzChunk(f *testing.F) {
	metas := map[string]string{}
	var names []string
	for name, text := range seeds(f, 50, "codecs2.zarr/*/.zarray", "codecs3.zarr/*/zarr.json", "shards.zarr/*/zarr.json", "layout3.zarr/turned/zarr.json") {
		names = append(names, name)
		metas[name] = text
	}
	slices.Sort(names)
	first := func(name string) string {
		if filepath.Base(name) == ".zarray" {
			return "0.0"
		}
		if strings.Contains(name, "codecs3") {
			return "c/0/0"
		}
		return "c/0/0/0"
	}
	for i, name := range names {
		if data, err := os.ReadFile(filepath.Join(filepath.Dir(name), first(name))); err == nil {
			f.Add(i, string(data))
		}
	}
	f.Fuzz(func(t *testing.T, which int, data string) {
		name := names[uint(which)%uint(len(names))]
		files := map[string]string{filepath.Base(name): metas[name], first(name): data}
		src := adaptertest.NewMemory(files)
		d, r := open(t, src)
		block, err := r.ReadBlock(t.Context(), make([]int64, len(d.Grid.Shape)))
		if !known(err) {
			t.Fatal(err)
		}
		want := d.Array.DataType.ItemSize
		for _, n := range d.Grid.BlockShape(make([]int64, len(d.Grid.Shape))) {
			want *= n
		}
		if err == nil && int64(len(block.Data)) != want {
			t.Fatalf("%d bytes, want %d", len(block.Data), want)
		}
	})
}

// FuzzAttributes compares attributes with encoding/json's reading of them.
func FuzzAttributes(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a": [1, -2.5e3, true, null, "x\n\u00fc\ud834\udd1e\/"], "b": {"c": 18446744073709551615}}`, `{"a": 1e400}`,
		`{"a": 01}`, `{"a": "\ud800"}`, `{"a": "\ud800\b0"}`, "{\"uK\xfb\": 5}", `{"a": .5}`, `[1]`, `{"a": 1,}`, `{"a": 1} x`, `{"a": NaN, "b": -Infinity}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		src := adaptertest.NewMemory(map[string]string{".zgroup": `{"zarr_format": 2}`, ".zattrs": text})
		d, err := zarr.New().Describe(t.Context(), src, nil)
		if !known(err) {
			t.Fatal(err)
		}
		var want map[string]any
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return
		}
		if !utf8.ValidString(text) { // RFC 8259 §8.1: JSON is UTF-8; encoding/json lets other bytes pass
			if err == nil {
				t.Fatalf("%q: is not UTF-8, and was read", text)
			}
			return
		}
		if err != nil {
			if again, _ := json.Marshal(want); len(again) < 64 { // not for depth
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if got := floats(d.Metadata["attributes"]); !reflect.DeepEqual(got, floats(want)) {
			t.Fatalf("%q: got %v, want %v", text, got, want)
		}
	})
}

// floats makes all numbers float64, and text what JSON can say of it.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, floats(e))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = floats(e)
		}
		return out
	}
	return v
}
