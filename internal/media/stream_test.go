package media_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/structure"
)

// formats are all media types of a family, each once for each encoder.
var formats = map[structure.Family][]string{
	"array": {"application/octet-stream", "json", "csv", "png", "tif", "html"},
	"table": {"arrow", "parquet", "csv", "html", "xlsx", "json", "application/json-seq"},
}

// payloadOf is a payload of some hundred kilobytes in pieces; at, if it is not
// nil, is called before each.
func payloadOf(t *testing.T, family structure.Family, at func(piece int) error) media.Payload {
	t.Helper()
	if at == nil {
		at = func(int) error { return nil }
	}
	if family == structure.FamilyTable {
		table := numbers(t, 60_000, 5_000)
		inner := table.Batches
		table.Batches = func(columns []int) iter.Seq2[arrow.RecordBatch, error] { return failing(inner(columns), at) }
		return media.Payload{Table: table}
	}
	a, data := counting(t, "<u2", 400, 500)
	a.Data = failing(inPieces(data, 40_000), at)
	return media.Payload{Array: a}
}

// failing yields what inner does until at says otherwise.
func failing[T any](inner iter.Seq2[T, error], at func(piece int) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		piece := 0
		for value, err := range inner {
			if err == nil {
				err = at(piece)
			}
			piece++
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

func encoderOf(t *testing.T, family structure.Family, format string) media.Encoder {
	t.Helper()
	choice, err := media.New().Negotiate(family, nil, format, "")
	if err != nil {
		t.Fatal(err)
	}
	return choice.Encoder
}

// encoderCase is one encoder under the family and the name it was asked for.
type encoderCase struct {
	name    string
	family  structure.Family
	encoder media.Encoder
}

func everyEncoder(t *testing.T) []encoderCase {
	t.Helper()
	var all []encoderCase
	for family, names := range formats {
		for _, name := range names {
			all = append(all, encoderCase{string(family) + "/" + name, family, encoderOf(t, family, name)})
		}
	}
	return all
}

func TestErrorsOfTheDataComeBack(t *testing.T) {
	for _, c := range everyEncoder(t) {
		t.Run(c.name, func(t *testing.T) {
			for _, last := range []int{0, 5} {
				payload := payloadOf(t, c.family, func(piece int) error {
					if piece == last {
						return errdef.ErrChanged
					}
					return nil
				})
				if err := c.encoder.Encode(t.Context(), io.Discard, payload); !errors.Is(err, errdef.ErrChanged) {
					t.Errorf("at piece %d: %v", last, err)
				}
			}
		})
	}
}

// limited is a client that goes away after some bytes.
type limited struct{ left int }

var errAway = errors.New("the client has gone away")

func (l *limited) Write(data []byte) (int, error) {
	if l.left -= len(data); l.left < 0 {
		return 0, errAway
	}
	return len(data), nil
}

// A client that goes away stops the reading: within one piece where text is
// written as it comes. Pictures are read twice before they are written, and a
// small one is compressed in one go, as workbooks and small JSON tables are.
func TestErrorsOfTheClientStopTheReading(t *testing.T) {
	for _, c := range everyEncoder(t) {
		t.Run(c.name, func(t *testing.T) {
			pieces := 0
			payload := payloadOf(t, c.family, func(int) error { pieces++; return nil })
			if err := c.encoder.Encode(t.Context(), &limited{left: 100}, payload); !errors.Is(err, errAway) {
				t.Fatalf("got %v", err)
			}
			most := 3
			switch name := c.name; {
			case strings.HasSuffix(name, "png"), strings.HasSuffix(name, "html") && c.family == structure.FamilyArray:
				most = 30
			case strings.HasSuffix(name, "xlsx"), strings.HasSuffix(name, "table/json"):
				most = 12
			}
			if pieces > most {
				t.Errorf("%d pieces were read, want at most %d", pieces, most)
			}
		})
	}
}

func TestCancelledRequestsStop(t *testing.T) {
	for _, c := range everyEncoder(t) {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			pieces := 0
			payload := payloadOf(t, c.family, func(int) error {
				if pieces++; pieces == 2 {
					cancel(errAway)
				}
				return nil
			})
			if err := c.encoder.Encode(ctx, io.Discard, payload); !errors.Is(err, errAway) {
				t.Errorf("got %v", err)
			}
			if pieces > 2 {
				t.Errorf("%d pieces were read, the request ended in the second", pieces)
			}
		})
	}
}

