// SPDX-License-Identifier: BSD-3-Clause

// Package respcache is the service-side response cache: an ordinary shared cache of RFC
// 9111 that wraps an [http.Handler]. Around Terrazzo's API it saves encoding and
// compression; around a reverse proxy it is `terrazzo proxy`.
//
// # What is stored
//
// For each URL (credentials taken out) one small record with the heads of its variants,
// and for each variant one body, written once under a name of its own. A record never
// points at a body that belongs to another head, so whatever is lost or torn between
// the two is a miss.
//
// # Who may have it
//
// The rules are those of [rfc9111]. Where a response says no-cache, as Terrazzo's API
// does, each reuse asks the inner handler with the asker's own credentials and the
// stored validator; only its 304 lets the stored body out.
//
// # Many ask, one works
//
// The first asker runs the inner handler in its own goroutine; others who ask for the
// same thing read along as the body arrives. None of them can hold up another, the work
// goes on while anybody waits for it, and what turns out not to be storable sends them
// all on their own way at once.
package respcache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// Defaults of [Options].
const (
	DefaultMaxBody     = 64 << 20
	DefaultFlightBytes = 256 << 20
	// uncacheableFor is how long a URL is remembered whose answer was not storable.
	uncacheableFor = 30 * time.Second
	// maxBackground bounds the refreshes that run beside requests.
	maxBackground = 16
)

// Options say how to build a [Cache].
type Options struct {
	// Next is what is cached. Required.
	Next http.Handler
	// Store keeps records and bodies. Required. It may be shared with other caches of
	// the same Prefix.
	Store store.Store
	// Front, if set, keeps copies of bodies in front of Store: memory before disk. The name
	// of a body is never used again, so that a copy cannot be out of date.
	Front store.Store
	// Prefix begins every key in Store, to keep apart what shares a store.
	Prefix string
	// Policy are the rules; a cache that serves more than one user sets Shared.
	Policy rfc9111.Policy
	// Name is this cache in Cache-Status. Default "terrazzo".
	Name string
	// MaxBody is the largest body that is kept, in bytes; larger ones pass through.
	MaxBody int64
	// FlightBytes bounds the bodies that are being fetched or still being read by slow
	// clients. What finds no room passes through without being kept.
	FlightBytes int64
	// MinCost is how long the inner handler must have worked for its answer to be kept.
	MinCost time.Duration
	// Base is the external base URL that links in bodies are built from, without a
	// trailing slash. Default: scheme and host of the request.
	Base func(*http.Request) string
	// CredentialQuery and CredentialCookies name query parameters and cookies that are
	// credentials: they count like Authorization and are in no key. The cookie name "*"
	// stands for all cookies but NeutralCookies.
	CredentialQuery, CredentialCookies, NeutralCookies []string
	// OwnCookies, if not nil, names the cookies that an answer may set and still be kept,
	// without them; one that sets another is somebody's own.
	OwnCookies []string
	// Drop names response fields that belong to one answer and are never stored, in
	// canonical form, besides Set-Cookie and, unless ImplicitVary has Origin, the fields of
	// CORS.
	Drop []string
	// ImplicitVary names request fields that select a variant although the inner handler
	// may not say so in Vary, in canonical form.
	ImplicitVary []string
	// Variant is a further thing that selects a variant: nil, or a short text.
	Variant func(*http.Request) string
	// Shield tells of clients that must not be given a 304, whatever they ask.
	Shield func(*http.Request) bool
	// Guard judges in the inner handler's place; see [Guard]. May be nil.
	Guard Guard
	// Strict says that nobody is given what was asked for before they came, unless the
	// inner handler has confirmed it to them: what changed in between would else be hidden
	// from who knows that it has. It is for a handler that confirms in no time; in front of
	// an origin that is far away, those who wait together share one answer (RFC 9111 §4).
	Strict bool
	// Offline, while it returns true, keeps everything from the inner handler: what is
	// held is served, stale or not, and the rest is 504. Nil is never.
	Offline func() bool
	// Groups names the groups of a response besides its URL and Cache-Groups. May be nil.
	Groups func(*http.Request) []string
	// Invalidates names the groups that a successful unsafe request makes untrue, besides
	// its URL. May be nil.
	Invalidates func(*http.Request) []string
	// Logger gets one debug line per request; nil is none.
	Logger *slog.Logger
}

// Cache is the cache: an [http.Handler]. Use [New], and Close it.
type Cache struct {
	o       Options
	nonce   string
	serial  atomic.Uint64
	counts  counters
	drop    map[string]bool
	inAir   atomic.Int64
	purges  purgeLog
	memo    memo
	flights flightTable
	locks   [64]sync.Mutex

	ctx        context.Context //nolint:containedctx // of refreshes in the background; ends with Close
	stop       context.CancelFunc
	background sync.WaitGroup
	slots      chan struct{}
}

// New builds a cache, or says with errdef.ErrInvalid what is missing in o.
func New(o Options) (*Cache, error) {
	if o.Next == nil || o.Store == nil {
		return nil, fmt.Errorf("response cache: Next and Store are required: %w", errdef.ErrInvalid)
	}
	if o.MaxBody < 0 || o.FlightBytes < 0 {
		return nil, fmt.Errorf("response cache: negative MaxBody or FlightBytes: %w", errdef.ErrInvalid)
	}
	if o.Name == "" {
		o.Name = "terrazzo"
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.FlightBytes == 0 {
		o.FlightBytes = DefaultFlightBytes
	}
	if o.Base == nil {
		o.Base = requestBase
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("response cache: random name: %w", err)
	}
	c := &Cache{
		o: o, nonce: hex.EncodeToString(random[:]), drop: map[string]bool{"Set-Cookie": true, "Set-Cookie2": true},
		slots: make(chan struct{}, maxBackground),
	}
	for _, name := range o.Drop {
		c.drop[name] = true
	}
	if !slices.Contains(o.ImplicitVary, "Origin") {
		for _, name := range []string{"Allow-Origin", "Allow-Credentials", "Allow-Headers", "Allow-Methods", "Expose-Headers", "Max-Age"} {
			c.drop["Access-Control-"+name] = true
		}
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Close ends refreshes in the background and waits for them. Requests end by
// themselves. The store stays open: it is the caller's.
func (c *Cache) Close() error {
	c.stop()
	c.background.Wait()
	return nil
}

// ServeHTTP implements [http.Handler]. It aborts the connection, as
// [http.ErrAbortHandler] does, where the inner handler aborted.
func (c *Cache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{c: c, w: w, r: r, ctx: r.Context()}
	err := x.serve()
	if c.o.Logger.Enabled(x.ctx, slog.LevelDebug) {
		x.log(err)
	}
	if errors.Is(err, errAborted) {
		// A body that ended early must not look whole (RFC 9112 §8).
		panic(http.ErrAbortHandler) //nolint:forbidigo // the one way net/http offers to abort a response
	}
}

// log says what became of a request. Its URL has no credentials in it.
func (x *exchange) log(err error) {
	attrs := []slog.Attr{
		slog.String("method", x.r.Method), slog.String("url", x.id.url), slog.String("cache", x.status.String()),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	x.c.o.Logger.LogAttrs(x.ctx, slog.LevelDebug, "response cache", attrs...)
}

// errAborted says that the response was begun and cannot be ended properly.
var errAborted = errors.New("response aborted")

// requestBase is the base URL as the request itself names it.
func requestBase(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
