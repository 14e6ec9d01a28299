package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/structure"
)

// terminal tells whether somebody looks at w.
func (p *Program) terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// printJSON writes one document on a line.
func printJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		return fmt.Errorf("--json: %w", err)
	}
	return nil
}

// indented is a document in several lines.
func indented(document any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(document)
	return b.Bytes(), err
}

// row is what lists say of a node.
type row struct {
	Key       string         `json:"key"`
	Path      string         `json:"path"`
	Family    string         `json:"family"`
	Shape     []int64        `json:"shape,omitempty"`
	DataType  string         `json:"data_type,omitempty"`
	Columns   []string       `json:"columns,omitempty"`
	Members   *int64         `json:"members,omitempty"`
	Specs     []string       `json:"specs,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"`
	Bytes     int64          `json:"bytes,omitempty"`
	Chunks    [][]int64      `json:"chunks,omitempty"`
	Dims      []string       `json:"dims,omitempty"`
	Partition int            `json:"partitions,omitempty"`
}

func rowOf(n *client.Node) row {
	r := row{Key: n.Key(), Path: n.String(), Family: string(n.Family)}
	for _, s := range n.Specs {
		r.Specs = append(r.Specs, s.Name)
	}
	if a := n.ArrayStructure; a != nil {
		r.Shape, r.DataType, r.Dims = a.Shape, a.DataType.String(), a.Dims
		r.Bytes = a.DataType.ItemSize
		for _, extent := range a.Shape {
			r.Bytes *= extent
		}
	}
	if t := n.TableStructure; t != nil {
		r.Columns, r.Partition = t.Columns(), t.NPartitions
	}
	if n.Count >= 0 {
		r.Members = &n.Count
	}
	return r
}

// form is the structure in a few words.
func (r *row) form() string {
	switch {
	case r.Family == string(structure.FamilyArray) || r.Family == string(structure.FamilySparse):
		return fmt.Sprintf("%s  %s  %s", shapeOf(r.Shape), r.DataType, sizeOf(r.Bytes))
	case r.Columns != nil:
		names := strings.Join(r.Columns, ", ")
		if len(names) > 60 {
			names = names[:57] + "…"
		}
		return fmt.Sprintf("%d columns: %s", len(r.Columns), names)
	case r.Members != nil && *r.Members == 1:
		return "1 member"
	case r.Members != nil:
		return fmt.Sprintf("%d members", *r.Members)
	}
	return ""
}

func shapeOf(shape []int64) string {
	if len(shape) == 0 {
		return "scalar"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", " × "), "[]")
}

// sizeOf is a number of bytes for people.
func sizeOf(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// list prints nodes: a table for people, a document on each line for programs.
type list struct {
	p    *Program
	json bool
	w    *tabwriter.Writer
}

func newList(p *Program, asJSON bool) *list {
	return &list{p: p, json: asJSON, w: tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)}
}

func (l *list) add(name string, n *client.Node) error {
	r := rowOf(n)
	if l.json {
		r.Metadata = plainMetadata(n)
		return printJSON(l.p.Out, r)
	}
	_, err := fmt.Fprintf(l.w, "%s\t%s\t%s\n", name, r.Family, r.form())
	return err
}

func (l *list) end() error { return l.w.Flush() }

// plainMetadata is the metadata in JSON's terms.
func plainMetadata(n *client.Node) map[string]any {
	out := map[string]any{}
	if err := client.Decode(n.Metadata, &out); err != nil {
		return nil
	}
	return out
}

// toFile writes to the standard output if path is "" or "-", else a whole file: beside
// its place, and renamed into it when all went well.
func toFile(p *Program, path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(p.Out)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".terrazzo-*")
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
