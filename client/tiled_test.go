package client_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
)

// folder makes files whose contents are known: big.npy holds 0, 1, 2, … as big-endian
// int32 of shape 50x40, table.csv the columns x and name.
func folder(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		tb.Fatal(err)
	}
	header := "{'descr': '>i4', 'fortran_order': False, 'shape': (50, 40), }"
	header += strings.Repeat(" ", 128-10-1-len(header)) + "\n"
	npy := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	npy = append(npy, header...)
	for i := range uint32(2000) {
		npy = binary.BigEndian.AppendUint32(npy, i)
	}
	var csv strings.Builder
	csv.WriteString("x,name\n")
	for i := range 100 {
		fmt.Fprintf(&csv, "%d.5,n%d\n", i, i)
	}
	for name, data := range map[string][]byte{"big.npy": npy, "sub/table.csv": []byte(csv.String())} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// TestBothServers runs one suite on Terrazzo and on the real Tiled.
func TestBothServers(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	t.Run("terrazzo", func(t *testing.T) {
		t.Parallel()
		suite(t, connect(t, serve(t, config.Tree{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: dir}})))
	})
	t.Run("tiled", func(t *testing.T) {
		t.Parallel()
		suite(t, connect(t, testenv.Tiled(t, dir).URL))
	})
}

func suite(t *testing.T, c *client.Client) {
	t.Helper()
	root, err := open(t, c, "").Container()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for n, err := range root.Members().Sort("id").All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, n.Key()+" "+string(n.Family))
	}
	if want := []string{"big array", "sub container"}; !slices.Equal(keys, want) {
		t.Errorf("members %q, want %q", keys, want)
	}
	if n, err := root.Search(client.Lookup("sub")).Count(t.Context()); err != nil || n != 1 {
		t.Errorf("%d members are called sub, error %v", n, err)
	}
	suiteArray(t, arrayOf(t, open(t, c, "big")))
	suiteTable(t, c)
	if _, err := c.Open(t.Context(), "nothing/here"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("no such node: %v", err)
	}
}

func arrayOf(t *testing.T, n *client.Node) *client.Array {
	t.Helper()
	a, err := n.Array()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func suiteArray(t *testing.T, a *client.Array) {
	t.Helper()
	got, shape, err := client.Read[int32](t.Context(), a, "10:20:5, -3:")
	if want := []int32{437, 438, 439, 637, 638, 639}; err != nil || !slices.Equal(got, want) || !slices.Equal(shape, []int64{2, 3}) {
		t.Errorf("%v of shape %v, want %v, error %v", got, shape, want, err)
	}
	wide, _, err := client.Read[float64](t.Context(), a, "49, ::-20")
	if err != nil || !slices.Equal(wide, []float64{1999, 1979}) {
		t.Errorf("%v, error %v", wide, err)
	}
	elements := 0
	for b, err := range a.Blocks(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		elements += len(b.Data) / 4
	}
	if elements != 2000 {
		t.Errorf("%d elements in blocks", elements)
	}
	n, err := a.WithSources(t.Context())
	if err != nil || len(n.Sources) != 1 || len(n.Sources[0].Assets) != 1 {
		t.Fatalf("sources %v, error %v", n.Sources, err)
	}
	var whole, rest strings.Builder
	id := n.Sources[0].Assets[0].ID
	if _, err := n.Fetch(t.Context(), &whole, id, "", 0); err != nil || whole.Len() != 8128 {
		t.Errorf("asset of %d bytes, error %v", whole.Len(), err)
	}
	if _, err := n.Fetch(t.Context(), &rest, id, "", 100); err != nil || rest.String() != whole.String()[100:] {
		t.Errorf("the rest of the asset: %d bytes, error %v", rest.Len(), err)
	}
	if n, err := n.Fetch(t.Context(), &rest, id, "", 8128); err != nil || n != 0 {
		t.Errorf("behind the end of the asset: %d bytes, error %v", n, err)
	}
}

func suiteTable(t *testing.T, c *client.Client) {
	t.Helper()
	table, err := open(t, c, "sub/table").Table()
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for b, err := range table.Batches(t.Context(), "x") {
		if err != nil {
			t.Fatal(err)
		}
		column, ok := b.Column(0).(*array.Float64)
		if !ok || b.NumCols() != 1 {
			t.Fatalf("columns %v", b.Schema())
		}
		for i := range column.Len() {
			if column.Value(i) != float64(rows)+0.5 {
				t.Fatalf("row %d: %v", rows, column.Value(i))
			}
			rows++
		}
	}
	if rows != 100 {
		t.Errorf("%d rows", rows)
	}
}
