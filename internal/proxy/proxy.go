// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/internal/stores/disk"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
	"github.com/terrazzo-data/terrazzo/store"
)

// DefaultMemory is the memory tier's size where Options.Memory is 0.
const DefaultMemory = 512 << 20

// DefaultDiskSize is the bound of the disk store where Options.DiskSize is 0.
const DefaultDiskSize = 20 << 30

// Kinds of origin.
const (
	KindTiled = "tiled"
	KindHTTP  = "http"
)

// Ways to decide who may have what is held; see docs/caching.md.
const (
	AuthorizeMetadata   = "metadata"
	AuthorizeRevalidate = "revalidate"
	AuthorizeKey        = "key"
)

// Options are those of `terrazzo proxy`. The zero value of each field but Origin is its
// default.
type Options struct {
	// Origin is the base URL of the server behind the proxy. Required.
	Origin string
	// Kind is KindTiled (default) or KindHTTP: whether the rules made for Tiled apply.
	Kind string
	// Base is the external base URL, "https://data.example.org" or
	// "https://example.org/data" below a path, which whatever stands in front may take off
	// requests or leave on them. Default: from each request's Host.
	Base string
	// RewriteLinks rewrites links in the pages of Tiled origins that do not heed
	// X-Forwarded-Host. It is always done where origin or Base has a path.
	RewriteLinks bool
	// TrustForwarded believes X-Forwarded-Host, -Proto and -For of clients: for use behind
	// another proxy that sets them.
	TrustForwarded bool
	// Memory is the memory store's size in bytes.
	Memory int64
	// Disk is a directory for a store on disk under the memory store; "" is none.
	// DiskSize is its bound in bytes.
	Disk     string
	DiskSize int64
	// MaxBody is the largest body that is kept, in bytes (default 64 MiB).
	MaxBody int64
	// Offline starts in airplane mode: what is held is served, stale or not, the rest is 504.
	Offline bool
	// StaleIfError is how long after its lifetime a response may stand in for an origin
	// that cannot be reached; 0 is not at all, except where the response says so itself.
	StaleIfError time.Duration
	// Heuristic guesses lifetimes from Last-Modified (RFC 9111 §4.2.2).
	Heuristic bool
	// Authorize is AuthorizeMetadata (default), AuthorizeRevalidate or AuthorizeKey. For
	// KindHTTP the rules of RFC 9111 §3.5 hold and this is not used.
	Authorize string
	// AuthTTL is how long a proven right is remembered per principal and node (default
	// 30 s; negative: each request is proven): the time that a revoked right lives on.
	AuthTTL time.Duration
	// Fresh are rules of freshness, "array/**=60s", the first match counts.
	Fresh []string
	// OriginTimeout bounds the wait for the origin's head, and how long its body may stand
	// still (default 5 min).
	OriginTimeout time.Duration
	// OriginTLS is for https origins; nil is the system's roots.
	OriginTLS *tls.Config
	// Store, if set, is used instead of Memory and Disk, and not closed.
	Store store.Store
	// Logger is for what an operator should know; nil is none.
	Logger *slog.Logger

	// transport stands in for the network in tests.
	transport http.RoundTripper
}

// Proxy is the proxy: an [http.Handler] and what surrounds it. Use [New], and Close it.
type Proxy struct {
	o       Options
	origin  *url.URL
	cache   *respcache.Cache
	guard   *guard // of Tiled origins; else nil
	store   store.Store
	front   store.Store // memory before disk; nil without a disk
	about   *keeper     // of Tiled origins; else nil
	mount   string      // path of Options.Base
	offline atomic.Bool
	closers []func() error
}

// New builds a proxy. What is wrong with o is errdef.ErrInvalid.
func New(o Options) (*Proxy, error) {
	origin, err := checked(&o)
	if err != nil {
		return nil, err
	}
	p := &Proxy{o: o, origin: origin, mount: mountPath(o.Base)}
	p.offline.Store(o.Offline)
	if err := p.openStore(); err != nil {
		return nil, err
	}
	options, err := p.cacheOptions()
	if err != nil {
		return nil, errors.Join(err, p.closeAll())
	}
	if p.cache, err = respcache.New(options); err != nil {
		return nil, errors.Join(err, p.closeAll())
	}
	if o.Kind == KindTiled {
		p.about = &keeper{next: p.cache, last: map[string]time.Time{}}
	}
	return p, nil
}

