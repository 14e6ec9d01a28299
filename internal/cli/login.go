package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/profile"
)

type loginCommand struct {
	URL string `arg:"" help:"Address of the server, or the name of a profile to log in again."`
	serverFlags
	Name     string `help:"Name of the profile. Default: the server's host, or the profile that was named." placeholder:"NAME"`
	User     string `help:"Who logs in with a password, which is read from the standard input."`
	Device   bool   `help:"Log in with a browser, on this machine or another. Default where the server offers nothing else."`
	Provider string `help:"Which of several ways to log in." placeholder:"NAME"`
	JSON     bool   `name:"json" help:"Say in JSON what was done."`
}

// Help is printed by --help.
func (*loginCommand) Help() string {
	return `A profile is a name for a server and who you are there. It is kept in profiles.yaml in
your configuration folder, the secret in a file of its own that nobody else may read.
With a key in TILED_API_KEY or --api-key-file it holds the key. Otherwise you log in: with
--user and a password, or by a code that you enter in a browser; tokens are renewed by
themselves until the server ends the session. Profiles of Tiled's Python client can be used
by their names without a login.

Examples:

  TILED_API_KEY=... terrazzo login https://tiled.example.org --name beamline
  terrazzo login https://tiled.example.org --name beamline --user alice
  terrazzo login https://tiled.example.org --device
  terrazzo ls beamline`
}

// Run makes a profile.
func (c *loginCommand) Run(ctx context.Context, p *Program) (err error) {
	target, err := c.target()
	if err != nil {
		return err
	}
	c.NoCache, c.Offline = true, false
	r, err := c.connect(ctx, p, target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	who, err := c.resolve(target)
	if err != nil {
		return err
	}
	made, secret, err := c.prove(ctx, p, r, who.key)
	if err != nil {
		return err
	}
	profiles, err := openProfiles()
	if err != nil {
		return err
	}
	if err := profiles.Put(c.Name, made, secret); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.Out, map[string]string{"name": c.Name, "uri": made.URI, "principal": made.Principal})
	}
	_, err = fmt.Fprintf(p.Out, "%s is %s\n", c.Name, made.URI)
	return err
}

// target is the address to log in to; the profile gets a name if it has none.
func (c *loginCommand) target() (string, error) {
	if !strings.ContainsAny(c.URL, ":/") {
		profiles, err := openProfiles()
		if err != nil {
			return "", err
		}
		known, _, err := profiles.Get(c.URL)
		if err != nil {
			return "", err
		}
		if c.Name == "" {
			c.Name = c.URL
		}
		return known.URI, nil
	}
	if c.Name == "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Hostname() == "" {
			return "", fmt.Errorf("URL %q: expected http://host or https://host: %w", c.URL, errdef.ErrInvalid)
		}
		c.Name = u.Hostname()
	}
	return c.URL, nil
}

// prove finds out by which secret the server knows who asks.
func (c *loginCommand) prove(ctx context.Context, p *Program, r *remote, key string) (profile.Profile, profile.Secret, error) {
	made, secret := profile.Profile{URI: strings.TrimSuffix(r.URL(), "/api/v1")}, profile.Secret{APIKey: key}
	if c.User == "" && key == "" && !c.Device {
		c.Device = r.browserOnly(c.Provider)
	}
	var tokens client.Tokens
	var err error
	switch {
	case c.User != "":
		tokens, err = r.Login(ctx, c.Provider, c.User, password(p))
	case c.Device:
		tokens, err = c.device(ctx, p, r)
	default: // is the key right?
		_, err = r.Open(ctx, "")
		if errors.Is(err, errdef.ErrUnauthenticated) && key == "" {
			err = fmt.Errorf("%w\nName who you are with --user, or give a key in TILED_API_KEY", err)
		}
		return made, secret, err
	}
	if err != nil {
		return made, secret, err
	}
	if tokens.Principal == "" {
		if tokens.Principal, err = r.principalOf(ctx, tokens); err != nil {
			return made, secret, err
		}
	}
	made.Principal, secret = tokens.Principal, profile.Secret{Tokens: &tokens}
	return made, secret, nil
}

// browserOnly tells of a server where nobody gets in without a browser.
func (r *remote) browserOnly(provider string) bool {
	external := false
	for _, way := range r.About().Providers {
		if provider == "" || provider == way.Name {
			if way.Mode != "external" {
				return false
			}
			external = true
		}
	}
	return external && r.About().LoginRequired
}

