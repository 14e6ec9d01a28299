package cli

import "errors"

type indexCommand struct {
	Path string `arg:"" help:"The folder."`
}

// Run fills the index.
func (c *indexCommand) Run(p *Program) error { return errors.New("soon") }