// cacheOptions puts together what the cache is made of.
func (p *Proxy) cacheOptions() (respcache.Options, error) {
	o := &p.o
	transport := o.transport
	if transport == nil {
		network := newPicky(newTransport(o))
		p.closers = append(p.closers, network.close)
		transport = network
	}
	base := baseOf(o)
	forward := forwarding{
		origin: p.origin, transport: transport, base: base, trust: o.TrustForwarded, logger: o.Logger,
		patience: o.OriginTimeout,
	}
	options := respcache.Options{
		Store: p.store, Front: p.front,
		// What a page of one site may read is kept apart from another's.
		ImplicitVary: []string{"Origin"},
		Policy:       rfc9111.Policy{Shared: true, Targets: []string{"Terrazzo-Cache-Control", "Cdn-Cache-Control"}, Heuristic: o.Heuristic, StaleIfError: o.StaleIfError},
		MaxBody:      o.MaxBody,
		Base:         base,
		Offline:      p.offline.Load,
		Logger:       o.Logger,
	}
	if o.Kind == KindTiled {
		rules, err := parseRules(o.Fresh)
		if err != nil {
			return options, err
		}
		p.guard = newGuard(o, rules, &asker{transport: transport, origin: p.origin, base: base}, p.offline.Load)
		forTiled(&options, &forward, p.guard)
	} else if len(o.Fresh) > 0 {
		return options, fmt.Errorf("proxy: fresh rules are for Tiled origins: %w", errdef.ErrInvalid)
	}
	if mounted(p.origin) || o.RewriteLinks || mountPath(o.Base) != "" {
		forward.links = &relinker{origin: p.origin, pages: o.Kind == KindTiled}
	}
	options.Next = noting(forwarder(forward), base)
	return options, nil
}

// checked says what is wrong with the options, and fills in the defaults.
func checked(o *Options) (*url.URL, error) {
	origin, err := url.Parse(o.Origin)
	if err != nil || origin.Scheme != "http" && origin.Scheme != "https" || origin.Host == "" {
		return nil, fmt.Errorf("proxy: origin %q: want http://host or https://host: %w", o.Origin, errdef.ErrInvalid)
	}
	if o.Base != "" {
		if u, err := url.Parse(o.Base); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("proxy: base URL %q: want http://host or https://host, with a path if need be: %w", o.Base, errdef.ErrInvalid)
		}
	}
	if o.Memory < 0 || o.DiskSize < 0 || o.MaxBody < 0 || o.StaleIfError < 0 {
		return nil, fmt.Errorf("proxy: a size or duration is negative: %w", errdef.ErrInvalid)
	}
	o.Kind = orElse(o.Kind, KindTiled)
	if o.Kind != KindTiled && o.Kind != KindHTTP {
		return nil, fmt.Errorf("proxy: kind %q: want %s or %s: %w", o.Kind, KindTiled, KindHTTP, errdef.ErrInvalid)
	}
	o.Authorize = orElse(o.Authorize, AuthorizeMetadata)
	if o.Authorize != AuthorizeMetadata && o.Authorize != AuthorizeRevalidate && o.Authorize != AuthorizeKey {
		return nil, fmt.Errorf("proxy: authorize %q: want %s, %s or %s: %w", o.Authorize, AuthorizeMetadata, AuthorizeRevalidate, AuthorizeKey, errdef.ErrInvalid)
	}
	o.DiskSize = orElse(o.DiskSize, DefaultDiskSize)
	o.Memory = orElse(o.Memory, DefaultMemory)
	o.AuthTTL = orElse(o.AuthTTL, defaultAuthTTL)
	o.OriginTimeout = orElse(o.OriginTimeout, defaultOriginTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return origin, nil
}

const (
	defaultAuthTTL       = 30 * time.Second
	defaultOriginTimeout = 5 * time.Minute
)

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (p *Proxy) openStore() error {
	if p.o.Store != nil {
		p.store = p.o.Store
		return nil
	}
	m, err := memory.New(memory.Options{Capacity: p.o.Memory})
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if p.o.Disk == "" {
		p.store = m
		return nil
	}
	d, err := disk.Open(disk.Options{Dir: p.o.Disk, Capacity: p.o.DiskSize})
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	p.store, p.front = d, m
	p.closers = append(p.closers, d.Close)
	return nil
}

