package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// newParser makes the parser of the command line.
func newParser(g *grammar, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(g, append([]kong.Option{
		kong.Name("terrazzo"),
		kong.Description("Serves chunked arrays and tables in files over HTTP, to the clients and the web page of Tiled."),
		kong.ExplicitGroups([]kong.Group{{Key: "client", Title: "Work with any Tiled server:"}}),
	}, options...)...)
}

// WriteManual writes the manual of the command line, in Markdown, made of the grammar:
// docs/command-line.md.
func WriteManual(w io.Writer) error {
	parser, err := newParser(&grammar{})
	if err != nil {
		return err
	}
	m := &manual{}
	m.printf("%s", manualHead)
	for _, n := range parser.Model.Leaves(true) {
		m.command(n)
	}
	_, err = io.WriteString(w, m.b.String())
	return err
}

const manualHead = `# The command line

<!-- Made of the grammar by internal/cli: go test ./internal/cli -run Manual -update -->

What a command prints goes to the standard output, everything else (progress, on a terminal,
after a second; warnings) to the standard error. Commands with ` + "`--json`" + ` print one JSON
document per line.

| status | meaning |
|---|---|
| 0 | done |
| 1 | an error, told on the standard error |
| 2 | the command line was not understood |
| 3 | no such node, profile or download |
| 4 | not authenticated, or not allowed |
| 5 | the server cannot be reached, or cannot answer now |
| 6 | offline, and not held |
| 7 | bench: an answer differs from the direct one |

` + "`URL`" + ` is the address of a server, of its API, of a node (as links have it, or as the web page
shows it), or the name of a profile that ` + "`terrazzo login`" + ` made. Slices are numpy's without
brackets: ` + "`'::2, 5, -10:'`" + `.
`

type manual struct{ b strings.Builder }

func (m *manual) printf(format string, args ...any) { fmt.Fprintf(&m.b, format, args...) }

func (m *manual) command(n *kong.Node) {
	m.printf("\n## %s\n\n%s\n\n```\n%s\n```\n", n.FullPath(), n.Help, strings.Join(strings.Fields(n.Summary()), " "))
	if n.Detail != "" {
		m.detail(n.Detail)
	}
	for _, p := range n.Positional {
		m.printf("\n- `%s`: %s", p.Summary(), p.Help)
	}
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			if f.Name != "help" {
				m.flag(f)
			}
		}
	}
	m.printf("\n")
}

// detail is what a command says in its help, its examples as code.
func (m *manual) detail(text string) {
	code := false
	fence := func(inside bool) {
		if inside != code {
			m.printf("```\n")
			code = inside
		}
	}
	m.printf("\n")
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			fence(strings.HasPrefix(line, "  "))
		}
		m.printf("%s\n", strings.TrimPrefix(line, "  "))
	}
	fence(false)
}

func (m *manual) flag(f *kong.Flag) {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() {
		name += "=" + f.FormatPlaceHolder()
	}
	m.printf("\n- `%s`: %s", name, f.Help)
	if f.HasDefault && f.Default != "" && !f.IsBool() {
		m.printf(" Default: `%s`.", f.Default)
	}
	if len(f.Envs) > 0 {
		m.printf(" Environment: `%s`.", strings.Join(f.Envs, "`, `"))
	}
}
