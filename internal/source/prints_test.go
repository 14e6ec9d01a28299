package source_test

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// printing are letters whose blocks have fingerprints: digests of the text.
type printing struct {
	letters
	asked *int
}

func (p printing) Open(src adapter.Source, inside []string, d *adapter.Description) (any, error) {
	made, err := p.letters.Open(src, inside, d)
	if err != nil {
		return nil, err
	}
	return printer{made.(*lettersReader), p.asked}, nil
}

type printer struct {
	*lettersReader
	asked *int
}

func (p printer) Fingerprint(ctx context.Context, block []int64) (adapter.ID, error) {
	*p.asked++
	text, err := load(ctx, p.src, p.src.Names()[block[0]])
	sum := sha256.Sum256([]byte(text))
	return adapter.ID(sum[:16]), err
}

// TestIdentify: files at rest are known by their stamps, and nobody looks into
// them for a name; of a file that changes a block that did not keeps its name.
func TestIdentify(t *testing.T) {
	w := newWorld(t, source.MemoryOptions{})
	asked := 0
	identify := func(name string) adapter.BlockID {
		t.Helper()
		n := source.New(w.wall, w.memory, printing{w.format, &asked}, source.Item{Tree: "t", Path: name, Dir: ".", Names: []string{name}}, nil)
		d, _, err := n.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a, _ := adapter.As[adapter.Identifier](n)
		block := []int64{0, 0}
		v, err := a.Version(t.Context(), d, d.Grid.Of(block))
		if err != nil {
			t.Fatal(err)
		}
		return a.IdentifyBlock(t.Context(), v, block)
	}
	age := func(name string) {
		t.Helper()
		past := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(w.dir, name), past, past); err != nil {
			t.Fatal(err)
		}
	}
	w.write("rests.txt", "abc")
	w.write("changes.txt", "abc")
	w.settle("rests.txt")
	if id := identify("rests.txt"); !id.Trusted || asked != 0 {
		t.Errorf("at rest: %v, asked %d times", id, asked)
	}
	w.write("changes.txt", "abc")
	first := identify("changes.txt")
	w.write("changes.txt", "abc")
	again := identify("changes.txt")
	w.write("changes.txt", "abd")
	other := identify("changes.txt")
	if !first.Trusted || first != again || first == other || asked != 3 {
		t.Errorf("while it changes: %v, %v, %v; asked %d times", first, again, other, asked)
	}
	age("changes.txt")
	w.settle("changes.txt")
	if settled, same := identify("changes.txt"), identify("changes.txt"); settled != other || same != other || asked != 4 {
		t.Errorf("when it rests: %v, %v, want %v; asked %d times", settled, same, other, asked)
	}
}
