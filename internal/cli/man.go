package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
)

type manCommand struct {
	Dir  string `arg:"" help:"Folder for the pages, such as ~/.local/share/man/man1." type:"path"`
	JSON bool   `name:"json" help:"List the files in a JSON document."`
}

// Help is printed by --help.
func (*manCommand) Help() string {
	return `The pages are made of what --help says, like docs/command-line.md: terrazzo.1, and one for
each command.

Examples:

  terrazzo man ~/.local/share/man/man1
  man terrazzo-download`
}

// Run writes the pages.
func (c *manCommand) Run(p *Program) error {
	parser, err := newParser(&grammar{})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("man: %w", err)
	}
	files := []string{}
	write := func(name, text string) error {
		path := filepath.Join(c.Dir, name+".1")
		files = append(files, path)
		return os.WriteFile(path, []byte(text), 0o644)
	}
	if err := write("terrazzo", manRoot(parser.Model)); err != nil {
		return fmt.Errorf("man: %w", err)
	}
	for _, n := range parser.Model.Leaves(true) {
		if err := write(strings.ReplaceAll(n.FullPath(), " ", "-"), manCommandPage(n)); err != nil {
			return fmt.Errorf("man: %w", err)
		}
	}
	if c.JSON {
		return printJSON(p.Out, map[string][]string{"files": files})
	}
	_, err = fmt.Fprintf(p.Out, "%d pages in %s\n", len(files), c.Dir)
	return err
}

// roff is a page of the manual in the making.
type roff struct{ strings.Builder }

func (r *roff) printf(format string, args ...any) { _, _ = fmt.Fprintf(&r.Builder, format, args...) } // builders do not fail

// escaped is text in which nothing is a command of roff's.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "×", "x").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func (r *roff) head(name, help string) {
	r.printf(".TH %s 1 \"\" \"terrazzo %s\" \"Terrazzo\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(escaped(name)), release, escaped(name), escaped(strings.TrimSuffix(help, ".")))
}

func (r *roff) section(title string) { r.printf(".SH %s\n", title) }

// text writes paragraphs; indented lines are examples.
func (r *roff) text(text string) {
	code := false
	for line := range strings.SplitSeq(text, "\n") {
		example := strings.HasPrefix(line, "  ")
		switch {
		case line == "":
			if !code {
				r.WriteString(".PP\n")
				continue
			}
		case example && !code:
			r.WriteString(".PP\n.nf\n.RS 4\n")
		case !example && code:
			r.WriteString(".RE\n.fi\n.PP\n")
		}
		if line != "" {
			code = example
		}
		r.WriteString(escaped(strings.TrimPrefix(line, "  ")) + "\n")
	}
	if code {
		r.WriteString(".RE\n.fi\n")
	}
}

func (r *roff) item(name, text string) {
	r.printf(".TP\n\\fB%s\\fR\n%s\n", escaped(name), escaped(text))
}

func manCommandPage(n *kong.Node) string {
	r := &roff{}
	r.head(strings.ReplaceAll(n.FullPath(), " ", "-"), n.Help)
	r.section("SYNOPSIS")
	r.printf(".B %s\n", escaped("terrazzo "+strings.Join(strings.Fields(n.Summary()), " ")))
	if n.Detail != "" {
		r.section("DESCRIPTION")
		r.text(n.Detail)
	}
	r.section("OPTIONS")
	for _, p := range n.Positional {
		r.item(p.Summary(), p.Help)
	}
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			name, help := described(f)
			r.item(name, help)
		}
	}
	r.section("SEE ALSO")
	r.WriteString(".BR terrazzo (1)\n")
	return r.String()
}

func manRoot(app *kong.Application) string {
	r := &roff{}
	r.head("terrazzo", app.Help)
	r.section("SYNOPSIS")
	r.WriteString(".B terrazzo\n.I command\n[\\fIarguments\\fR]\n")
	r.section("DESCRIPTION")
	r.text(manIntroduction)
	r.section("COMMANDS")
	for _, n := range app.Leaves(true) {
		r.item(n.FullPath(), n.Help)
	}
	r.section("EXIT STATUS")
	for _, s := range statuses() {
		r.item(fmt.Sprint(s.status), s.means)
	}
	r.section("SEE ALSO")
	for _, n := range app.Leaves(true) {
		r.printf(".BR %s (1)\n", escaped(strings.ReplaceAll(n.FullPath(), " ", "-")))
	}
	return r.String()
}
