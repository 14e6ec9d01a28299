package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

type lsCommand struct {
	nodeFlags
	Sort  []string `help:"Metadata keys with dots, or id; a minus before a key for descending." placeholder:"KEY"`
	Limit int64    `help:"At most so many; 0 for all." default:"0"`
	JSON  bool     `name:"json" help:"One JSON document per line."`
}

// Help is printed by --help.
func (*lsCommand) Help() string {
	return `Examples:

  terrazzo ls http://localhost:8000
  terrazzo ls http://localhost:8000 scan
  terrazzo ls beamline runs --sort=-start.time --limit 10 --json`
}

// Run lists the members of a container, or the node itself if it is none.
func (c *lsCommand) Run(ctx context.Context, p *Program) error {
	return c.open(ctx, p, func(_ *remote, n *client.Node) error {
		out := newList(p, c.JSON)
		if n.Family != structure.FamilyContainer {
			return errors.Join(out.add(n.Key(), n), out.end())
		}
		container, err := n.Container()
		if err != nil {
			return err
		}
		return listAll(ctx, out, container.Members().Sort(c.Sort...), c.Limit)
	})
}

func listAll(ctx context.Context, out *list, l *client.Listing, limit int64) error {
	shown := int64(0)
	for member, err := range l.All(ctx) {
		if err == nil {
			err = out.add(member.Key(), member)
		}
		if err != nil {
			return errors.Join(err, out.end())
		}
		if shown++; limit > 0 && shown >= limit {
			break
		}
	}
	return out.end()
}

type treeCommand struct {
	nodeFlags
	Depth int  `help:"How deep; 0 for all." default:"3"`
	Limit int  `help:"At most so many members of each container." default:"50"`
	JSON  bool `name:"json" help:"One JSON document per line."`
}

// Help is printed by --help.
func (*treeCommand) Help() string {
	return `Examples:

  terrazzo tree http://localhost:8000
  terrazzo tree http://localhost:8000 scan --depth 1`
}

// Run draws the tree.
func (c *treeCommand) Run(ctx context.Context, p *Program) error {
	return c.open(ctx, p, func(_ *remote, n *client.Node) error {
		if c.JSON {
			if err := printJSON(p.Out, rowOf(n)); err != nil {
				return err
			}
		} else if _, err := fmt.Fprintln(p.Out, n); err != nil {
			return err
		}
		return c.below(ctx, p, n, "", 1)
	})
}

// below draws what lies below n, each line beginning with margin.
func (c *treeCommand) below(ctx context.Context, p *Program, n *client.Node, margin string, depth int) error {
	if n.Family != structure.FamilyContainer || c.Depth > 0 && depth > c.Depth {
		return nil
	}
	container, err := n.Container()
	if err != nil {
		return err
	}
	var members []*client.Node
	for m, err := range container.Members().All(ctx) {
		if err != nil {
			return err
		}
		if members = append(members, m); len(members) > c.Limit {
			break
		}
	}
	for i, m := range members {
		branch, next := "├── ", "│   "
		if i == len(members)-1 {
			branch, next = "└── ", "    "
		}
		if i == c.Limit {
			if !c.JSON {
				_, err = fmt.Fprintf(p.Out, "%s└── … (%d members; --limit shows more)\n", margin, n.Count)
			}
			return err
		}
		if err := c.line(p, margin+branch, m); err != nil {
			return err
		}
		if err := c.below(ctx, p, m, margin+next, depth+1); err != nil && !errors.Is(err, errdef.ErrForbidden) {
			return err
		}
	}
	return nil
}

func (c *treeCommand) line(p *Program, branch string, n *client.Node) error {
	r := rowOf(n)
	if c.JSON {
		return printJSON(p.Out, r)
	}
	_, err := fmt.Fprintln(p.Out, strings.TrimRight(branch+n.Key()+"  "+r.form(), " "))
	return err
}
