// Package adaptertest is the suite that every format runs, and what its tests
// need: a source that counts, cuts off and corrupts files, and golden values
// written by the programs whose files a format reads.
//
// The test of a format is a call of [Run] with the cases of [Goldens]:
//
//	func TestFormat(t *testing.T) {
//		adaptertest.Run(t, npy.Format{}, adaptertest.Goldens(t, "testdata/golden.json"))
//	}
package adaptertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Case is one item that a format reads.
type Case struct {
	Name string
	// Dir is the folder that Names are in; no Names means Dir itself.
	Dir   string
	Names []string
	// Inside names a member within the files.
	Inside []string
	// Want is what the golden file says of it.
	Want Golden
}

// Run checks each case: that it is described in the same way each time, that
// what is described is consistent and what the golden value says, that every
// block or partition can be read, by many at once, from a remembered
// description too, and opens no file but those that Touches names; that a
// changed source and a cancelled context are noticed; and that files cut off
// or corrupted anywhere are an error of errdef, never a panic, and never
// other data of the same shape where they are cut off.
func Run(t *testing.T, format adapter.Format, cases []Case) {
	t.Helper()
	if len(cases) == 0 {
		t.Fatal("no cases: the golden file is empty")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { runCase(t, format, c) })
	}
}

func runCase(t *testing.T, format adapter.Format, c Case) {
	t.Helper()
	src := NewFolder(t, c.Dir, c.Names...)
	d, err := format.Describe(t.Context(), src, c.Inside)
	if c.Want.Error != "" {
		if want := errorsByName()[c.Want.Error]; want == nil || !errors.Is(err, want) {
			t.Fatalf("Describe: got error %v, want %s", err, c.Want.Error)
		}
		return
	}
	if err != nil {
		t.Fatalf("Describe: %v", err)
	}
	described := src.Opened()
	again, err := format.Describe(t.Context(), src, c.Inside)
	if err != nil || summary(t, again) != summary(t, d) {
		t.Errorf("described again: got %s, %v, want %s", summary(t, again), err, summary(t, d))
	}
	checkDescription(t, d)
	c.Want.compare(t, d)
	reader, err := format.Open(src, c.Inside, d)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	subject := subject{format: format, c: c, src: src, d: d, touched: described}
	switch r := reader.(type) {
	case adapter.ArrayReader:
		subject.runArray(t, r)
	case adapter.TableReader:
		subject.runTable(t, r)
	default:
		if reader != nil || d.Family == structure.FamilyArray || d.Family == structure.FamilyTable {
			t.Fatalf("Open gave a %T for a %s", reader, d.Family)
		}
	}
	subject.damage(t)
}

// subject is one described case.
type subject struct {
	format adapter.Format
	c      Case
	src    *Folder
	d      *adapter.Description
	// touched are the files that anything opened.
	touched map[string]int
	// whole is the array in C order, if it was read.
	whole []byte
}

// remembered returns the description as it is after it was stored: equal
// values, nothing live.
func remembered(d *adapter.Description) *adapter.Description {
	return &adapter.Description{
		Family: d.Family, Array: d.Array, Grid: d.Grid, Table: d.Table, Partitions: d.Partitions, Keys: d.Keys,
		Inline: d.Inline, Metadata: d.Metadata, Specs: d.Specs, MediaType: d.MediaType, AppendOnly: d.AppendOnly,
		Files: d.Files, Notes: slices.Clone(d.Notes),
	}
}

// summary is all that a description says, to compare.
func summary(t *testing.T, d *adapter.Description) string {
	t.Helper()
	if d == nil {
		return "nothing"
	}
	var table any
	if d.Table != nil {
		table = d.Table.Document()
	}
	text, err := json.Marshal([]any{
		d.Family, d.Array, d.Grid, table, d.Partitions, d.Keys, d.Inline,
		jsonable(d.Metadata), d.Specs, d.MediaType, d.AppendOnly, d.Notes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func checkDescription(t *testing.T, d *adapter.Description) {
	t.Helper()
	if !plain(d.Metadata) {
		t.Errorf("metadata hold values other than the plain ones: %#v", d.Metadata)
	}
	if d.MediaType == "" {
		t.Error("no media type")
	}
	if len(d.Notes) > 4<<20 {
		t.Errorf("%d bytes of notes", len(d.Notes))
	}
	switch d.Family {
	case structure.FamilyArray:
		checkArray(t, d)
	case structure.FamilyTable:
		if d.Table == nil || len(d.Partitions) != d.Table.NPartitions {
			t.Fatalf("%d partitions described for the table %v", len(d.Partitions), d.Table)
		}
	case structure.FamilyContainer, structure.FamilyBytes:
	default:
		t.Errorf("the family %q has no suite here", d.Family)
	}
}

func checkArray(t *testing.T, d *adapter.Description) {
	t.Helper()
	if d.Array == nil {
		t.Fatal("no structure")
	}
	if err := d.Grid.Validate(); err != nil {
		t.Fatal(err)
	}
	shape := d.Array.Shape
	if shape == nil || !slices.Equal(shape, d.Grid.Shape) {
		t.Fatalf("shape %#v on a grid of %v", shape, d.Grid.Shape)
	}
	if len(d.Array.Chunks) != len(shape) || d.Array.Dims != nil && len(d.Array.Dims) != len(shape) {
		t.Fatalf("chunks %v, dims %v for shape %v", d.Array.Chunks, d.Array.Dims, shape)
	}
	for i, axis := range d.Array.Chunks {
		sum := int64(0)
		for _, n := range axis {
			sum += n
		}
		if sum != shape[i] || len(axis) == 0 {
			t.Errorf("chunks %v along an axis of %d", axis, shape[i])
		}
	}
}

// plain says whether a value is one that metadata may hold.
func plain(v any) bool {
	switch v := v.(type) {
	case nil, bool, int64, uint64, float64, string, []byte, time.Time:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !plain(e) })
	case map[string]any:
		for _, e := range v {
			if !plain(e) {
				return false
			}
		}
		return true
	}
	return false
}

// jsonable replaces the numbers that JSON lacks by their names.
func jsonable(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = jsonable(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = jsonable(e)
		}
		return out
	}
	return v
}

func errorsByName() map[string]error {
	return map[string]error{
		"unprocessable": errdef.ErrUnprocessable, "unsupported": errdef.ErrUnsupported, "not found": errdef.ErrNotFound,
		"forbidden": errdef.ErrForbidden, "unavailable": errdef.ErrUnavailable, "changed": errdef.ErrChanged,
		"gone": errdef.ErrGone,
	}
}

// known says whether an error is one that a source may have.
func known(err error) bool {
	for _, sentinel := range errorsByName() {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return errors.Is(err, context.Canceled)
}

// sameJSON compares what both values look like as JSON.
func sameJSON(t *testing.T, got, want any) (string, string, bool) {
	t.Helper()
	g, err := json.Marshal(jsonable(got))
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(g, &a) != nil || json.Unmarshal(w, &b) != nil {
		return string(g), string(w), false
	}
	g, _ = json.Marshal(a)
	w, _ = json.Marshal(b)
	return string(g), string(w), bytes.Equal(g, w)
}
