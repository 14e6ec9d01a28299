package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/profile"
)

type loginCommand struct {
	URL string `arg:"" help:"Address of the server."`
	serverFlags
	Name     string `help:"Name of the profile. Default: the server's host." placeholder:"NAME"`
	User     string `help:"Who logs in, on servers with accounts; the password is read from the standard input."`
	Provider string `help:"Which of several ways to log in."`
}

// Help is printed by --help.
func (*loginCommand) Help() string {
	return `A profile is a name for a server and who you are there. It is kept in profiles.yaml in
your configuration folder, the secret in a file of its own that nobody else may read.

Examples:

  TILED_API_KEY=... terrazzo login https://tiled.example.org --name beamline
  terrazzo login https://tiled.example.org --name beamline --user alice
  terrazzo ls beamline`
}

// Run makes a profile.
func (c *loginCommand) Run(ctx context.Context, p *Program) (err error) {
	if c.Name == "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Hostname() == "" {
			return fmt.Errorf("URL %q: expected http://host or https://host: %w", c.URL, errdef.ErrInvalid)
		}
		c.Name = u.Hostname()
	}
	c.NoCache, c.Offline = true, false
	r, err := c.connect(ctx, p, c.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	who, err := c.resolve(c.URL)
	if err != nil {
		return err
	}
	uri := strings.TrimSuffix(r.URL(), "/api/v1")
	made, secret := profile.Profile{URI: uri}, profile.Secret{APIKey: who.key}
	if c.User != "" {
		tokens, err := r.Login(ctx, c.Provider, c.User, password(p))
		if err != nil {
			return err
		}
		made.Principal, secret = tokens.Principal, profile.Secret{Tokens: &tokens}
	} else if _, err := r.Open(ctx, ""); err != nil { // is the key right?
		return err
	}
	profiles, err := openProfiles()
	if err != nil {
		return err
	}
	if err := profiles.Put(c.Name, made, secret); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "%s is %s\n", c.Name, uri)
	return err
}

// password reads a line of the standard input. On a terminal it asks, and the terminal
// does not show it.
func password(p *Program) string {
	if p.terminal(os.Stdin) {
		p.say("Password: ")
		hide := exec.Command("stty", "-echo") //nolint:noctx // at once
		hide.Stdin = os.Stdin
		if hide.Run() == nil {
			defer func() {
				show := exec.Command("stty", "echo") //nolint:noctx // at once
				show.Stdin = os.Stdin
				_ = show.Run() // the shell sets it right too
				p.say("\n")
			}()
		}
	}
	line, _ := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n') // an empty one is refused by the server
	return strings.TrimRight(line, "\r\n")
}

type openCommand struct {
	nodeFlags
	Print bool `help:"Print the address instead of opening it."`
}

// Run opens a node in the web page of its server.
func (c *openCommand) Run(ctx context.Context, p *Program) error {
	return c.open(ctx, p, func(r *remote, n *client.Node) error {
		address := strings.TrimSuffix(r.URL(), "/api/v1") + "/ui/browse/"
		for _, key := range n.Path {
			address += url.PathEscape(key) + "/"
		}
		opener := map[string]string{"darwin": "open", "linux": "xdg-open"}[runtime.GOOS]
		if program, err := exec.LookPath(opener); err == nil && !c.Print && opener != "" {
			if err := exec.CommandContext(ctx, program, address).Run(); err == nil {
				return nil
			}
		}
		_, err := fmt.Fprintln(p.Out, address)
		return err
	})
}
