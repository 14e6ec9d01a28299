package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/admin"
	"github.com/terrazzo-data/terrazzo/internal/memlimit"
	"github.com/terrazzo-data/terrazzo/internal/proxy"
	"github.com/terrazzo-data/terrazzo/internal/server"
	"github.com/terrazzo-data/terrazzo/internal/telemetry"
	"github.com/terrazzo-data/terrazzo/store"
)

type proxyCommand struct {
	Origin         string        `arg:"" help:"The server behind the proxy, such as http://origin:8000."`
	Listen         string        `help:"Address to listen at." default:"127.0.0.1:8001"`
	Kind           string        `help:"tiled, with rules made for Tiled, or http for any server." default:"tiled" enum:"tiled,http"`
	Memory         string        `help:"Memory for answers: bytes like 512MiB, or a fraction of RAM." default:"512MiB"`
	Disk           string        `help:"Folder for answers under those in memory." placeholder:"DIR"`
	DiskSize       string        `help:"Bound of that folder." default:"20GiB"`
	Store          string        `help:"Where answers lie instead of --memory and --disk: a store that this program was built with, as NAME or NAME:ADDRESS; --memory is its capacity." placeholder:"STORE"`
	MaxBody        string        `help:"Largest answer that is kept." default:"64MiB"`
	Offline        bool          `help:"Airplane mode: serve what is held, fresh or not, and ask nobody."`
	StaleIfError   time.Duration `help:"How long after its lifetime an answer may stand in for an origin that cannot be reached."`
	Heuristic      bool          `help:"Guess lifetimes from Last-Modified."`
	Authorize      string        `help:"How a right to an answer is proven: metadata, revalidate or key." default:"metadata" enum:"metadata,revalidate,key"`
	AuthTTL        time.Duration `name:"auth-ttl" help:"How long a proven right is remembered: the time that a revoked one lives on. 0 proves it each time." default:"30s"`
	Fresh          []string      `help:"Rules of freshness, such as 'array/**=60s' (repeatable; the first match counts)."`
	Base           string        `help:"Outside address that links are built from, with a path if need be. Default: what each client used."`
	RewriteLinks   bool          `help:"Rewrite links in pages of an origin that does not heed X-Forwarded-Host; always done where it or --base lies below a path."`
	TrustForwarded bool          `help:"Believe X-Forwarded-* of clients: behind another proxy that sets them."`
	OriginTimeout  time.Duration `help:"How long to wait for the origin's answer to begin." default:"5m"`
	OriginCA       string        `name:"origin-ca" help:"Certificates that an https origin is checked against, in PEM." type:"existingfile"`
	TLSCert        string        `name:"tls-cert" help:"Certificate, to serve HTTPS." type:"existingfile"`
	TLSKey         string        `name:"tls-key" help:"Key of the certificate." type:"existingfile"`
	Private        bool          `help:"One user's own cache, on loopback, for clients in any language: private rules, credentials pass through and keep what is held apart."`
	Admin          string        `help:"Listener to look at and empty what is held, and for metrics: unix:PATH, or HOST:PORT of loopback." placeholder:"ADDR"`
	AdminKey       string        `name:"admin-key" help:"Key of the admin listener; needed for a port." env:"TERRAZZO_ADMIN_KEY"`
	LogLevel       string        `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
}

// Run runs the proxy until it is told to stop.
func (c *proxyCommand) Run(ctx context.Context, p *Program) (err error) {
	o, err := c.options()
	if err != nil {
		return err
	}
	if o.Logger, err = logger(p.Err, c.LogLevel, "text"); err != nil {
		return err
	}
	if c.Private {
		return c.runPrivate(ctx, p, o)
	}
	if c.Store != "" {
		if o.Store, err = store.Open(ctx, p.Stores, c.Store, o.Memory); err != nil {
			return fmt.Errorf("--store: %w", err)
		}
		if closer, ok := o.Store.(io.Closer); ok {
			defer func() { err = errors.Join(err, closer.Close()) }()
		}
	}
	px, err := proxy.New(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, px.Close()) }()
	return c.serve(ctx, p, px, o.Logger)
}

// serve listens and serves until ctx ends.
func (c *proxyCommand) serve(ctx context.Context, p *Program, px *proxy.Proxy, log *slog.Logger) (err error) {
	looks, err := proxyAdmin(px, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	adminEnded, err := admin.Serve(ctx, c.Admin, c.AdminKey, looks)
	if err != nil {
		stop()
		return err
	}
	defer func() {
		stop()
		err = errors.Join(err, adminEnded())
	}()
	var secure *tls.Config
	scheme := "http"
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return fmt.Errorf("--tls-cert: %w", err)
		}
		secure, scheme = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, "https"
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	_, err = fmt.Fprintf(p.Out, "\n%s is cached at\n\n    %s://%s/\n\n", c.Origin, scheme, l.Addr())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return px.Run(ctx, l, secure)
}

// proxyAdmin is what the admin listener of a proxy shows: the proxy's own, and metrics.
func proxyAdmin(px *proxy.Proxy, log *slog.Logger) (http.Handler, error) {
	t := telemetry.New(log)
	if err := server.CountResponses(t, px.Cache().Stats, px.StoreStats); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", px.Admin())
	mux.Handle("GET /metrics", t.Handler())
	return mux, nil
}

func (c *proxyCommand) options() (proxy.Options, error) {
	o := proxy.Options{
		Origin: c.Origin, Kind: c.Kind, Base: c.Base, TrustForwarded: c.TrustForwarded, RewriteLinks: c.RewriteLinks, Disk: c.Disk, Offline: c.Offline,
		StaleIfError: c.StaleIfError, Heuristic: c.Heuristic, Authorize: c.Authorize, AuthTTL: c.AuthTTL, Fresh: c.Fresh, OriginTimeout: c.OriginTimeout,
	}
	if o.AuthTTL == 0 {
		o.AuthTTL = -1 // each request is proven
	}
	if c.OriginCA != "" {
		text, err := os.ReadFile(c.OriginCA)
		if err != nil {
			return o, fmt.Errorf("--origin-ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return o, fmt.Errorf("--origin-ca %s: no certificate in PEM in it", c.OriginCA)
		}
		o.OriginTLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	var err error
	for _, s := range []struct {
		flag, text string
		into       *int64
	}{{"memory", c.Memory, &o.Memory}, {"disk-size", c.DiskSize, &o.DiskSize}, {"max-body", c.MaxBody, &o.MaxBody}} {
		if *s.into, err = server.Size(s.flag, s.text, memlimit.Total(), 0); err != nil {
			return o, err
		}
	}
	return o, nil
}
