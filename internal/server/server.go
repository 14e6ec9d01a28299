// Package server is the one place that knows everything: it builds the service
// from its settings, and starts and stops it in order.
package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/admin"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/budget"
	"github.com/terrazzo-data/terrazzo/internal/coding"
	"github.com/terrazzo-data/terrazzo/internal/column"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/httpapi"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/internal/memlimit"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/internal/source"
	"github.com/terrazzo-data/terrazzo/internal/telemetry"
	"github.com/terrazzo-data/terrazzo/internal/webui"
	"github.com/terrazzo-data/terrazzo/store"
)

// Server is a service that is built and not yet started.
type Server struct {
	config  config.Config
	program Program
	log     *slog.Logger
	handler http.Handler
	split   split
	files   *fileCounts
	memory  *source.Memory   // of descriptions; nil before the first folder
	bare    adapter.Adapter  // the tree without layer 3
	data    *datacache.Cache // layer 3; nil if it is off
	cached  *respcache.Cache // layer 2; nil if it is off
	// responseStats says what layer 2 holds; nil if it is off.
	responseStats func() store.Stats
	readers       []adapter.Format // nil before the first folder
	notes         []string         // what is said at the start
	closers       []func() error
	Telemetry     *telemetry.Telemetry
}

// Program is what the service is told of the program that it is part of.
type Program struct {
	Version string
	// Formats are asked before the built-in ones.
	Formats []adapter.Format
	// Stores are where responses may lie besides memory, by name.
	Stores map[string]store.Opener
}

