package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/terrazzo-data/terrazzo/internal/server"
)

type formatsCommand struct {
	JSON bool `name:"json" help:"One JSON document per line."`
}

// Run lists formats, those that are missing something included.
func (c formatsCommand) Run(p *Program) (err error) {
	formats, _, stop := server.Formats(server.Program{Formats: p.Formats}, nil, 0, slog.New(slog.NewTextHandler(p.Err, nil)))
	defer func() { err = errors.Join(err, stop()) }()
	if c.JSON {
		for _, f := range formats {
			k := f.Kind()
			doc := map[string]any{"format": k.Name, "extensions": k.Extensions, "media_type": k.MediaType, "read_by": k.Reads, "missing": k.Missing}
			if err := printJSON(p.Out, doc); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "FORMAT\tEXTENSIONS\tMEDIA TYPE\tREAD BY"); err != nil {
		return err
	}
	for _, f := range formats {
		k := f.Kind()
		by := k.Reads
		if k.Missing != "" {
			by = "not here: " + k.Missing
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, strings.Join(k.Extensions, " "), k.MediaType, by); err != nil {
			return err
		}
	}
	return w.Flush()
}
