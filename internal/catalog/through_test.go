package catalog_test

import (
	"context"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/structure"
)

// folder is a container that can search itself; leaf is neither.
type folder map[string]adapter.Adapter

func (f folder) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return &adapter.Description{Family: structure.FamilyContainer}, adapter.Version{}, nil
}

func (f folder) Child(_ context.Context, key string) (adapter.Adapter, error) {
	if a, ok := f[key]; ok {
		return a, nil
	}
	return nil, errdef.ErrNotFound
}

func (f folder) Search(context.Context, catalog.Query) (page catalog.Page, err error) {
	for key, a := range f {
		page.Items = append(page.Items, catalog.Item{Key: key, Path: []string{key}, Adapter: a})
	}
	return page, nil
}

func (f folder) Distinct(context.Context, catalog.DistinctQuery) (catalog.Distinct, error) {
	return catalog.Distinct{}, nil
}

type leaf struct{}

func (leaf) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return &adapter.Description{Family: structure.FamilyArray}, adapter.Version{}, nil
}

// painted is what the wrapper makes of a node.
type painted struct {
	adapter.Adapter
	path string
}

func (p painted) Unwrap() adapter.Adapter { return p.Adapter }

func paint(node adapter.Adapter, path ...string) adapter.Adapter {
	return painted{node, strings.Join(path, "/")}
}

func colour(t *testing.T, node adapter.Adapter) string {
	t.Helper()
	p, ok := adapter.As[painted](node)
	if !ok {
		t.Fatalf("%T is not wrapped", node)
	}
	return p.path
}

func TestThroughWrapsHoweverANodeIsComeBy(t *testing.T) {
	root := catalog.Through(folder{"a": folder{"b": leaf{}}}, paint, "top")
	if got := colour(t, root); got != "top" {
		t.Errorf("root is at %q", got)
	}
	found, err := catalog.Lookup(t.Context(), root, []string{"a", "b"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := colour(t, found); got != "top/a/b" {
		t.Errorf("child of a child is at %q", got)
	}
	if _, ok := adapter.As[adapter.Container](found); ok {
		t.Error("a leaf has become a container")
	}
	page, err := catalog.Search(t.Context(), root, catalog.Query{})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	inner, err := catalog.Search(t.Context(), page.Items[0].Adapter, catalog.Query{})
	if err != nil || len(inner.Items) != 1 {
		t.Fatalf("%+v, %v", inner, err)
	}
	if got := colour(t, inner.Items[0].Adapter); got != "top/a/b" {
		t.Errorf("item of an item is at %q", got)
	}
	if _, err := catalog.FindDistinct(t.Context(), root, catalog.DistinctQuery{}); err != nil {
		t.Error(err)
	}
	if _, err := catalog.Lookup(t.Context(), root, []string{"none"}, nil); err == nil {
		t.Error("a child that is not there was found")
	}
}