// principalOf asks whose the tokens are.
func (r *remote) principalOf(ctx context.Context, t client.Tokens) (string, error) {
	c, err := client.Connect(ctx, r.URL(), client.WithAuthorizer(client.NewSession(r.Client, t, nil)), client.WithTransport(r.transport))
	if err != nil {
		return "", err
	}
	who, err := c.WhoAmI(ctx)
	return who.ID, err
}

func (c *loginCommand) device(ctx context.Context, p *Program, r *remote) (client.Tokens, error) {
	login, err := r.LoginDevice(ctx, c.Provider)
	if err != nil {
		return client.Tokens{}, err
	}
	p.say("Open this address, here or on another machine,\n\n    %s\n", login.Visit)
	if login.Code != "" {
		p.say("\nand enter the code\n\n    %s\n", login.Code)
	}
	p.say("\nuntil %s. Waiting …\n", login.Expires.Format(time.TimeOnly))
	if p.terminal(p.Err) {
		_ = browse(ctx, login.Visit) // the address was printed
	}
	return login.Wait(ctx)
}

type logoutCommand struct {
	Name string `arg:"" help:"The name of the profile."`
	JSON bool   `name:"json" help:"Say in JSON what was done."`
}

// Help is printed by --help.
func (*logoutCommand) Help() string {
	return `The session is ended on the server, if it can be reached, and the profile with its secret
is forgotten here. Downloads stay; 'terrazzo cache remove' takes them away.

Examples:

  terrazzo logout beamline`
}

// Run ends a session and forgets its profile.
func (c *logoutCommand) Run(ctx context.Context, p *Program) (err error) {
	profiles, err := openProfiles()
	if err != nil {
		return err
	}
	known, err := profiles.All()
	if err != nil {
		return err
	}
	if _, ok := known[c.Name]; !ok {
		return profiles.Remove(c.Name)
	}
	secret, err := profiles.Secret(c.Name)
	ended := false
	if err == nil && secret.Tokens != nil {
		if err = endSession(ctx, p, known[c.Name].URI, *secret.Tokens); err != nil {
			p.say("terrazzo: the session was not ended on the server: %v\n", err)
		}
		ended = err == nil
	}
	if err := profiles.Remove(c.Name); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.Out, map[string]any{"name": c.Name, "session_ended": ended})
	}
	_, err = fmt.Fprintf(p.Out, "%s is forgotten\n", c.Name)
	return err
}

func endSession(ctx context.Context, p *Program, uri string, tokens client.Tokens) (err error) {
	f := serverFlags{NoCache: true}
	r, err := f.connect(ctx, p, uri)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	return r.Logout(ctx, tokens)
}

type whoamiCommand struct {
	URL string `arg:"" optional:"" help:"The server, or the name of a profile; without it your profiles are listed."`
	serverFlags
	JSON bool `name:"json" help:"One JSON document per line."`
}

// Help is printed by --help.
func (*whoamiCommand) Help() string {
	return `Examples:

  terrazzo whoami
  terrazzo whoami beamline`
}

// Run says who asks.
func (c *whoamiCommand) Run(ctx context.Context, p *Program) (err error) {
	if c.URL == "" {
		return c.list(p)
	}
	c.NoCache = true
	r, err := c.connect(ctx, p, c.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	who := client.Principal{}
	if r.principal != anonymous {
		if who, err = r.WhoAmI(ctx); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(p.Out, map[string]any{"server": r.URL(), "id": who.ID, "names": who.Names, "kept_as": r.principal})
	}
	name := strings.Join(append(append([]string{}, who.Names...), who.ID), " ")
	switch {
	case r.principal == anonymous:
		name = "nobody: no key and no session"
	case strings.TrimSpace(name) == "":
		name = "the owner of a key"
	}
	_, err = fmt.Fprintf(p.Out, "%s at %s (answers and downloads are kept as %s)\n", strings.TrimSpace(name), r.URL(), r.principal)
	return err
}

// list lists the profiles.
func (c *whoamiCommand) list(p *Program) error {
	profiles, err := openProfiles()
	if err != nil {
		return err
	}
	known, err := profiles.All()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		of := known[name]
		if c.JSON {
			if err := printJSON(p.Out, map[string]string{"name": name, "uri": of.URI, "principal": of.Principal}); err != nil {
				return err
			}
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", name, of.URI, of.Principal) // Flush says what failed
	}
	return w.Flush()
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