// New builds the service. Nothing listens and nothing runs yet; Close gives
// back what New took.
func New(c config.Config, p Program, log *slog.Logger) (s *Server, err error) {
	log = telemetry.Scrubbed(log)
	s = &Server{config: c, program: p, log: log, files: &fileCounts{}, Telemetry: telemetry.New(log)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.split, err = divide(memlimit.Total(), c.Own.Memory, c.Own.DataCache, c.Own.ResponseCache); err != nil {
		return s, err
	}
	if err := s.registerFiles(); err != nil {
		return s, err
	}
	policy, err := auth.New(c.Authentication.SingleUserAPIKey, c.Authentication.AllowAnonymousAccess)
	if err != nil {
		return s, err
	}
	root, err := s.trees()
	if err != nil {
		return s, err
	}
	api, err := s.api(policy)
	if err != nil {
		return s, err
	}
	if api.Root, err = s.blocks(root); err != nil {
		return s, err
	}
	answers, err := s.responses(httpapi.New(api))
	if err != nil {
		return s, err
	}
	s.handler = shield(len(c.AllowOrigins) > 0, s.Telemetry.Wrap(paced(cors(c.AllowOrigins, answers))))
	return s, nil
}

func (s *Server) api(policy *auth.Policy) (httpapi.Options, error) {
	c := s.config
	prefer := func(p config.Preference) coding.Preference { return coding.Preference{Binary: p.Binary, Text: p.Text} }
	codings, err := coding.New(coding.Settings{Loopback: prefer(c.Own.Codings.Loopback), Fast: prefer(c.Own.Codings.Fast), Slow: prefer(c.Own.Codings.Slow)})
	if err != nil {
		return httpapi.Options{}, err
	}
	proxies, err := networks(c.Listen)
	if err != nil {
		return httpapi.Options{}, err
	}
	ui, err := page(c.Own.UI)
	if err != nil {
		return httpapi.Options{}, err
	}
	columns := &column.Columns{}
	s.closers = append(s.closers, func() error { columns.Wait(); return nil })
	o := httpapi.Options{
		Column: columns.Of, Auth: policy, Flight: budget.New(s.split.flight), Media: media.New(), Coding: codings,
		ResponseLimit: c.ResponseBytesizeLimit, ExactCountLimit: c.ExactCountLimit, ExposeRawAssets: c.ExposeRawAssets,
		RootPath: c.Listen.RootPath, PublicURL: c.Own.PublicURL, Proxies: proxies, UI: ui, AtOnce: source.AtOnce, Immutable: immutable(c.Trees), Log: s.log, Version: s.program.Version,
	}
	if c.Metrics.Prometheus {
		o.MetricsHandler = s.Telemetry.Handler()
	}
	err = s.Telemetry.Gauge("terrazzo_flight_bytes", "Bytes held by requests that are being answered.", func() float64 { return float64(o.Flight.Used()) })
	return o, err
}

// immutable tells which nodes lie in trees that are declared to never change.
func immutable(trees []config.Tree) func(path []string) bool {
	var prefixes [][]string
	for _, t := range trees {
		if t.Args.Storage.Immutable {
			prefixes = append(prefixes, strings.FieldsFunc(t.Path, func(r rune) bool { return r == '/' }))
		}
	}
	if prefixes == nil {
		return nil
	}
	return func(path []string) bool {
		return slices.ContainsFunc(prefixes, func(prefix []string) bool {
			return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
		})
	}
}

// networks reads the list of proxies that are believed.
func networks(l config.Listen) ([]netip.Prefix, error) {
	if !l.ProxyHeaders {
		return nil, nil
	}
	var out []netip.Prefix
	for part := range strings.SplitSeq(l.ForwardedAllowIPs, ",") {
		part = strings.TrimSpace(part)
		switch part {
		case "":
			continue
		case "*":
			out = append(out, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))
			continue
		}
		if addr, err := netip.ParseAddr(part); err == nil {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is no address and no network like 10.0.0.0/8: %w", part, errdef.ErrInvalid)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// page opens the folder with the files of a web page, or the built-in one.
func page(folder string) (fs.FS, error) {
	if folder == "" {
		return webui.FS()
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("--ui: %w: %w", err, errdef.ErrInvalid)
	}
	if _, err := root.Stat("index.html"); err != nil {
		return nil, fmt.Errorf("--ui %s: the folder has no index.html; name the built page, such as share/tiled/ui of an installed Tiled: %w", folder, errdef.ErrInvalid)
	}
	return root.FS(), nil
}

// Close gives back what New took, the last first.
func (s *Server) Close() error {
	var all []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		all = append(all, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(all...)
}

// Bounds on connections. Whoever is slower than that is given up.
const (
	headerTime  = 10 * time.Second
	idleTime    = 2 * time.Minute
	headerBytes = 64 << 10
	connections = 16384
	stopTime    = 30 * time.Second
)

// ballastBytes are held and never touched, so that they take address space and
// no memory. The garbage collector runs when the heap has grown by so many
// percent: without them, with little alive, that is after every few blocks. With
// more percent and less of them it would run as often then, and let the heap
// grow to twice what is alive when that is much. Measured by
// BenchmarkRequest/slice.
const (
	ballastBytes = 128 << 20
	heapGrowth   = 50
)

// Listen opens the socket, so that its address is known before Serve.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	address := net.JoinHostPort(s.config.Listen.Host, strconv.Itoa(s.config.Listen.Port))
	var l net.ListenConfig
	listener, err := l.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: another program is using it; choose another with --port, or --port 0 for any", err)
	case err != nil:
		return nil, fmt.Errorf("--host, --port: %w", err)
	}
	return limited(listener, connections), nil
}

// Serve answers requests until ctx ends, then finishes what runs, for at most
// half a minute.
func (s *Server) Serve(ctx context.Context, listener net.Listener) (err error) {
	adminEnded, err := admin.Serve(ctx, s.config.Own.Admin, s.config.Own.AdminKey, s.adminHandler())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if s.data != nil {
		watching, end := context.WithCancel(context.WithoutCancel(ctx))
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			s.data.Watch(watching, time.Second, memlimit.Available, memlimit.Total)
		}()
		defer func() { end(); <-watched }()
	}
	debug.SetMemoryLimit(s.split.total - s.split.hosts)
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(heapGrowth))
	}
	ballast := make([]byte, ballastBytes)
	defer runtime.KeepAlive(ballast)
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytes,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() {
		if s.config.Listen.SSLCertfile != "" {
			done <- server.ServeTLS(listener, s.config.Listen.SSLCertfile, s.config.Listen.SSLKeyfile)
			return
		}
		done <- server.Serve(listener)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	defer func() { err = errors.Join(err, adminEnded()) }()
	s.log.LogAttrs(ctx, slog.LevelInfo, "stopping: no new requests; finishing those that run")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err = server.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("requests still ran after %s and were cut off", stopTime), server.Close())
	}
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Describe says in a few lines what was built, for the start of the program.
func (s *Server) Describe() []string {
	m := s.split
	return append([]string{fmt.Sprintf("memory: %d MiB of %d MiB RAM: %d MiB data cache, %d MiB response cache, %d MiB hosts, %d MiB for answers in flight, %d MiB program",
		m.total>>20, m.ram>>20, m.data>>20, m.responses>>20, m.hosts>>20, m.flight>>20, int64(programBytes)>>20)}, s.notes...)
}
