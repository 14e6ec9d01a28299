package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/server"
)

type indexCommand struct {
	Path      string            `arg:"" help:"The folder, as it will be served." type:"existingdir"`
	KeepExt   bool              `help:"As for serve directory."`
	Ext       map[string]string `help:"As for serve directory." mapsep:"none"`
	AllowRoot []string          `help:"As for serve directory." placeholder:"DIR"`
	State     string            `help:"Folder for what was learnt about files. Default: the user's own." placeholder:"DIR"`
	JSON      bool              `name:"json" help:"One JSON document."`
}

// Run looks into all files of a folder.
func (c *indexCommand) Run(ctx context.Context, p *Program) (err error) {
	log, err := logger(p.Err, "warn", "text")
	if err != nil {
		return err
	}
	s := config.Default()
	s.Own.State = c.State
	s.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: c.Path, KeepExt: c.KeepExt, Ext: c.Ext, ReadableStorage: c.AllowRoot}}}
	built, err := server.New(s, server.Program{Version: version(), Formats: p.Formats}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, built.Close()) }()
	last, shown := server.Progress{}, time.Time{}
	err = server.Index(ctx, built, func(now server.Progress) {
		if last = now; time.Since(shown) > time.Second {
			shown = time.Now()
			p.say("%d folders, %d items, %d unreadable\n", now.Folders, now.Items, now.Errors)
		}
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.Out, map[string]any{"path": c.Path, "folders": last.Folders, "items": last.Items, "unreadable": last.Errors})
	}
	_, err = fmt.Fprintf(p.Out, "%s: %d folders, %d items, %d unreadable\n", c.Path, last.Folders, last.Items, last.Errors)
	return err
}
