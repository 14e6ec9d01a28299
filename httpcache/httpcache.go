// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// Defaults of [Options].
const (
	DefaultMaxBody     = 128 << 20
	DefaultFlightBytes = 512 << 20
	// maxBackground bounds the refreshes that run beside requests.
	maxBackground = 8
)

// Options say how to build a [Transport]. The zero value of each field is its default.
type Options struct {
	// Next sends what has to be sent; nil is [http.DefaultTransport]. To keep bodies as
	// small as they come, it should not decompress them by itself.
	Next http.RoundTripper
	// Store keeps records and bodies. It is required by [New]; [Open] makes it.
	Store store.Store
	// Front, if set, keeps copies of bodies before Store: memory before disk.
	Front store.Store
	// Principal names who asks, for as long as the transport lives: what the server calls
	// them, or anything that is theirs alone and stays. Empty: each request's credentials
	// name who asks.
	Principal string
	// Identify, where Principal is empty, finds out who stands behind the credentials of a
	// request: a name that stays when they are renewed. It is asked once for each, and what
	// it says is kept, so that it is known offline too. An error, or "", leaves the
	// credentials to stand for themselves. It must not use this transport.
	Identify func(*http.Request) (string, error)
	// ErrorIfFull makes a full cache an error, [ErrFull], in place of giving up what is
	// worth least: for who fills it on purpose.
	ErrorIfFull bool
	// Selecting names request fields that select a representation although the server may
	// not say so in Vary. Tiled chooses by Accept and does not say it.
	Selecting []string
	// CredentialQuery names query parameters that are credentials; nil is api_key and
	// access_token. CredentialCookies names cookies that are; "*" is every one.
	CredentialQuery, CredentialCookies []string
	// Heuristic guesses lifetimes from Last-Modified (RFC 9111 §4.2.2). Scientific data are
	// better asked about, so it is off.
	Heuristic bool
	// StaleIfError is how long after its lifetime a response may stand in for a server that
	// cannot be reached; 0 is not at all, except where the response says so itself.
	StaleIfError time.Duration
	// MaxBody is the largest body that is kept; FlightBytes bounds the bodies that are under
	// way. What is larger, or finds no room, passes through without being kept.
	MaxBody, FlightBytes int64
	// Offline, while it returns true, keeps everything from the network. Nil is never.
	Offline func() bool
	// Groups names groups that a response is in, Invalidates those that a successful
	// request which is not safe makes untrue. Both may be nil.
	Groups, Invalidates func(*http.Request) []string
	// Name is this cache in Cache-Status. Default "terrazzo-client".
	Name string
	// Logger gets a debug line per request, and warnings; nil is none.
	Logger *slog.Logger
}

// Transport is an [http.RoundTripper] with a cache. Use [New] or [Open], and Close it.
// It is safe for concurrent use.
type Transport struct {
	o       Options
	policy  rfc9111.Policy
	counts  counters
	nonce   string
	serial  atomic.Uint64
	purges  purges
	known   known
	inAir   atomic.Int64
	seed    maphash.Seed
	locks   [16]sync.Mutex // of records
	flights flights
	closers []func() error

	ctx        context.Context //nolint:containedctx // of refreshes; ends with Close
	stop       context.CancelFunc
	background sync.WaitGroup
	slots      chan struct{}
}

var _ http.RoundTripper = (*Transport)(nil)

// New builds a transport over o.Store, which stays the caller's. What is wrong with o
// is errdef.ErrInvalid.
func New(o Options) (*Transport, error) {
	if o.Store == nil || o.MaxBody < 0 || o.FlightBytes < 0 || o.StaleIfError < 0 {
		return nil, fmt.Errorf("http cache: a store is required, sizes and times are not negative: %w", errdef.ErrInvalid)
	}
	if o.Next == nil {
		o.Next = http.DefaultTransport
	}
	if o.CredentialQuery == nil {
		o.CredentialQuery = []string{"api_key", "access_token"}
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.FlightBytes == 0 {
		o.FlightBytes = DefaultFlightBytes
	}
	if o.Name == "" {
		o.Name = "terrazzo-client"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // crypto/rand does not fail
	t := &Transport{
		o: o, nonce: hex.EncodeToString(random[:]), slots: make(chan struct{}, maxBackground), seed: maphash.MakeSeed(),
		policy: rfc9111.Policy{Heuristic: o.Heuristic, StaleIfError: o.StaleIfError},
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t, nil
}

// Close ends refreshes in the background, waits for them, and closes the stores that
// [Open] made. Bodies that are being read stay good.
func (t *Transport) Close() error {
	t.stop()
	t.background.Wait()
	var failed error
	for _, c := range t.closers {
		if err := c(); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

// CloseIdleConnections passes the call of [http.Client] on.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.o.Next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) offline() bool { return t.o.Offline != nil && t.o.Offline() }

// Stats is what a transport did since it was made.
type Stats struct {
	// Hits were answered without a request, Confirmed after a 304, Stale although no longer
	// fresh, Misses by the server. Collapsed waited for another's request, which is counted
	// once. Refused could not be answered offline.
	Hits, Confirmed, Stale, Misses, Collapsed, Refused int64
	// Stored is how many responses were kept, StoreErrors what the store could not do.
	Stored, StoreErrors int64
	// Resumed bodies went on by a range where the connection broke.
	Resumed int64
	// Requests were sent, Received is the bytes of bodies that came back.
	Requests, Received int64
}

type counters struct {
	hits, confirmed, stale, misses, collapsed, refused, stored, storeErrors, resumed, requests, received atomic.Int64
}

// Stats returns the counters.
func (t *Transport) Stats() Stats {
	c := &t.counts
	return Stats{
		Hits: c.hits.Load(), Confirmed: c.confirmed.Load(), Stale: c.stale.Load(), Misses: c.misses.Load(), Collapsed: c.collapsed.Load(),
		Refused: c.refused.Load(), Stored: c.stored.Load(), StoreErrors: c.storeErrors.Load(), Resumed: c.resumed.Load(), Requests: c.requests.Load(), Received: c.received.Load(),
	}
}

// StoreStats says what the store holds.
func (t *Transport) StoreStats() store.Stats { return t.o.Store.Stats() }
