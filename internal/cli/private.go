package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/internal/personal"
	"github.com/terrazzo-data/terrazzo/internal/proxy"
)

// runPrivate runs one user's cache on loopback.
func (c *proxyCommand) runPrivate(ctx context.Context, p *Program, o proxy.Options) (err error) {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || !personal.Loopback(c.Listen) {
		return fmt.Errorf("--private: listens at loopback only, such as 127.0.0.1:8001, not at %q: %w", host, errdef.ErrInvalid)
	}
	if c.Disk == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("--disk: %w", err)
		}
		c.Disk = filepath.Join(base, "terrazzo", "http")
	}
	network := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableCompression: true, MaxIdleConnsPerHost: maxConnections, ResponseHeaderTimeout: c.OriginTimeout}
	options := httpcache.Options{
		Next: network, Heuristic: c.Heuristic, StaleIfError: c.StaleIfError, MaxBody: o.MaxBody, Logger: o.Logger,
		Offline: func() bool { return c.Offline }, CredentialCookies: []string{"tiled_api_key"},
	}
	if c.Kind == proxy.KindTiled {
		options.Selecting = []string{"Accept", "Accept-Encoding"}
		options.Groups, options.Invalidates = proxy.MemberGroups, proxy.WrittenGroups
		if options.Identify, err = personal.Identify(c.Origin, network); err != nil {
			return err
		}
	}
	cache, err := httpcache.Open(httpcache.Place{Memory: o.Memory, Dir: c.Disk, Capacity: o.DiskSize}, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	h, err := personal.New(personal.Options{Origin: c.Origin, Transport: cache, Shield: c.Kind == proxy.KindTiled, Logger: o.Logger})
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	if _, err := fmt.Fprintf(p.Out, "\n%s is cached for you at\n\n    http://%s/\n\n", c.Origin, l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	return serveLocal(ctx, l, h)
}
