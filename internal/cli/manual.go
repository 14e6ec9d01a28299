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
	m.printf("%s%s\n\n| status | meaning |\n|---|---|\n", manualHead, manIntroduction)
	for _, s := range statuses() {
		m.printf("| %d | %s |\n", s.status, s.means)
	}
	for _, n := range parser.Model.Leaves(true) {
		m.command(n)
	}
	_, err = io.WriteString(w, m.b.String())
	return err
}

// status is an exit status, and what it means.
type status struct {
	status int
	means  string
}

func statuses() []status {
	return []status{
		{exitOK, "done"},
		{exitError, "an error, told on the standard error"},
		{exitUsage, "the command line was not understood"},
		{exitNotFound, "no such node, profile or download"},
		{exitForbidden, "not authenticated, or not allowed"},
		{exitUnavailable, "the server cannot be reached, or cannot answer now"},
		{exitOffline, "offline, and not held"},
		{exitDiffers, "bench: an answer differs from the direct one"},
		{exitInterrupted, "interrupted"},
	}
}

const manIntroduction = `What a command prints goes to the standard output, everything else (progress, on a terminal,
after a second; warnings) to the standard error. Commands with --json print one JSON
document per line.

URL is the address of a server, of its API, of a node (as links have it, or as the web page
shows it), or the name of a profile: one that 'terrazzo login' made, or one of Tiled's own.
Slices are numpy's without brackets, '::2, 5, -10:'.`

const manualHead = `# The command line

<!-- Made of the grammar by internal/cli: go test ./internal/cli -run Manual -update -->

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
	name, help := described(f)
	m.printf("\n- `%s`: %s", name, help)
}

// described is a flag as it is written, and what it does.
func described(f *kong.Flag) (name, help string) {
	name = "--" + f.Name
	if f.Tag.Negatable != "" {
		name = "--[no-]" + f.Name
	}
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() {
		name += "=" + f.FormatPlaceHolder()
	}
	help = f.Help
	if f.HasDefault && f.Default != "" && !f.IsBool() {
		help += " Default: " + f.Default + "."
	}
	if len(f.Envs) > 0 {
		help += " Environment: " + strings.Join(f.Envs, ", ") + "."
	}
	return name, help
}
