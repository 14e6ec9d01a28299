package cli

import (
	"fmt"
	"os"

	"github.com/terrazzo-data/terrazzo/internal/config"
)

type configCommand struct {
	Check  configCheck  `cmd:"" help:"Say whether a configuration file is right, and what in it has no effect."`
	Schema configSchema `cmd:"" help:"Print the JSON Schema of configuration files."`
}

type configCheck struct {
	File string `arg:"" help:"The configuration file, in YAML." type:"existingfile"`
	JSON bool   `name:"json" help:"One JSON document."`
}

// Run checks a file.
func (c *configCheck) Run(p *Program) error {
	_, warnings, err := config.Load(c.File, os.LookupEnv)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.Out, map[string]any{"file": c.File, "ok": true, "warnings": append([]string{}, warnings...)})
	}
	for _, w := range warnings {
		if _, err := fmt.Fprintf(p.Out, "%s: %s\n", c.File, w); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(p.Out, "%s: OK\n", c.File)
	return err
}

type configSchema struct{}

// Run prints the schema.
func (configSchema) Run(p *Program) error {
	_, err := p.Out.Write(config.Schema())
	return err
}
