package cli

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

type getCommand struct {
	nodeFlags
	Slice  string   `short:"s" help:"Slice of an array as numpy writes it, such as '::10, 100:200'."`
	Column []string `short:"c" help:"Columns of a table, or members of a container; all if none is named." placeholder:"NAME"`
	Format string   `short:"f" help:"npy, raw, csv, json, png, parquet, arrow … Default: by the name of the output, else csv or json." placeholder:"FORMAT"`
	Output string   `short:"o" help:"File to write; - or nothing for the standard output." placeholder:"FILE" type:"path"`
	Quiet  bool     `short:"q" help:"Show no progress."`
	JSON   bool     `name:"json" help:"Say in JSON what was written; needs --output. The data as JSON are --format json."`
}

// Help is printed by --help.
func (*getCommand) Help() string {
	return `npy and raw are made here and work with any server; other formats are the server's own.

Examples:

  terrazzo get http://localhost:8000 scan/detector --slice '12' -o frame.npy
  terrazzo get http://localhost:8000 scan/detector --slice '12, ::2, ::2' -o frame.png
  terrazzo get http://localhost:8000 scan/spectra -c energy -c counts --format csv | head
  terrazzo get beamline runs/42/image --offline --format raw > image.bin`
}

// Run writes a node's data.
func (c *getCommand) Run(ctx context.Context, p *Program) error {
	toStdout := c.Output == "" || c.Output == "-"
	if c.JSON && toStdout {
		return fmt.Errorf("--json says what was written to a file, so it needs -o; the data as JSON are --format json: %w", errdef.ErrInvalid)
	}
	return c.open(ctx, p, func(_ *remote, n *client.Node) error {
		format := c.format(n)
		if err := c.sensible(p, n, format, toStdout); err != nil {
			return err
		}
		progress := newProgress(p, c.Quiet)
		defer progress.done()
		written := int64(0)
		err := toFile(p, c.Output, func(w io.Writer) error {
			shown := &shownWriter{w: w, g: progress}
			defer func() { written = shown.n }()
			if format != "npy" && format != "raw" {
				return n.Export(ctx, shown, format, c.Slice, c.Column...)
			}
			a, err := n.Array()
			if err != nil {
				return fmt.Errorf("--format %s is for arrays: %w", format, err)
			}
			return writeArray(ctx, shown, a, c.Slice, format == "npy")
		})
		if err != nil || !c.JSON {
			return err
		}
		return printJSON(p.Out, map[string]any{"path": n.String(), "file": c.Output, "format": format, "bytes": written})
	})
}

// terminalMost is how many numbers of an array a terminal is shown.
const terminalMost = 100_000

// sensible refuses what nobody wants: bytes on a terminal, more numbers there than
// anybody reads, more bytes than the disk has.
func (c *getCommand) sensible(p *Program, n *client.Node, format string, toStdout bool) error {
	onTerminal := toStdout && p.terminal(p.Out)
	if onTerminal && binaryFormat(format) {
		return fmt.Errorf("%s is not for terminals: name a file with -o, or a pipe: %w", format, errdef.ErrInvalid)
	}
	a, err := n.Array()
	if err != nil {
		return nil //nolint:nilerr // not an array
	}
	sel, err := a.Select(c.Slice)
	switch {
	case err != nil:
		return err
	case onTerminal && sel.Len() > terminalMost:
		return fmt.Errorf("%s: %d numbers are too many for a terminal: take a --slice, name a file with -o, or a pipe: %w", n, sel.Len(), errdef.ErrInvalid)
	case !toStdout && (format == "npy" || format == "raw"):
		return room(filepath.Dir(c.Output), sel.Len()*a.DataType().ItemSize)
	}
	return nil
}

// format is what was asked for, or what fits.
func (c *getCommand) format(n *client.Node) string {
	if c.Format != "" {
		return strings.TrimPrefix(c.Format, ".")
	}
	if ext := strings.TrimPrefix(path.Ext(c.Output), "."); ext != "" {
		return ext
	}
	if n.Family == structure.FamilyTable || n.ArrayStructure != nil && len(n.ArrayStructure.Shape) <= 2 {
		return "csv"
	}
	return "json"
}

func binaryFormat(format string) bool {
	switch format {
	case "csv", "json", "txt", "text", "html", "tsv":
		return false
	}
	return !strings.Contains(format, "/") || strings.Contains(format, "octet-stream")
}

// windowBytes is how much of an array is held at a time.
const windowBytes = 64 << 20

// writeArray writes a slice of any size, a window at a time, as numpy's file or bare.
func writeArray(ctx context.Context, w *shownWriter, a *client.Array, slice string, npy bool) error {
	sel, err := a.Select(slice)
	if err != nil {
		return err
	}
	item := a.DataType().ItemSize
	w.total = sel.Len() * item
	if npy {
		header, err := npyHeader(a.DataType(), sel.Shape())
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
	}
	for window := range sel.Windows(item, windowBytes, chunkGrid(a)) {
		b, err := a.ReadBytes(ctx, window.String())
		if err != nil {
			return err
		}
		if _, err := w.Write(b.Data); err != nil {
			return err
		}
	}
	return nil
}

// chunkGrid is the grid by which windows are cut.
func chunkGrid(a *client.Array) ndslice.Grid {
	grid := ndslice.Grid{Shape: a.Shape(), Block: make([]int64, len(a.Shape()))}
	for i, axis := range a.ArrayStructure.Chunks {
		grid.Block[i] = 1
		if len(axis) > 0 {
			grid.Block[i] = max(1, axis[0])
		}
	}
	return grid
}

// npyHeader is the head of a file of numpy's format, version 1 or 2.
func npyHeader(t structure.DType, shape []int64) ([]byte, error) {
	descr := "'" + t.String() + "'"
	if t.Fields != nil {
		descr = t.String()
	}
	text := "{'descr': " + descr + ", 'fortran_order': False, 'shape': ("
	for _, n := range shape {
		text += strconv.FormatInt(n, 10) + ","
	}
	text += "), }"
	head := []byte("\x93NUMPY\x01\x00")
	size := 2
	if len(text)+64 > 0xffff {
		head[6], size = 2, 4
	}
	// numpy wants the data to begin at a multiple of 64.
	pad := 63 - (len(head)+size+len(text))%64
	length := len(text) + pad + 1
	if length > 1<<30 {
		return nil, errors.New("the data type is too long for numpy's format")
	}
	if size == 2 {
		head = binary.LittleEndian.AppendUint16(head, uint16(length)) //nolint:gosec // checked above
	} else {
		head = binary.LittleEndian.AppendUint32(head, uint32(length)) //nolint:gosec // checked above
	}
	return append(append(head, text...), strings.Repeat(" ", pad)+"\n"...), nil
}
