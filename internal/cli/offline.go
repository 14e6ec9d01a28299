package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/offline"
	"github.com/terrazzo-data/terrazzo/internal/personal"
)

type offlineCommand struct {
	Serve offlineServe `cmd:"" help:"Serve what was downloaded, to any Tiled client on this machine."`
}

type offlineServe struct {
	URL string `arg:"" optional:"" help:"Whose downloads: the server, or the name of a profile. Not needed if there is one."`
	serverFlags
	Port         int    `help:"Port to listen at; 0 picks a free one." default:"8010"`
	JSON         bool   `name:"json" help:"Print the address and the key in a JSON document."`
	Public       bool   `help:"Let every user of this machine read, without a key."`
	WriteProfile string `help:"Write a profile of that name for Tiled's Python client, for from_profile(NAME)." placeholder:"NAME"`
}

// Help is printed by --help.
func (*offlineServe) Help() string {
	return `No name is looked up and nothing is sent anywhere. What was not downloaded is 404, and
says so.

Examples:

  terrazzo offline serve https://tiled.example.org
  terrazzo offline serve beamline --write-profile plane

then in Python:

  from tiled.client import from_profile
  client = from_profile("plane")`
}

// Run serves until it is told to stop.
func (c *offlineServe) Run(ctx context.Context, p *Program) error {
	server, err := c.find()
	if err != nil {
		return err
	}
	log, err := logger(p.Err, map[bool]string{false: "warn", true: "debug"}[c.Verbose], "text")
	if err != nil {
		return err
	}
	key := ""
	if !c.Public {
		key = auth.NewKey()
	}
	h, err := server.Handler(key, version(), log)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", c.Port))
	if err != nil {
		return fmt.Errorf("%w; choose another with --port, or --port 0 for any", err)
	}
	url := "http://" + l.Addr().String()
	if c.WriteProfile != "" {
		if err := writeTiledProfile(c.WriteProfile, url+"/api/v1", key); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	if c.JSON {
		if err := printJSON(p.Out, map[string]string{"server": server.API, "url": url + "/", "api_key": key}); err != nil {
			return errors.Join(err, l.Close())
		}
		return serveLocal(ctx, l, h)
	}
	shown := url + "/"
	if key != "" {
		shown += "?api_key=" + key
	}
	if _, err := fmt.Fprintf(p.Out, "\nWhat was downloaded from %s is at\n\n    %s\n\n", server.API, shown); err != nil {
		return errors.Join(err, l.Close())
	}
	return serveLocal(ctx, l, h)
}

// find is the server that was named, or the only one.
func (c *offlineServe) find() (*offline.Server, error) {
	if c.URL != "" {
		return c.heldServer(c.URL)
	}
	library, err := c.openLibrary()
	if err != nil {
		return nil, err
	}
	servers, err := library.Servers()
	if err != nil {
		return nil, err
	}
	switch len(servers) {
	case 0:
		return nil, fmt.Errorf("nothing was downloaded yet; see terrazzo download --help: %w", errdef.ErrNotFound)
	case 1:
		return servers[0], nil
	}
	names := make([]string, len(servers))
	for i, s := range servers {
		names[i] = s.API
	}
	return nil, fmt.Errorf("there are downloads from several servers; name one of %s: %w", strings.Join(names, ", "), errdef.ErrInvalid)
}

// stopWithin is how long requests under way may take after the signal to stop.
const stopWithin = 10 * time.Second

// serveLocal serves on loopback, for this machine's names alone: a page of the web could
// otherwise read through it by a name of its own.
func serveLocal(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !personal.Loopback(r.Host) {
			http.Error(w, "This server is for this machine: address it as localhost.", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := s.Shutdown(stopping)
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// writeTiledProfile writes a profile where Tiled's client looks for them.
func writeTiledProfile(name, uri, key string) error {
	if strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
		return fmt.Errorf("--write-profile %q: a name without slashes: %w", name, errdef.ErrInvalid)
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return fmt.Errorf("--write-profile: %w", err)
	}
	dir := filepath.Join(base, "tiled", "profiles")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--write-profile: %w", err)
	}
	if key != "" {
		uri += "?api_key=" + key // profiles know no other place for it
	}
	text, err := yaml.Marshal(map[string]any{name: map[string]any{"uri": uri}})
	if err != nil {
		return fmt.Errorf("--write-profile: %w", err)
	}
	// A file of its own: what others wrote stays as it is.
	if err := os.WriteFile(filepath.Join(dir, "terrazzo-"+name+".yml"), text, 0o600); err != nil {
		return fmt.Errorf("--write-profile: %w", err)
	}
	return nil
}
