//go:build native

package hdf5file_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/formats/native/hdf5file"
)

// TestNetCDF compares data sets and all their variables with what xarray says.
func TestNetCDF(t *testing.T) {
	text, err := os.ReadFile("testdata/golden_nc.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		golden
		Dims  []string `json:"dims"`
		Shape []int64  `json:"shape"`
		DType string   `json:"dtype"`
		Specs []string `json:"specs"`
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 12 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	s := serve(t, "testdata")
	s.format = hdf5file.New().NetCDF()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			d, data, err := whole(t.Context(), s.node(c.Names[0], c.Inside...))
			if err != nil {
				t.Fatal(err)
			}
			same(t, "metadata", d.Metadata, c.Metadata)
			if len(d.Specs) != 1 || d.Specs[0].Name != c.Specs[0] {
				t.Errorf("specs %v, expected %v", d.Specs, c.Specs)
			}
			if c.Keys != nil && !slices.Equal(d.Keys, c.Keys) {
				t.Errorf("keys\n got %v\nwant %v", d.Keys, c.Keys)
			}
			if len(c.Inside) == 0 {
				return
			}
			if !slices.Equal(d.Array.Dims, c.Dims) || !slices.Equal(d.Array.Shape, c.Shape) || d.Array.DataType.String() != c.DType {
				t.Errorf("%v of %v, %s; expected %v of %v, %s", d.Array.Dims, d.Array.Shape, d.Array.DataType, c.Dims, c.Shape, c.DType)
			}
			sum := sha256.Sum256(data)
			if hex.EncodeToString(sum[:]) != c.SHA256 {
				t.Errorf("other data: they begin with\n     %s, expected\n     %s", hex.EncodeToString(data[:min(len(data), 64)]), c.Head)
			}
		})
	}
}
