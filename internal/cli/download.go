package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/offline"
)

type downloadCommand struct {
	nodeFlags
	whereFlags
	Slice        string `short:"s" help:"Of arrays, only the blocks that this slice touches."`
	Depth        int    `help:"How far below the node; -1 is all the way, 0 the node alone." default:"-1"`
	Assets       bool   `help:"The files behind the nodes too, as they are."`
	MetadataOnly bool   `help:"No data: only what listings and searches need."`
	MaxSize      string `help:"Most that arrays may take; beyond it the command ends before it fetches them. 0 is no bound." default:"20GiB" placeholder:"SIZE"`
	Parallel     int    `help:"Requests at a time." default:"8"`
	Quiet        bool   `short:"q" help:"Show no progress."`
	JSON         bool   `name:"json" help:"Say in JSON what was done."`
}

// Help is printed by --help.
func (*downloadCommand) Help() string {
	return `What is downloaded stays until 'terrazzo cache remove' takes it away. A download that
broke off goes on where it broke when it is begun again, and fetches only what changed.

Examples:

  terrazzo download https://tiled.example.org runs/42
  terrazzo download beamline runs --where 'start.proposal==1234' --metadata-only
  terrazzo download beamline runs/42/image --slice ':10'

then, without a network:

  terrazzo ls beamline runs --offline
  terrazzo offline serve beamline`
}

// Run downloads.
func (c *downloadCommand) Run(ctx context.Context, p *Program) error {
	queries, err := c.queries()
	if err != nil {
		return err
	}
	most, err := sizeFlag("max-size", c.MaxSize)
	if err != nil {
		return err
	}
	c.NoCache = true // it keeps what it fetches itself
	return c.open(ctx, p, func(r *remote, n *client.Node) error {
		server, err := r.library.Create(r.URL(), r.principal)
		if err != nil {
			return err
		}
		progress := newProgress(p, c.Quiet)
		done, err := server.Download(ctx, r.Client, n.Path, offline.Wanted{
			Slice: c.Slice, Depth: c.Depth, Where: queries, Assets: c.Assets, MetadataOnly: c.MetadataOnly, Parallel: c.Parallel, MaxBytes: most,
			Report: reporter(p, progress),
		})
		progress.done()
		if errors.Is(err, errdef.ErrTooLarge) {
			err = fmt.Errorf("%w (--max-size)", err)
		}
		if err != nil {
			return errors.Join(err, summary(p, c.JSON, done))
		}
		return summary(p, c.JSON, done)
	})
}

// reporter shows how far a download has come, and says what was left out.
func reporter(p *Program, g *progress) func(offline.Progress) {
	var mu sync.Mutex
	return func(now offline.Progress) {
		if now.Skipped != "" {
			mu.Lock()
			defer mu.Unlock()
			p.say("terrazzo: %s: %s\n", now.Path, now.Skipped)
			return
		}
		g.draw(now.Parts, now.Known, "%d nodes, %s  %s", now.Nodes, sizeOf(now.Bytes), now.Path)
	}
}

func summary(p *Program, asJSON bool, done offline.Progress) error {
	if asJSON {
		return printJSON(p.Out, map[string]int64{"nodes": done.Nodes, "parts": done.Parts, "unchanged": done.Same, "bytes": done.Bytes})
	}
	_, err := fmt.Fprintf(p.Out, "%d nodes, %d parts (%d were held already), %s fetched\n", done.Nodes, done.Parts, done.Same, sizeOf(done.Bytes))
	return err
}
