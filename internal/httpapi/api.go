// Package httpapi answers the protocol: it parses a request, says who may ask,
// asks the tree for the node and the node for its version, answers 304 if it
// may, and else hands what the adapter reads to an encoder.
//
// It does no arithmetic on slices (package ndslice), writes no data format
// (internal/media), and knows neither file formats nor caches: the data cache
// lies under it, around the adapters, and the response cache over it, around
// the handler. There is one file for each family of endpoints.
package httpapi

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/budget"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/coding"
	"github.com/terrazzo-data/terrazzo/internal/media"
)

// Options are what the API is built from. All but UI, AtOnce, Public, RootPath and
// Proxies are required.
type Options struct {
	// Root is the tree that is served.
	Root adapter.Adapter
	// Column makes a node of a table's column; nil for none.
	Column catalog.ColumnFunc
	// Auth says who asks.
	Auth *auth.Policy
	// Flight bounds the bytes that answers hold while they are made.
	Flight *budget.Budget
	// Media holds the encoders, Coding the content codings.
	Media  *media.Registry
	Coding *coding.Set
	// ResponseLimit bounds one answer's data, in bytes before any coding.
	ResponseLimit int64
	// ExactCountLimit is how far a count in a listing is exact when the
	// client does not ask for the count.
	ExactCountLimit int
	// ExposeRawAssets allows downloading files as they are.
	ExposeRawAssets bool
	// RootPath is a prefix of every path, such as "/data", or empty.
	RootPath string
	// PublicURL, if not empty, is the scheme, host and prefix that links are
	// built from, whatever the request says.
	PublicURL string
	// Proxies are the networks whose forwarded headers are believed.
	Proxies []netip.Prefix
	// Immutable tells of the nodes that never change, whose answers clients may
	// keep without asking; nil for none.
	Immutable func(path []string) bool
	// UI holds the files of a web page for /ui/, or is nil.
	UI fs.FS
	// MetricsHandler answers the metrics endpoint, or is nil.
	MetricsHandler http.Handler
	// AtOnce, which may be nil, makes the context of one attempt at an answer
	// out of a request's: under it the tree need not look twice at the state of
	// what it is made of.
	AtOnce func(context.Context) context.Context
	// Log receives what went wrong inside.
	Log *slog.Logger
	// Version is that of this program.
	Version string
}

// API is the handler of the whole protocol. It is safe for concurrent use.
type API struct {
	Options
	routes []route
	fields fields
	root   []string // the segments of RootPath
	ui     http.Handler
	// buffers are writers of 64 KiB that are used again.
	buffers sync.Pool
}

// New returns the API.
func New(o Options) *API {
	o.RootPath = "/" + strings.Trim(o.RootPath, "/")
	o.RootPath = strings.TrimSuffix(o.RootPath, "/")
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	a := &API{Options: o, fields: newFields(o.Auth.Public())}
	a.root = segments(a.RootPath)
	a.routes = a.table()
	for i := range a.routes {
		a.routes[i].parts = segments(a.routes[i].prefix)
	}
	a.ui = uiHandler(o.UI)
	return a
}

// call is one request on its way.
type call struct {
	*API
	w http.ResponseWriter
	r *http.Request
	// ctx is the request's, under which the tree is asked.
	ctx context.Context //nolint:containedctx // a call lives as long as its request
	// path are the segments behind the route, empty ones left out.
	path  []string
	query url.Values
	who   auth.Principal
	seen  *Observation
	// started says that the header was sent.
	started bool
	// onlyHeld says that nothing but a 304 is wanted.
	onlyHeld bool
}

type handler func(*call) error

func (a *API) newCall(w http.ResponseWriter, r *http.Request) *call {
	ctx := r.Context()
	return &call{API: a, w: w, r: r, ctx: a.atOnce(ctx), seen: observation(ctx)}
}

// atOnce is the context of one attempt at an answer.
func (a *API) atOnce(ctx context.Context) context.Context {
	if a.AtOnce == nil {
		return ctx
	}
	return a.AtOnce(ctx)
}

// ServeHTTP answers one request. It recovers from nothing: the server's
// outermost handler does.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := a.newCall(w, r)
	if err := c.serve(); err != nil && !errors.Is(err, errAnswered) {
		c.fail(err)
	}
}

func (c *call) serve() error {
	start := time.Now()
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return invalid("query string: %v", err)
	}
	c.query = query
	rt, rest, err := c.match(c.r.Method, c.r.URL.Path)
	if err != nil {
		if rt != nil { // RFC 9110 §15.5.6
			c.w.Header().Set("Allow", rt.methods())
		}
		return err
	}
	c.seen.note(func(s *Seen) { s.Endpoint = rt.name })
	c.path = readable(rest)
	if tooOld(c.r.UserAgent()) {
		return invalid("this version of Tiled's Python client is too old; update it: pip install --upgrade 'tiled[client]'")
	}
	if !rt.open {
		if c.who, err = c.Auth.Authenticate(c.r.Header, c.query); err != nil {
			return err
		}
		if err := c.csrf(); err != nil {
			return err
		}
		if rt.scope != "" && !c.who.May(rt.scope) {
			return c.lacking(rt.scope)
		}
	}
	c.seen.time("acl", start)
	if c.onlyHeld && rt.direct {
		return errNotHeld
	}
	return rt.handle(c)
}

// segments splits a path and leaves out empty parts: Tiled's client does send
// doubled slashes.
func segments(path string) []string {
	parts := make([]string, 0, strings.Count(path, "/")+1)
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
