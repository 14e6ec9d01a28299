//go:build native

package hdf5file_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/native/hdf5file"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// served is a folder whose HDF5 files are read in this process.
type served struct {
	wall   *source.Wall
	memory *source.Memory
	format adapter.Format
}

func serve(tb testing.TB, dir string, allow ...string) *served {
	tb.Helper()
	wall, err := source.OpenWall(dir, source.WallOptions{Allow: allow})
	if err != nil {
		tb.Fatal(err)
	}
	s := &served{wall: wall, memory: source.NewMemory(source.MemoryOptions{}), format: hdf5file.New()}
	tb.Cleanup(func() { _, _ = s.memory.Close(), wall.Close() })
	return s
}

func (s *served) node(file string, inside ...string) *source.Node {
	return source.New(s.wall, s.memory, s.format, source.Item{Tree: "t", Path: file, Dir: ".", Names: []string{file}}, inside)
}

// whole reads all of an array, block by block, in C order.
func whole(ctx context.Context, n *source.Node) (*adapter.Description, []byte, error) {
	d, _, err := n.Describe(ctx)
	if err != nil {
		return nil, nil, err
	}
	if d.Family != structure.FamilyArray {
		return d, nil, nil
	}
	a, _ := adapter.As[adapter.Array](n)
	all := ndslice.All(d.Grid.Shape)
	v, err := a.Version(ctx, d, all)
	if err != nil {
		return d, nil, err
	}
	item := d.Array.DataType.ItemSize
	out := make([]byte, all.Len()*item)
	for p := range all.Plan(d.Grid) {
		b, err := a.ReadBlock(ctx, v, slices.Clone(p.Block))
		if err != nil {
			return d, nil, err
		}
		if err := ndslice.Gather(out, all, p, b.Data, b.Shape, int(item)); err != nil {
			return d, nil, err
		}
	}
	return d, out, nil
}

type golden struct {
	Name      string         `json:"name"`
	Names     []string       `json:"names"`
	Inside    []string       `json:"inside"`
	Structure map[string]any `json:"structure"`
	Metadata  map[string]any `json:"metadata"`
	Keys      []string       `json:"keys"`
	SHA256    string         `json:"sha256"`
	Head      string         `json:"head"`
	Error     string         `json:"error"`
}

// differs are the members that are served otherwise than Tiled does, each on
// purpose: the reason, and what is expected instead.
func differs() map[string]struct{ why, dtype, head string } {
	return map[string]struct{ why, dtype, head string }{
		"zero":   {"has the shape it has, not one axis more", "<f8", ""},
		"refs":   {"references are paths, not placeholders", "|S4", hex.EncodeToString([]byte("/g\x00\x00/g/x"))},
		"regref": {"references are paths, not placeholders", "|S4", hex.EncodeToString([]byte("/g/x"))},
		"null":   {"an array of nothing, not an error", "<i4", ""},
		"odd12":  {"is converted to the next type that numpy has", "<i4", "0000000001000000020000000300000004000000"},
		"compal": {"padding is a member without a name", "", ""},
	}
}

// TestGolden compares all members of all files with what Tiled and h5py say.
func TestGolden(t *testing.T) {
	var cases []golden
	for _, name := range []string{"testdata/golden.json", "testdata/golden_odd.json", "testdata/golden_latest.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var some []golden
		if err := json.Unmarshal(text, &some); err != nil || len(some) < 30 {
			t.Fatalf("%s: %d cases: %v", name, len(some), err)
		}
		cases = append(cases, some...)
	}
	s := serve(t, "testdata")
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { compare(t, s, c) })
	}
}

func compare(t *testing.T, s *served, c golden) {
	t.Helper()
	d, data, err := whole(t.Context(), s.node(c.Names[0], c.Inside...))
	last := ""
	if len(c.Inside) > 0 {
		last = c.Inside[len(c.Inside)-1]
	}
	switch last {
	case "extout":
		if !errors.Is(err, errdef.ErrForbidden) {
			t.Errorf("a link out of the folder: %v", err)
		}
		return
	case "vlen", "f_blosc2", "no_blosc2", "no_zfp", "no_sz", "no_sz3", "no_sperr", "comp_vs", "comp_ref", "huge":
		if !errors.Is(err, errdef.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
		return
	}
	if c.Error != "" {
		if !errors.Is(err, errdef.ErrGone) {
			t.Errorf("a broken link: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	head := hex.EncodeToString(data[:min(len(data), 64)])
	if other, ok := differs()[last]; ok {
		if other.dtype != "" && (d.Array.DataType.String() != other.dtype || head != other.head) {
			t.Errorf("%s %s", d.Array.DataType, head)
		}
		return
	}
	if c.Keys != nil && !slices.Equal(c.Keys, d.Keys) {
		t.Errorf("keys\n got %v\nwant %v", d.Keys, c.Keys)
	}
	if c.Structure != nil {
		same(t, "structure", d.Array.Document(), c.Structure)
	}
	if c.Metadata != nil {
		same(t, "metadata", d.Metadata, c.Metadata)
	}
	sum := sha256.Sum256(data)
	if c.SHA256 != "" && hex.EncodeToString(sum[:]) != c.SHA256 {
		t.Errorf("other data: they begin with\n     %s, expected\n     %s", head, c.Head)
	}
}

// same compares what both look like as JSON.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := json.Marshal(plain(got))
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(plain(want))
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(g, &back); err != nil {
		t.Fatal(err)
	}
	if g, _ = json.Marshal(back); !bytes.Equal(g, w) {
		t.Errorf("%s\n got %s\nwant %s", what, g, w)
	}
}

func plain(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) {
			return "NaN"
		}
	case []byte:
		return string(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	}
	return v
}
