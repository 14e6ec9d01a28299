package cli

import (
	"context"
	"fmt"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
)

type fillCommand struct {
	URLs           []string `arg:"" name:"url" help:"Nodes as the proxy shows them, such as http://127.0.0.1:8001/api/v1/metadata/runs/42."`
	APIKey         string   `name:"api-key" help:"Key of the server behind the proxy." env:"TILED_API_KEY"`
	AcceptEncoding string   `help:"What the client that will read offline sends. Default: that of Tiled's Python client with all its codings."`
	Parallel       int      `help:"Requests at a time." default:"4"`
	Quiet          bool     `short:"q" help:"Show no progress."`
}

// Help is printed by --help.
func (*fillCommand) Help() string {
	return `What was fetched is held by the proxy, as far as its store has room, and served when
it runs with --offline. A run that broke off is begun again with the same command: what
is held is not fetched twice.

Example:

  terrazzo proxy https://tiled.example.org --disk ~/held &
  terrazzo fill http://127.0.0.1:8001/api/v1/metadata/runs/42`
}

// Run fetches nodes through a running proxy.
func (c *fillCommand) Run(ctx context.Context, p *Program) error {
	o := proxy.DownloadOptions{URLs: c.URLs, AcceptEncoding: c.AcceptEncoding, Parallel: c.Parallel}
	if c.APIKey != "" {
		o.Authorization = "Apikey " + c.APIKey
	}
	shown := newProgress(p, c.Quiet)
	o.Progress = func(now proxy.Progress) {
		shown.show("%d nodes, %d requests, %d held, %s  %s", now.Nodes, now.Requests, now.Held, sizeOf(now.Bytes), now.URL)
	}
	done, err := proxy.Download(ctx, o)
	shown.done()
	p.say("%d nodes, %d requests, %d were held already, %d failed, %s\n", done.Nodes, done.Requests, done.Held, done.Failed, sizeOf(done.Bytes))
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return nil
}
