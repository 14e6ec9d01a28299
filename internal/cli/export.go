package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

type exportCommand struct {
	nodeFlags
	Output string `short:"o" required:"" help:"A folder, a folder that ends in .zarr, or a file such as data.h5." placeholder:"PATH" type:"path"`
	Table  string `help:"Format of tables in a folder: parquet, csv or arrow." default:"parquet" enum:"parquet,csv,arrow"`
	Depth  int    `help:"How far below the node; -1 is all the way." default:"-1"`
	Quiet  bool   `short:"q" help:"Show no progress."`
	JSON   bool   `name:"json" help:"Say in JSON what was written."`

	nodes, left int64
}

// Help is printed by --help.
func (*exportCommand) Help() string {
	return `Into a folder: arrays as .npy, tables as files of --table, metadata as .json beside them.
Into a folder that ends in .zarr: arrays and metadata as Zarr 2. Into a file that ends in
.h5, .hdf5 or .nxs: HDF5, as the server makes it, or else made here. Into another file: what
the server makes of the whole container, if it has the format.

Examples:

  terrazzo export http://localhost:8000 scan -o scan
  terrazzo export http://localhost:8000 scan -o scan.zarr
  terrazzo export http://localhost:8000 scan -o scan.h5`
}

// exporter takes nodes one after another.
type exporter interface {
	container(path []string, n *client.Node) error
	array(ctx context.Context, path []string, a *client.Array) error
	table(ctx context.Context, path []string, t *client.Table) error
}

// Run writes a node and all below it.
func (c *exportCommand) Run(ctx context.Context, p *Program) error {
	if err := c.export(ctx, p); err != nil || !c.JSON {
		return err
	}
	return printJSON(p.Out, map[string]any{"output": c.Output, "nodes": c.nodes, "left_out": c.left})
}

func (c *exportCommand) export(ctx context.Context, p *Program) error {
	return c.open(ctx, p, func(_ *remote, n *client.Node) error {
		progress := newProgress(p, c.Quiet)
		defer progress.done()
		ext := filepath.Ext(c.Output)
		if isHDF5(ext) {
			return toFile(p, c.Output, func(w io.Writer) error { return c.toHDF5(ctx, p, n, w, progress) })
		}
		if ext != "" && ext != ".zarr" {
			return toFile(p, c.Output, func(w io.Writer) error {
				return n.Export(ctx, &shownWriter{w: w, g: progress}, strings.TrimPrefix(ext, "."), "")
			})
		}
		if entries, err := os.ReadDir(c.Output); err == nil && len(entries) > 0 {
			return fmt.Errorf("%s: there is something in it already; name a new folder: %w", c.Output, errdef.ErrConflict)
		}
		if err := os.MkdirAll(c.Output, 0o755); err != nil {
			return fmt.Errorf("output: %w", err)
		}
		root, err := os.OpenRoot(c.Output)
		if err != nil {
			return fmt.Errorf("output: %w", err)
		}
		defer root.Close() //nolint:errcheck // the files were closed
		var to exporter = &folderExport{root: root, tables: c.Table, g: progress}
		if ext == ".zarr" {
			to = &zarrExport{root: root, g: progress}
		}
		return c.node(ctx, p, to, nil, n, c.Depth)
	})
}

func (c *exportCommand) node(ctx context.Context, p *Program, to exporter, path []string, n *client.Node, depth int) error {
	c.nodes++
	switch n.Family {
	case structure.FamilyContainer:
		return c.containerOf(ctx, p, to, path, n, depth)
	case structure.FamilyArray:
		a, err := n.Array()
		if err != nil {
			return err
		}
		return to.array(ctx, path, a)
	case structure.FamilyTable:
		t, err := n.Table()
		if err != nil {
			return err
		}
		err = to.table(ctx, path, t)
		if errors.Is(err, errdef.ErrNotAcceptable) {
			c.nodes, c.left = c.nodes-1, c.left+1
			p.say("terrazzo: %s: left out: %v\n", n, err)
			return nil
		}
		return err
	default:
		c.nodes, c.left = c.nodes-1, c.left+1
		p.say("terrazzo: %s: left out: nodes of family %s cannot be exported\n", n, n.Family)
		return nil
	}
}

func (c *exportCommand) containerOf(ctx context.Context, p *Program, to exporter, path []string, n *client.Node, depth int) error {
	if err := to.container(path, n); err != nil {
		return err
	}
	if depth == 0 {
		return nil
	}
	container, err := n.Container()
	if err != nil {
		return err
	}
	for m, err := range container.Members().All(ctx) {
		if err != nil {
			return err
		}
		name, err := fileName(m.Key())
		if err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
		if err := c.node(ctx, p, to, append(append([]string{}, path...), name), m, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// fileName makes a name for a file of a key, which is the server's.
func fileName(key string) (string, error) {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == 0 || r == ':' {
			return '_'
		}
		return r
	}, key)
	if name == "" || strings.HasPrefix(name, ".") || len(name) > 200 {
		return "", fmt.Errorf("the key %.40q cannot be the name of a file: %w", key, errdef.ErrUnprocessable)
	}
	return name, nil
}

// folderExport writes a folder of files.
type folderExport struct {
	root   *os.Root
	tables string
	g      *progress
}

func joined(path []string, ext string) string { return filepath.Join(path...) + ext }

func (f *folderExport) container(path []string, n *client.Node) error {
	if len(path) > 0 {
		if err := f.root.MkdirAll(joined(path, ""), 0o755); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return f.metadata(append(append([]string{}, path...), "metadata"), n)
}

func (f *folderExport) metadata(path []string, n *client.Node) error {
	if len(n.Metadata) == 0 {
		return nil
	}
	text, err := indented(plainMetadata(n))
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	return f.root.WriteFile(joined(path, ".json"), text, 0o644)
}

func (f *folderExport) array(ctx context.Context, path []string, a *client.Array) error {
	if err := room(f.root.Name(), a.Size()); err != nil {
		return err
	}
	err := f.file(joined(path, ".npy"), func(w *shownWriter) error { return writeArray(ctx, w, a, "", true) })
	return errors.Join(err, f.metadata(path, a.Node))
}

func (f *folderExport) table(ctx context.Context, path []string, t *client.Table) error {
	err := f.file(joined(path, "."+f.tables), func(w *shownWriter) error { return t.Export(ctx, w, f.tables, "") })
	return errors.Join(err, f.metadata(path, t.Node))
}

func (f *folderExport) file(name string, write func(*shownWriter) error) error {
	file, err := f.root.Create(name)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	if err := errors.Join(write(&shownWriter{w: file, g: f.g}), file.Close()); err != nil {
		return errors.Join(err, f.root.Remove(name))
	}
	return nil
}
