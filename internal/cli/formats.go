package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/terrazzo-data/terrazzo/internal/formats/all"
)

type formatsCommand struct{}

// Run lists formats, those that are missing something included.
func (formatsCommand) Run(p *Program) error {
	w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "FORMAT\tEXTENSIONS\tMEDIA TYPE\tREAD BY"); err != nil {
		return err
	}
	for _, f := range append(p.Formats, all.List()...) {
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
