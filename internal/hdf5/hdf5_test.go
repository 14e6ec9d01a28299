package hdf5_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/hdf5"
	"github.com/terrazzo-data/terrazzo/structure"
)

var bytesType = structure.DType{Kind: 'u', ItemSize: 1}

// counting is a data set of pieces that counts what was asked of it.
type counting struct {
	pieces, size int
	given        *int
	err          error
}

func (c counting) data(context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for range c.pieces {
			*c.given++
			if !yield(bytes.Repeat([]byte{7}, c.size), nil) {
				return
			}
		}
		if c.err != nil {
			yield(nil, c.err)
		}
	}
}

func (c counting) node(name string, extent int) *hdf5.Node {
	return &hdf5.Node{Name: name, Dataset: &hdf5.Dataset{Type: bytesType, Shape: []int64{int64(extent)}, Data: c.data}}
}

// largest notes the longest write, and how much was asked for before it.
type largest struct {
	io.Writer
	given        *int
	most, behind int
}

func (l *largest) Write(p []byte) (int, error) {
	l.most = max(l.most, len(p))
	if len(p) > 0 && p[0] == 7 {
		l.behind++
	}
	if *l.given-l.behind > 0 {
		return 0, errors.New("pieces were taken that are not written")
	}
	return len(p), nil
}

// TestStreams: nothing is asked for in order to plan, each piece is written
// before the next is asked for, and the file is as long as was said.
func TestStreams(t *testing.T) {
	given := 0
	c := counting{pieces: 1000, size: 1 << 10, given: &given}
	root := &hdf5.Node{Members: []*hdf5.Node{c.node("a", 1000<<10), c.node("b", 1000<<10)}}
	f, err := hdf5.Plan(root)
	if err != nil || given != 0 {
		t.Fatalf("planned by taking %d pieces: %v", given, err)
	}
	out := &largest{given: &given}
	if err := f.Write(t.Context(), out); err != nil || out.most > 4096 {
		t.Errorf("a write of %d bytes, %v", out.most, err)
	}
	given = 0
	var whole bytes.Buffer
	if err := f.Write(t.Context(), &whole); err != nil || int64(whole.Len()) != f.Size() {
		t.Errorf("%d bytes were written, %d planned: %v", whole.Len(), f.Size(), err)
	}
	if end := binary.LittleEndian.Uint64(whole.Bytes()[28:]); !bytes.HasPrefix(whole.Bytes(), []byte("\x89HDF\r\n\x1a\n\x02")) || end != uint64(f.Size()) {
		t.Errorf("the superblock says %d bytes", end)
	}
}