// baseOf is how the address that a client used is found.
func baseOf(o *Options) func(*http.Request) string {
	if o.Base != "" {
		fixed := strings.TrimRight(o.Base, "/")
		return func(*http.Request) string { return fixed }
	}
	trust := o.TrustForwarded
	return func(r *http.Request) string {
		scheme, host := "http", r.Host
		if r.TLS != nil {
			scheme = "https"
		}
		if trust {
			host = orElse(nearest(r.Header.Get("X-Forwarded-Host")), host)
			if proto := strings.ToLower(nearest(r.Header.Get("X-Forwarded-Proto"))); proto == "http" || proto == "https" {
				scheme = proto
			}
		}
		return scheme + "://" + strings.ToLower(host)
	}
}

// nearest is the first member of a list: what the proxy nearest the client saw.
func nearest(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// mounted tells whether a server lies below a path.
func mounted(u *url.URL) bool { return strings.Trim(u.Path, "/") != "" }

// mountPath is the path of a base URL, without its last slash.
func mountPath(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.EscapedPath(), "/")
}

// unmounted is r without the path of the base URL, if whatever stands in front left it on.
func (p *Proxy) unmounted(r *http.Request) *http.Request {
	if p.mount == "" {
		return r
	}
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), p.mount)
	if !ok || rest != "" && rest[0] != '/' {
		return r
	}
	path, err := url.PathUnescape(orElse(rest, "/"))
	if err != nil {
		return r
	}
	out := r.Clone(r.Context())
	out.URL.Path, out.URL.RawPath = path, orElse(rest, "/")
	return out
}

// withoutHops is r without the fields that its Connection names. They do not reach the
// origin, so they may have no part in what is kept under which name: else a client that
// sends "Connection: Accept" would have one form kept as another.
func withoutHops(r *http.Request) *http.Request {
	named := rfc9111.VaryNames(r.Header["Connection"])
	var out *http.Request
	for _, name := range named {
		if _, there := r.Header[name]; !there || name == "Upgrade" || name == "Te" || name == "Connection" {
			continue
		}
		if out == nil {
			out = r.Clone(r.Context())
		}
		delete(out.Header, name)
	}
	if out == nil {
		return r
	}
	return out
}

// ServeHTTP implements [http.Handler].
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		// Tunnels are not for a reverse proxy; an echo would show what was added on the way.
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		http.Error(w, `{"detail":"This method is not for a proxy."}`, http.StatusMethodNotAllowed)
		return
	}
	r = withoutHops(p.unmounted(r))
	if p.about != nil && !p.offline.Load() {
		p.about.keep(r)
	}
	p.cache.ServeHTTP(w, r)
}

// Cache is the cache inside, for purging and counting.
func (p *Proxy) Cache() *respcache.Cache { return p.cache }

// StoreStats says what is held.
func (p *Proxy) StoreStats() store.Stats { return p.store.Stats() }

// SetOffline turns airplane mode on or off.
func (p *Proxy) SetOffline(offline bool) { p.offline.Store(offline) }

// Close ends what runs in the background and closes the stores. It is called after the
// server that uses p has stopped.
func (p *Proxy) Close() error {
	if p.about != nil {
		p.about.wait()
	}
	return errors.Join(p.cache.Close(), p.closeAll())
}

func (p *Proxy) closeAll() error {
	var failed error
	for _, c := range p.closers {
		failed = errors.Join(failed, c())
	}
	return failed
}

// Server returns an [http.Server] for p with limits that keep slow and silent clients
// from holding it: 30 s for a request's head, 2 min of idleness between requests.
func (p *Proxy) Server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: p, Protocols: protocols, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(p.o.Logger.Handler(), slog.LevelDebug),
	}
}

// shutdownWithin is how long requests under way may take after the signal to stop.
const shutdownWithin = 30 * time.Second

// Run serves on l, with TLS if tlsConfig is not nil, until ctx ends; then it lets
// requests under way finish and returns. It does not close p.
func (p *Proxy) Run(ctx context.Context, l net.Listener, tlsConfig *tls.Config) error {
	s := p.Server()
	s.TLSConfig = tlsConfig
	l = pacedListener{l}
	served := make(chan error, 1)
	go func() {
		if tlsConfig != nil {
			served <- s.ServeTLS(l, "", "")
			return
		}
		served <- s.Serve(l)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("proxy: %w", err)
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWithin)
	defer cancel()
	err := s.Shutdown(within)
	if ended := <-served; err == nil && !errors.Is(ended, http.ErrServerClosed) {
		err = ended
	}
	if err != nil {
		return errors.Join(fmt.Errorf("proxy: shutdown: %w", err), s.Close())
	}
	return nil
}