// What is written as it comes has its first bytes out before the last are read.
func TestBodiesStream(t *testing.T) {
	for _, c := range everyEncoder(t) {
		t.Run(c.name, func(t *testing.T) {
			name := c.name
			if strings.HasSuffix(name, "xlsx") || strings.HasSuffix(name, "table/json") {
				return // an archive, and what is small, are written in one go
			}
			var body bytes.Buffer
			largest, before := 0, 0
			payload := payloadOf(t, c.family, func(int) error {
				largest, before = max(largest, body.Len()-before), body.Len()
				return nil
			})
			if err := c.encoder.Encode(t.Context(), &body, payload); err != nil {
				t.Fatal(err)
			}
			if before == 0 || largest > 400_000 {
				t.Errorf("%d bytes were out before the last piece, at most %d for one", before, largest)
			}
		})
	}
}

func TestDataOfAnotherLength(t *testing.T) {
	for _, format := range formats["array"] {
		encoder := encoderOf(t, "array", format)
		for name, change := range map[string]func(data []byte) []byte{
			"short": func(data []byte) []byte { return data[:len(data)-2] },
			"long":  func(data []byte) []byte { return append(data, 0, 0) },
			"odd":   func(data []byte) []byte { return data[:len(data)-1] },
			"none":  func([]byte) []byte { return nil },
		} {
			a, data := counting(t, "<u2", 4, 5)
			a.Data = inPieces(change(data), 1000)
			if err := encoder.Encode(t.Context(), io.Discard, media.Payload{Array: a}); !errors.Is(err, errdef.ErrUnprocessable) {
				t.Errorf("%s, %s: %v", format, name, err)
			}
		}
	}
	for _, format := range formats["table"] {
		table := numbers(t, 10, 5)
		other := numbers(t, 10, 5)
		table.Batches = func([]int) iter.Seq2[arrow.RecordBatch, error] { return other.Batches([]int{0}) }
		if err := encoderOf(t, "table", format).Encode(t.Context(), io.Discard, media.Payload{Table: table}); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// What a media type cannot hold is said before anything is read.
func TestRefusedBeforeReading(t *testing.T) {
	for _, c := range []struct {
		format, kind string
		shape        []int64
	}{
		{"csv", "<f8", []int64{1, 1, 1}},
		{"text/plain", "<f8", []int64{1, 1, 1}},
		{"png", "<f8", []int64{2, 2, 2, 2}},
		{"png", "<f8", []int64{2, 2, 5}},
		{"png", "<U3", []int64{2, 2}},
		{"png", "<f8", []int64{0, 2}},
		{"png", "|u1", []int64{1, 1 << 40}},
		{"tiff", "<f8", []int64{1, 1, 1, 1, 1}},
		{"tiff", "|S3", []int64{2, 2}},
		{"tiff", "<M8[s]", []int64{2, 2}},
		{"tiff", "<f8", []int64{1 << 20, 1 << 20}},
		{"tiff", "|u1", []int64{1 << 29, 1, 1}},
		{"html", "<U3", []int64{1, 1, 1}},
		{"json", "<f8", []int64{1 << 40, 0}},
		{"json", "|S0", []int64{1 << 40}},
		{"csv", "<f8", []int64{1 << 40, 0}},
	} {
		kind, err := structure.ParseDType(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		payload := media.Payload{Array: &media.Array{Type: kind, Shape: c.shape}}
		if _, err := encoderOf(t, "array", c.format).Plan(payload); !errors.Is(err, errdef.ErrNotAcceptable) {
			t.Errorf("%s of %s %v: %v", c.format, c.kind, c.shape, err)
		}
	}
	table := numbers(t, 0, 1)
	table.Rows = 1 << 20
	if _, err := encoderOf(t, "table", "xlsx").Plan(media.Payload{Table: table}); !errors.Is(err, errdef.ErrNotAcceptable) {
		t.Errorf("xlsx of 2^20 rows: %v", err)
	}
}

func TestLengthsAreKnownBeforehand(t *testing.T) {
	a, _ := counting(t, "<f8", 3, 5)
	if size, err := encoderOf(t, "array", "application/octet-stream").Plan(media.Payload{Array: a}); size != 120 || err != nil {
		t.Errorf("%d, %v", size, err)
	}
	a.Shape = []int64{3, 0, 5}
	if size, err := encoderOf(t, "array", "application/octet-stream").Plan(media.Payload{Array: a}); size != 0 || err != nil {
		t.Errorf("%d, %v", size, err)
	}
}

func TestArrayHTML(t *testing.T) {
	a, _ := counting(t, "|u1", 3, 5)
	got, err := encode(t, "array", "html", media.Payload{Array: a})
	if err != nil || !strings.HasPrefix(string(got), `<html><body><img src="data:image/png;base64,iVBORw0KGgo`) || !strings.HasSuffix(string(got), `"/></body></html>`) {
		t.Errorf("%.100s, %v", got, err)
	}
	kind, err := structure.ParseDType("<U3")
	if err != nil {
		t.Fatal(err)
	}
	a = &media.Array{Type: kind, Shape: []int64{2}, Data: inPieces([]byte("<\x00\x00\x00b\x00\x00\x00>\x00\x00\x00&\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 12)}
	got, err = encode(t, "array", "html", media.Payload{Array: a})
	if err != nil || string(got) != "<html><body><pre>&lt;b&gt;\n&amp;\n</pre></body></html>" {
		t.Errorf("%s, %v", got, err)
	}
}

func members(list ...media.Member) iter.Seq2[media.Member, error] {
	return func(yield func(media.Member, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func TestContainerJSON(t *testing.T) {
	leaf := func(key string) media.Member {
		return media.Member{Key: key, Container: media.Container{Metadata: map[string]any{"n": int64(1)}}}
	}
	inner := media.Member{Key: `in"ner`, Container: media.Container{Members: members(leaf("x"), leaf("y"))}}
	payload := media.Payload{Container: &media.Container{
		Metadata: map[string]any{"b": nil, "a": []byte("x")}, Members: members(leaf("one"), inner),
	}}
	got, err := encode(t, "container", "json", payload)
	want := `{"contents":{"one":{"contents":{},"metadata":{"n":1}},"in\"ner":{"contents":{"x":{"contents":{},"metadata":{"n":1}},` +
		`"y":{"contents":{},"metadata":{"n":1}}},"metadata":{}}},"metadata":{"a":"data:application/octet-stream;base64,eA==","b":null}}`
	if err != nil || string(got) != want {
		t.Errorf(" got %s, %v\nwant %s", got, err, want)
	}
	loop := media.Member{Key: "self"}
	loop.Members = func(yield func(media.Member, error) bool) { yield(loop, nil) }
	if _, err := encode(t, "container", "json", media.Payload{Container: &loop.Container}); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("a loop: %v", err)
	}
	broken := media.Container{Members: func(yield func(media.Member, error) bool) { yield(media.Member{}, errdef.ErrGone) }}
	if _, err := encode(t, "container", "json", media.Payload{Container: &broken}); !errors.Is(err, errdef.ErrGone) {
		t.Errorf("an error of the members: %v", err)
	}
}

func TestVersions(t *testing.T) {
	for _, c := range everyEncoder(t) {
		t.Run(c.name, func(t *testing.T) {
			if c.encoder.Version() < 1 {
				t.Errorf("version %d", c.encoder.Version())
			}
		})
	}
}

// A row that is all of the array is written piece by piece too.
func TestLongRowsStream(t *testing.T) {
	a, data := counting(t, "<u2", 1, 200_000)
	out, largest := &bytes.Buffer{}, 0
	a.Data = failing(inPieces(data, 40_000), func(int) error {
		largest = max(largest, out.Len())
		return nil
	})
	if err := encoderOf(t, "array", "csv").Encode(t.Context(), out, media.Payload{Array: a}); err != nil {
		t.Fatal(err)
	}
	if largest == 0 {
		t.Error("nothing was written before the last piece was read")
	}
}
