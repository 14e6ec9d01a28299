package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
)

type openCommand struct {
	nodeFlags
	Print bool `help:"Print the address instead of opening it."`
	JSON  bool `name:"json" help:"Print the address in a JSON document."`
}

// Help is printed by --help.
func (*openCommand) Help() string {
	return `The browser is what BROWSER names, or the system's own. Where there is none the address is
printed.

Examples:

  terrazzo open http://localhost:8000 scan/detector
  terrazzo open beamline runs/42 --print`
}

// Run opens a node in the web page of its server.
func (c *openCommand) Run(ctx context.Context, p *Program) error {
	return c.open(ctx, p, func(r *remote, n *client.Node) error {
		address := strings.TrimSuffix(r.URL(), "/api/v1") + "/ui/browse/"
		for _, key := range n.Path {
			address += url.PathEscape(key) + "/"
		}
		if c.JSON {
			return printJSON(p.Out, map[string]string{"url": address})
		}
		if !c.Print && browse(ctx, address) == nil {
			return nil
		}
		_, err := fmt.Fprintln(p.Out, address)
		return err
	})
}

// browse opens an address in the user's browser.
func browse(ctx context.Context, address string) error {
	opener := os.Getenv("BROWSER")
	if opener == "" {
		opener = map[string]string{"darwin": "open", "linux": "xdg-open"}[runtime.GOOS]
	}
	program, err := exec.LookPath(opener)
	if err != nil {
		return err
	}
	return exec.CommandContext(ctx, program, address).Run()
}