// TestWrongData: too few, too many, an error, nobody there any more.
func TestWrongData(t *testing.T) {
	given, broken := 0, errors.New("broken")
	for name, test := range map[string]struct {
		gone bool
		c    counting
		want error
	}{
		"few":   {false, counting{pieces: 1, size: 4, given: &given}, errdef.ErrUnprocessable},
		"many":  {false, counting{pieces: 3, size: 4, given: &given}, errdef.ErrUnprocessable},
		"error": {false, counting{pieces: 1, size: 4, given: &given, err: broken}, broken},
		"gone":  {true, counting{pieces: 2, size: 4, given: &given}, context.Canceled},
	} {
		f, err := hdf5.Plan(&hdf5.Node{Members: []*hdf5.Node{test.c.node("x", 8)}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if test.gone {
			cancel()
		}
		err = f.Write(ctx, io.Discard)
		cancel()
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestRefused: what HDF5 cannot hold is named before anything is written.
func TestRefused(t *testing.T) {
	array := func(d structure.DType, shape ...int64) *hdf5.Node {
		return &hdf5.Node{Name: "x", Dataset: &hdf5.Dataset{Type: d, Shape: shape}}
	}
	long := make([]byte, 70000)
	deep := &hdf5.Node{Name: "x"}
	for range 200 {
		deep = &hdf5.Node{Name: "x", Members: []*hdf5.Node{deep}}
	}
	for name, n := range map[string]*hdf5.Node{
		"slash": {Name: "a/b"}, "dot": {Name: "."}, "empty": {}, "deep": deep,
		"axes": array(bytesType, make([]int64, 33)...), "no length": array(structure.DType{Kind: 'S'}, 1),
		"float":     array(structure.DType{Kind: 'f', ItemSize: 12}, 1),
		"attribute": {Name: "x", Attributes: []hdf5.Attribute{{Name: "a", Type: bytesType, Data: long, Shape: []int64{70000}}}},
		"overflow":  array(bytesType, 1<<40, 1<<40),
	} {
		if _, err := hdf5.Plan(&hdf5.Node{Members: []*hdf5.Node{n}}); !errors.Is(err, errdef.ErrNotAcceptable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	twice := &hdf5.Node{Members: []*hdf5.Node{{Name: "x"}, {Name: "x"}}}
	if _, err := hdf5.Plan(twice); !errors.Is(err, errdef.ErrNotAcceptable) {
		t.Errorf("twice: got %v", err)
	}
}

// TestAttributes: plain values as h5py has them, the rest as JSON.
func TestAttributes(t *testing.T) {
	got, err := hdf5.AttributesOf(map[string]any{
		"a": int64(1), "b": "text", "c": []any{int64(1), 2.5}, "d": []any{[]any{int64(1), int64(2)}, []any{int64(3), int64(4)}},
		"e": map[string]any{"k": int64(1)}, "f": []any{int64(1), "x"}, "g": []any{[]any{int64(1)}, []any{}}, "h": nil, "i": []any{},
		"j": []any{"x", "y"}, "k": true, "l": []any{int64(1), []any{}}, "m": []any{nil}, "n": time.Unix(0, 0).UTC(), "o": []any{true, false},
		"p": []any{[]any{}, []any{}}, "q": []any{"x", nil}, "r": []any{uint64(1), int64(1)},
	}, json.Marshal)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, a := range got {
		lines = append(lines, fmt.Sprintf("%s %c%d %v %q", a.Name, max(a.Type.Kind, '-'), len(a.Data), a.Shape, a.Texts))
	}
	want := `a i8 [] []
b -0 [] ["text"]
c f16 [2] []
d i32 [2 2] []
e -0 [] ["{\"k\":1}"]
f -0 [] ["[1,\"x\"]"]
g -0 [] ["[[1],[]]"]
h -0 [] []
i f0 [0] []
j -0 [2] ["x" "y"]
k b1 [] []
l -0 [] ["[1,[]]"]
m -0 [] ["[null]"]
n -0 [] ["1970-01-01T00:00:00Z"]
o b2 [2] []
p f0 [2 0] []
q -0 [] ["[\"x\",null]"]
r -0 [] ["[1,1]"]`
	if text := strings.Join(lines, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

// TestDimensions: axes of one name have one length.
func TestDimensions(t *testing.T) {
	variable := func(name string, shape ...int64) *hdf5.Node {
		return &hdf5.Node{Name: name, Dataset: &hdf5.Dataset{Type: bytesType, Shape: shape}}
	}
	group := &hdf5.Node{Members: []*hdf5.Node{variable("x", 3), variable("v", 3, 4)}}
	if err := hdf5.Dimensions(group, [][]string{{"x"}, {"x", "y"}}); err != nil || len(group.Members) != 3 || group.Members[2].Name != "y" {
		t.Errorf("members %v, %v", group.Members, err)
	}
	if _, err := hdf5.Plan(group); err != nil {
		t.Error(err)
	}
	for name, dims := range map[string][][]string{"lengths": {{"x"}, {"y", "x"}}, "name": {{"v"}, {"x", "v"}}} {
		group := &hdf5.Node{Members: []*hdf5.Node{variable("x", 3), variable("v", 3, 4)}}
		if err := hdf5.Dimensions(group, dims); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
