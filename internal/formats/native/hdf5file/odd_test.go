//go:build native

package hdf5file_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// TestOddLinks follows links that lead to each other, to themselves, to what is
// no HDF5 file, and names that are no text.
func TestOddLinks(t *testing.T) {
	s := serve(t, "testdata")
	for path, want := range map[string]error{
		"la": errdef.ErrGone, "cycle": errdef.ErrGone, "chain/0": errdef.ErrGone, "grp/rel": errdef.ErrGone,
		"file": errdef.ErrUnprocessable, "folder": errdef.ErrUnprocessable, "latin%E9": errdef.ErrNotFound, "grp/x/x": errdef.ErrNotFound,
	} {
		if _, _, err := whole(t.Context(), s.node("odd_links.h5", strings.Split(path, "/")...)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	for path, last := range map[string]uint64{
		"own": 3, "grp/dot": 3, "grp/round": 3, "grp/self/self/self/x": 3, "grp/up/grp/up/grp/x": 3, "chain/40": 1, "latin%E9%25": 1,
	} {
		_, data, err := whole(t.Context(), s.node("odd_links.h5", strings.Split(path, "/")...))
		if err != nil || len(data) < 8 || binary.LittleEndian.Uint64(data[len(data)-8:]) != last && path != "latin%E9%25" {
			t.Errorf("%s: %v, %v", path, data, err)
		}
	}
	d, _, err := s.node("odd_links.h5").Describe(t.Context())
	if err != nil || !slices.Contains(d.Keys, "latin%E9%25") {
		t.Errorf("%v, %v", d, err)
	}
}

// TestRefusals: what is not read says which data set it is, and what of it.
func TestRefusals(t *testing.T) {
	s := serve(t, "testdata")
	for path, words := range map[string][]string{
		"odd.h5/vlen":          {"/vlen", "length of its own"},
		"odd.h5/comp_vs":       {"/comp_vs", `"s"`, "strings of variable length"},
		"odd.h5/comp_ref":      {"/comp_ref", `"r"`, "references"},
		"odd.h5/huge":          {"/huge", "chunks along axis 0"},
		"filters.h5/no_blosc2": {"filter 32026", "blosc2"},
		"filters.h5/no_zfp":    {"filter 32013", "ZFP"},
		"filters.h5/no_sz":     {"filter 32017", "SZ"},
		"filters.h5/no_sz3":    {"filter 32024", "SZ3"},
		"filters.h5/no_sperr":  {"filter 32028", "SPERR"},
	} {
		file, inside, _ := strings.Cut(path, "/")
		_, _, err := whole(t.Context(), s.node(file, inside))
		if !errors.Is(err, errdef.ErrUnsupported) {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %s", path, err, word)
			}
		}
	}
}
