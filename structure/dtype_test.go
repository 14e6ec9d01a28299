package structure_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// golden is what numpy said; testdata/gen_dtypes.py wrote it.
type golden struct {
	Simple map[string]*struct {
		Str, Kind, Endianness, Units string
		ItemSize                     int64
	}
	Structured []struct {
		Descr    any
		ItemSize int64
		Fields   [][]any
	}
}

func numpySays(tb testing.TB) golden {
	tb.Helper()
	var g golden
	text, err := os.ReadFile(filepath.Join("testdata", "dtypes.json"))
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	if err != nil || len(g.Simple) < 500 || len(g.Structured) < 6 {
		tb.Fatalf("golden data: %d, %d, %v", len(g.Simple), len(g.Structured), err)
	}
	return g
}

// stricter are texts that numpy takes and that it never writes itself, or that
// mean nothing (steps of no seconds).
func stricter(text string) bool {
	return strings.HasSuffix(text, "[0s]") || strings.HasSuffix(text, "[]") || strings.HasSuffix(text, "[s") || strings.HasSuffix(text, "s]") && !strings.Contains(text, "[")
}

func TestParseDTypeAsNumpy(t *testing.T) {
	for text, want := range numpySays(t).Simple {
		got, err := structure.ParseDType(text)
		switch {
		case want == nil && !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported):
			t.Errorf("%q: numpy refuses it, we say %v, %v", text, got, err)
		case want == nil || stricter(text):
		case err != nil:
			t.Errorf("%q: numpy says %s, we say %v", text, want.Str, err)
		case got.String() != want.Str || string(got.Kind) != want.Kind || got.ItemSize != want.ItemSize || string(got.Endianness) != want.Endianness || got.Units != want.Units:
			t.Errorf("%q: %+v as %s, numpy says %+v", text, got, got, *want)
		}
		if err == nil {
			again, err := structure.ParseDType(got.String())
			if err != nil || again.String() != got.String() {
				t.Errorf("%q is %s, and that is %s, %v", text, got, again, err)
			}
			doc := got.Document()
			if doc["kind"] != string(got.Kind) || doc["itemsize"] != got.ItemSize || doc["endianness"] != string(got.Endianness) || (doc["dt_units"] == nil) != (got.Units == "") {
				t.Errorf("%q: document %v", text, doc)
			}
		}
	}
}

func TestParseDescrAsNumpy(t *testing.T) {
	for _, want := range numpySays(t).Structured {
		got, err := structure.ParseDescr(want.Descr)
		if err != nil || got.ItemSize != want.ItemSize {
			t.Errorf("%v: %d bytes, numpy has %d; %v", want.Descr, got.ItemSize, want.ItemSize, err)
			continue
		}
		var found [][]any
		at := int64(0)
		for _, f := range got.Fields {
			size := f.Type.ItemSize
			shape := []any{}
			for _, n := range f.Shape {
				size *= n
				shape = append(shape, float64(n))
			}
			if f.Name != "" { // padding has no name
				found = append(found, []any{f.Name, float64(at), float64(size), shape})
			}
			at += size
		}
		ours, _ := json.Marshal(found)
		theirs, _ := json.Marshal(want.Fields)
		if string(ours) != string(theirs) {
			t.Errorf("%v:\nours   %s\nnumpy's %s", want.Descr, ours, theirs)
		}
		if doc := got.Document(); len(doc["fields"].([]any)) != len(got.Fields) || doc["itemsize"] != got.ItemSize {
			t.Errorf("%v: document %v", want.Descr, doc)
		}
	}
}

func TestHostileDescr(t *testing.T) {
	deep := any("<i4")
	for range 100 {
		deep = []any{[]any{"a", deep}}
	}
	field := []any{"a", "<i4"}
	for name, descr := range map[string]any{
		"number": 1.0, "nothing": nil, "field of one": []any{[]any{"a"}}, "name": []any{[]any{1.0, "<i4"}}, "shape": []any{[]any{"a", "<i4", "x"}},
		"negative": []any{[]any{"a", "<i4", []any{-1.0}}}, "huge": []any{[]any{"a", "<i4", []any{1e9, 1e9, 1e9}}}, "half": []any{[]any{"a", "<i4", []any{1.5}}},
		"deep": deep, "wide": slices.Repeat([]any{field}, 5000), "sum": slices.Repeat([]any{[]any{"a", "|V900000000"}}, 2), "object": []any{[]any{"a", "|O"}},
	} {
		if got, err := structure.ParseDescr(descr); !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// FuzzParseDescr: what parses has a size in bounds and fields that fill it, and
// is what its own text says.
func FuzzParseDescr(f *testing.F) {
	seeds := 0
	for _, s := range numpySays(f).Structured {
		text, err := json.Marshal(s.Descr)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
		seeds++
	}
	for _, text := range []string{`"<f8"`, `"|S0"`, `">M8[25s]"`, `[["a","<i4",[0,1000000000]]]`, `[["",[["",[]]]]]`} {
		f.Add(text)
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, text string) {
		var descr any
		if json.Unmarshal([]byte(text), &descr) != nil {
			return
		}
		got, err := structure.ParseDescr(descr)
		if err != nil {
			if !errors.Is(err, errdef.ErrUnprocessable) && !errors.Is(err, errdef.ErrUnsupported) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if got.ItemSize < 0 || got.ItemSize > 1<<30 {
			t.Errorf("%q: an element of %d bytes", text, got.ItemSize)
		}
		if got.Fields == nil {
			again, err := structure.ParseDType(got.String())
			if err != nil || again.String() != got.String() {
				t.Errorf("%q is %s, and that is %s, %v", text, got, again, err)
			}
			return
		}
		sum := int64(0)
		for _, field := range got.Fields {
			size := field.Type.ItemSize
			for _, n := range field.Shape {
				size *= n
			}
			sum += size
		}
		if sum != got.ItemSize {
			t.Errorf("%q: fields of %d bytes in an element of %d", text, sum, got.ItemSize)
		}
	})
}
