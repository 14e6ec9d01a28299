package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/terrazzo-data/terrazzo/client"
)

type infoCommand struct {
	nodeFlags
	JSON    bool   `name:"json" help:"One JSON document."`
	Preview *bool  `help:"Draw an array: a picture, or a line of its values. Without it only on a terminal." negatable:""`
	Picture string `help:"How pictures are drawn: auto, kitty, iterm, sixel, blocks or shades (characters without colours)." default:"auto" enum:"auto,kitty,iterm,sixel,blocks,shades" placeholder:"WAY"`
}

// Help is printed by --help.
func (*infoCommand) Help() string {
	return `On a terminal an array is drawn too: by the protocol of kitty, iTerm or DEC's sixels where
the terminal has it, else by characters in colours.

Examples:

  terrazzo info http://localhost:8000 scan/detector
  terrazzo info http://localhost:8000 image --preview --picture blocks
  terrazzo info http://localhost:8000 scan/spectra --json | jq .columns`
}

// Run says what is known of a node.
func (c *infoCommand) Run(ctx context.Context, p *Program) error {
	return c.open(ctx, p, func(r *remote, n *client.Node) error {
		out := rowOf(n)
		out.Metadata = plainMetadata(n)
		if n.ArrayStructure != nil {
			out.Chunks = n.ArrayStructure.Chunks
		}
		if c.JSON {
			return printJSON(p.Out, out)
		}
		if err := c.print(p, r, n, &out); err != nil {
			return err
		}
		a, err := n.Array()
		if err != nil || !c.wanted(p) {
			return nil //nolint:nilerr // only arrays are drawn
		}
		text, err := c.preview(ctx, p, a)
		if err == nil && text != "" {
			_, err = fmt.Fprintf(p.Out, "\n%s", text)
		}
		return err
	})
}

// wanted tells whether the array is to be drawn.
func (c *infoCommand) wanted(p *Program) bool {
	if c.Preview != nil {
		return *c.Preview
	}
	return p.terminal(p.Out) && os.Getenv("TERM") != "dumb"
}

// preview draws an array; what cannot be drawn is "". That the server does not give the
// data is said, and no reason for the rest to fail.
func (c *infoCommand) preview(ctx context.Context, p *Program, a *client.Array) (string, error) {
	way, most := c.Picture, mostPoints
	if way == "auto" {
		if way = byShades; p.terminal(p.Out) {
			way = pictureWay(os.Getenv)
		}
	}
	if way == byBlocks || way == byShades {
		most = min(mostCharacters, width(p.Out)-1)
	}
	m, err := thumbnail(ctx, a, most)
	if err == nil && m != nil {
		return drawn(m, way)
	}
	line := ""
	if err == nil {
		line, err = sparkline(ctx, a)
	}
	if err != nil && ctx.Err() == nil {
		p.say("terrazzo: no preview: %v\n", err)
		return "", nil
	}
	if line != "" {
		line += "\n"
	}
	return line, err
}

func (c *infoCommand) print(p *Program, r *remote, n *client.Node, out *row) error {
	w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...) } // Flush says what failed
	line("path", "%s", n)
	line("server", "%s", r.URL())
	line("family", "%s", n.Family)
	if len(out.Specs) > 0 {
		line("specs", "%s", strings.Join(out.Specs, ", "))
	}
	if a := n.ArrayStructure; a != nil {
		line("shape", "%s", shapeOf(a.Shape))
		if a.Dims != nil {
			line("dims", "%s", strings.Join(a.Dims, ", "))
		}
		line("data type", "%s", a.DataType)
		line("size", "%s", sizeOf(out.Bytes))
		line("chunks", "%s", chunksOf(a.Chunks))
	}
	if t := n.TableStructure; t != nil {
		line("partitions", "%d", t.NPartitions)
		for _, f := range t.Schema.Fields() {
			line("column", "%s  %s", f.Name, f.Type)
		}
	}
	if n.Count >= 0 {
		line("members", "%d", n.Count)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(out.Metadata) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(out.Metadata, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "metadata\n  %s\n", text)
	return err
}

// chunksOf says how many chunks there are along each axis and how large they are.
func chunksOf(chunks [][]int64) string {
	if len(chunks) == 0 {
		return "one"
	}
	parts := make([]string, len(chunks))
	for i, axis := range chunks {
		parts[i] = strconv.Itoa(len(axis))
		if len(axis) > 0 {
			parts[i] += " of " + strconv.FormatInt(axis[0], 10)
		}
	}
	return strings.Join(parts, " × ")
}

// sparkWidth is how many values a line of them shows.
const sparkWidth = 60

// sparkline draws a line of the array's values through its middle, along the last axis.
// An array without such a line has none.
func sparkline(ctx context.Context, a *client.Array) (string, error) {
	shape := a.Shape()
	if len(shape) == 0 {
		return "", nil
	}
	parts := make([]string, len(shape))
	for i, n := range shape {
		if n == 0 {
			return "", nil
		}
		parts[i] = strconv.FormatInt(n/2, 10)
	}
	last := shape[len(shape)-1]
	parts[len(parts)-1] = "::" + strconv.FormatInt(max(1, (last+sparkWidth-1)/sparkWidth), 10)
	values, _, err := numbers(ctx, a, strings.Join(parts, ","))
	if err != nil || values == nil {
		return "", err
	}
	return spark(values), nil
}

// spark draws values as blocks of eight heights; what is no number is a space.
func spark(values []float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			b.WriteByte(' ')
		case high == low:
			b.WriteRune('▄')
		default:
			b.WriteRune([]rune("▁▂▃▄▅▆▇█")[int((v-low)/(high-low)*7.999)])
		}
	}
	fmt.Fprintf(&b, "  %.4g … %.4g", low, high)
	return b.String()
}
