package adaptertest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// Golden is what another program says of an item. What is left out is not
// compared.
type Golden struct {
	// Structure is the array's as it stands on the wire.
	Structure map[string]any `json:"structure"`
	// Metadata and Specs as they stand on the wire; numbers that JSON lacks
	// are the strings NaN, +Inf and -Inf.
	Metadata map[string]any `json:"metadata"`
	// Keys are those of a container.
	Keys []string `json:"keys"`
	// SHA256 is that of all elements in C order; Head are the first bytes,
	// at most 64. Both in hexadecimal.
	SHA256 string `json:"sha256"`
	Head   string `json:"head"`
	// Error is what Describe says: "unprocessable", "unsupported", …
	Error string `json:"error"`
}

// Goldens reads cases from a file written by a generator: a list of objects
// with names (relative to the file), dir (of a format of whole folders),
// inside and the fields of [Golden].
func Goldens(tb testing.TB, file string) []Case {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var list []struct {
		Golden
		Name   string   `json:"name"`
		Dir    string   `json:"dir"`
		Names  []string `json:"names"`
		Inside []string `json:"inside"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	cases := make([]Case, len(list))
	for i, g := range list {
		cases[i] = Case{
			Name: g.Name, Dir: filepath.Join(filepath.Dir(file), g.Dir), Names: g.Names, Inside: g.Inside, Want: g.Golden,
		}
		if g.Name == "" {
			cases[i].Name = path.Join(append(append([]string{g.Dir}, g.Names...), g.Inside...)...)
		}
	}
	return cases
}

func (g Golden) compare(t *testing.T, d *adapter.Description) {
	t.Helper()
	if g.Structure != nil && d.Array != nil {
		if got, want, ok := sameJSON(t, d.Array.Document(), g.Structure); !ok {
			t.Errorf("structure\n got %s\nwant %s", got, want)
		}
	}
	if g.Metadata != nil {
		if got, want, ok := sameJSON(t, d.Metadata, g.Metadata); !ok {
			t.Errorf("metadata\n got %s\nwant %s", got, want)
		}
	}
	if g.Keys != nil {
		if got, want, ok := sameJSON(t, d.Keys, g.Keys); !ok {
			t.Errorf("keys\n got %s\nwant %s", got, want)
		}
	}
}

func (g Golden) compareData(t *testing.T, data []byte) {
	t.Helper()
	head := hex.EncodeToString(data[:min(len(data), 64)])
	if g.Head != "" && head != g.Head {
		t.Errorf("the data begin with\n     %s\nwant %s", head, g.Head)
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); g.SHA256 != "" && got != g.SHA256 {
		t.Errorf("%d bytes of data have the SHA-256 %s, want %s", len(data), got, g.SHA256)
	}
}
