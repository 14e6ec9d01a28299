package ndslice_test

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// Written by testdata/gen_slices.py, which says what the fields are.
//
//go:embed testdata/slices.txt
var numpySlices string

func parseShape(t *testing.T, text string) []int64 {
	t.Helper()
	shape := []int64{}
	for word := range strings.SplitSeq(strings.Trim(text, "()"), ",") {
		if word == "" {
			continue
		}
		extent, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		shape = append(shape, extent)
	}
	return shape
}

func showShape(shape []int64) string {
	words := make([]string, len(shape))
	for i, extent := range shape {
		words[i] = strconv.FormatInt(extent, 10)
	}
	return "(" + strings.Join(words, ",") + ")"
}

// elements lists the flat C-order positions that a selection takes out of an
// array of shape, by brute force.
func elements(selection ndslice.Selection, shape []int64) []int64 {
	flat := []int64{0}
	for i, axis := range selection {
		next := make([]int64, 0, int64(len(flat))*axis.Count)
		for _, outer := range flat {
			for j := range axis.Count {
				next = append(next, outer*shape[i]+axis.Start+j*axis.Step)
			}
		}
		flat = next
	}
	return flat
}

func checksum(flat []int64) string {
	data := make([]byte, 0, 4*len(flat))
	for _, value := range flat {
		data = binary.LittleEndian.AppendUint32(data, uint32(value))
	}
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE(data))
}

func TestNormaliseIsNumpys(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(numpySlices), "\n")
	if len(lines) < 2000 {
		t.Fatalf("%d cases, the table is cut off", len(lines))
	}
	for _, line := range lines {
		fields := strings.Split(line, "\t")
		shape := parseShape(t, fields[0])
		slice, err := ndslice.Parse(fields[1])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		selection, err := slice.Normalise(shape)
		if err != nil {
			if fields[2] != "error" || !errors.Is(err, errdef.ErrInvalid) {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		flat := elements(selection, shape)
		if got := showShape(selection.Shape()); got != fields[2] || checksum(flat) != fields[3] {
			t.Errorf("%s: got shape %s, elements %v", line, got, flat)
		}
		if selection.Len() != int64(len(flat)) {
			t.Errorf("%s: Len %d, there are %d", line, selection.Len(), len(flat))
		}
		again, err := ndslice.Parse(selection.String())
		if err != nil {
			t.Fatalf("%s: String %q: %v", line, selection, err)
		}
		same, err := again.Normalise(shape)
		if err != nil || fmt.Sprint(same.Shape(), elements(same, shape)) != fmt.Sprint(selection.Shape(), flat) ||
			same.String() != selection.String() {
			t.Errorf("%s: String %q does not mean the same: %v", line, selection, err)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]error{
		"": nil, ":": nil, "::": nil, "1": nil, "-1": nil, "1:2:3,:,-4::-1": nil, "00": nil, "-0": nil,
		"99999999999999999999999999": nil,
		"-":                          errdef.ErrUnprocessable, "1:2:3:4": errdef.ErrUnprocessable, "--1": errdef.ErrUnprocessable,
		"+1": errdef.ErrUnprocessable, " 1": errdef.ErrUnprocessable, "...": errdef.ErrUnprocessable,
		"1.5": errdef.ErrUnprocessable, "[1]": errdef.ErrUnprocessable, "1\n": errdef.ErrUnprocessable,
		",x": errdef.ErrUnprocessable, "٣": errdef.ErrUnprocessable,
		",": errdef.ErrInvalid, "1,": errdef.ErrInvalid, ",1": errdef.ErrInvalid, "1,,2": errdef.ErrInvalid,
		strings.Repeat("1", 5000): errdef.ErrUnprocessable,
	} {
		if _, err := ndslice.Parse(text); !errors.Is(err, want) {
			t.Errorf("Parse(%.20q) = %v, want %v", text, err, want)
		}
	}
}

func TestParseClamps(t *testing.T) {
	for text, want := range map[string]int64{
		"9223372036854775807":                math.MaxInt64,
		"9223372036854775808":                math.MaxInt64,
		"92233720368547758070":               math.MaxInt64,
		"-9223372036854775807":               -math.MaxInt64,
		"-9223372036854775808":               math.MinInt64,
		"-9223372036854775809":               math.MinInt64,
		"-92233720368547758080":              math.MinInt64,
		"0000000000000000000000000000000017": 17,
	} {
		slice, err := ndslice.Parse(text)
		if err != nil || *slice[0].Start != want {
			t.Errorf("Parse(%q) = %v, %v, want %d", text, slice, err, want)
		}
	}
}

// The regular expression of Tiled 0.2.20's slice parameter.
var wireForm = regexp.MustCompile(`^(?:(?:-?[0-9]+)?:){0,2}(?:-?[0-9]+)?(?:,(?:(?:-?[0-9]+)?:){0,2}(?:-?[0-9]+)?)*$`)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "1", "3:-5:-1", "::2,1,:", "1,,2", "-", "9999999999999999999:", "::0", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		slice, err := ndslice.Parse(text)
		if wireForm.MatchString(text) == errors.Is(err, errdef.ErrUnprocessable) && len(text) <= 4096 {
			t.Fatalf("Parse(%q) = %v", text, err)
		}
		if err != nil {
			return
		}
		shape := []int64{4, math.MaxInt64, 0, 1, 7}
		selection, err := slice.Normalise(shape)
		if err != nil {
			if !errors.Is(err, errdef.ErrInvalid) {
				t.Fatalf("Parse(%q).Normalise = %v", text, err)
			}
			return
		}
		for i, axis := range selection {
			last := axis.Start + (axis.Count-1)*axis.Step
			if axis.Count < 0 || axis.Count > 0 && (min(axis.Start, last) < 0 || max(axis.Start, last) >= shape[i]) {
				t.Fatalf("Parse(%q) leaves axis %d of %v: %+v", text, i, shape, axis)
			}
		}
	})
}
