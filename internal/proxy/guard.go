// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/flight"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
)

// maxKnown bounds the nodes and the proofs that are remembered.
const maxKnown = 20_000

// guard knows Tiled: which requests are about what, who was shown what by the origin, and
// what cannot change any more. It implements [respcache.Guard].
//
// Nothing is let out of the cache to somebody to whom the origin has not given an answer
// of the same kind (metadata, or data) about the same node within ttl.
type guard struct {
	mode    string
	ttl     time.Duration
	stale   time.Duration // how long knowledge may serve while the origin is out of reach
	rules   []rule
	ask     *asker
	offline func() bool
	loads   flight.Group[knownKey, node]

	mu sync.Mutex // guards following
	// epoch is raised by every write; what was learnt across one is not kept.
	epoch  uint64
	nodes  map[knownKey]known[node]
	proofs map[proofKey]time.Time
	// entities are the tags of what each asker was given last of what differs by asker.
	entities map[[16]byte]string
	settled  map[string]time.Time // nodes that are immutable for everybody, until then
}

type knownKey struct{ principal, node string }

type proofKey struct {
	principal, node string
	class           class
}

type known[T any] struct {
	value T
	at    time.Time
}

var _ respcache.Guard = (*guard)(nil)

func newGuard(o *Options, rules []rule, ask *asker, offline func() bool) *guard {
	return &guard{
		mode: o.Authorize, ttl: max(0, o.AuthTTL), stale: o.StaleIfError, rules: rules, ask: ask, offline: offline,
		nodes: map[knownKey]known[node]{}, proofs: map[proofKey]time.Time{}, entities: map[[16]byte]string{}, settled: map[string]time.Time{},
	}
}

// Judge implements [respcache.Guard].
func (g *guard) Judge(r *http.Request, principal string) respcache.Verdict {
	t := classify(r)
	switch t.class {
	case passed:
		return respcache.Verdict{Bypass: true}
	case other:
		return respcache.Verdict{Admitted: true}
	case about, outline, data:
	}
	v := respcache.Verdict{Admitted: true, Stands: true}
	if g.offline() {
		if g.mode == AuthorizeKey {
			v.Partition = principal
		}
		return v
	}
	v.Unproven = !g.proven(principal, t, max(g.ttl, g.stale))
	fresh, ruled := freshness(g.rules, t.route, t.node)
	switch g.mode {
	case AuthorizeRevalidate:
		v.Ask = true
		if t.class == about || t.gathers() {
			g.bind(&v, r, principal, 0)
		}
	case AuthorizeKey:
		v.Partition = principal
		v.Fresh = fresh
		v.Ask = fresh == 0
	default:
		g.byMetadata(&v, r, principal, t, fresh, ruled)
	}
	v.Tell = ruled // what was only concluded stays here, where it can be taken back
	return v
}

// byMetadata fills in the verdict where rights are proven by metadata.
func (g *guard) byMetadata(v *respcache.Verdict, r *http.Request, principal string, t target, fresh time.Duration, ruled bool) {
	v.Ask = true
	if t.class == about {
		v.Fresh = fresh
		v.Ask = fresh == 0 || !g.proven(principal, t, g.ttl)
		g.bind(v, r, principal, fresh)
		return
	}
	n, err := g.know(r, principal, t.node)
	if err != nil {
		// The origin says no, or nothing: let it say so to the asker itself.
		*v = respcache.Verdict{}
		return
	}
	v.Tag = n.tag
	v.NoStore = n.growing(r)
	if !ruled && g.immutable(r, principal, t.node, n) {
		fresh = forever
	}
	v.Fresh = fresh
	v.Ask = fresh == 0 || !g.proven(principal, t, g.ttl)
	if t.gathers() {
		g.bind(v, r, principal, fresh)
	}
}

// bind lets out without asking only what the origin gave to this asker last: what it shows
// may depend on who asks.
func (g *guard) bind(v *respcache.Verdict, r *http.Request, principal string, fresh time.Duration) {
	if fresh <= 0 && g.stale <= 0 {
		return // everything is asked for
	}
	form := formOf(r, principal)
	g.mu.Lock()
	defer g.mu.Unlock()
	v.Bound, v.Entity = true, g.entities[form]
}

// formOf names an address, the form in which it is asked for, and who asks.
func formOf(r *http.Request, principal string) [16]byte {
	sum := sha256.Sum256([]byte(principal + "\x00" + r.Host + "\x00" + r.URL.RequestURI() + "\x00" + variant(r)))
	return [16]byte(sum[:16])
}

// know is what the origin says of a node to this asker, at most ttl old; older only if the
// origin cannot be reached, and never for longer than stale.
func (g *guard) know(r *http.Request, principal, path string) (node, error) {
	key := knownKey{principal, path}
	g.mu.Lock()
	have, ok := g.nodes[key]
	g.mu.Unlock()
	if ok && time.Since(have.at) < g.ttl {
		return have.value, nil
	}
	n, _, err := g.loads.Do(r.Context(), key, func(ctx context.Context) (node, error) {
		g.mu.Lock()
		epoch := g.epoch
		g.mu.Unlock()
		n, err := g.ask.node(ctx, r, path)
		if err == nil {
			g.learn(key, n, epoch)
		}
		return n, err
	})
	if errors.Is(err, errUnreachable) && ok && time.Since(have.at) < g.stale {
		return have.value, nil
	}
	return n, err
}

func (g *guard) learn(key knownKey, n node, epoch uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.epoch != epoch {
		return
	}
	if len(g.nodes) >= maxKnown {
		clear(g.nodes)
	}
	g.nodes[key] = known[node]{value: n, at: time.Now()}
}

// immutable tells whether a node, or one above it, is a finished Bluesky run. That a run
// is finished holds for everybody and for ever, so it is remembered for all askers.
func (g *guard) immutable(r *http.Request, principal, path string, n node) bool {
	if g.isSettled(path) {
		return true
	}
	done := n.finished
	for _, above := range ancestors(path) {
		if done || above == "" {
			break
		}
		if done = g.isSettled(above); done {
			break
		}
		up, err := g.know(r, principal, above)
		if err != nil {
			// Who may see a node but not what is above it gets the answer that asks each time.
			return false
		}
		done = up.finished
	}
	if done {
		g.settle(path)
	}
	return done
}

func (g *guard) isSettled(path string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.settled[path]
	return ok && time.Now().Before(until)
}

// settledFor is how long it is not looked again whether a finished run is finished: it
// may have been deleted, and its name given to another.
const settledFor = 5 * time.Minute

func (g *guard) settle(path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.settled) >= maxKnown {
		clear(g.settled)
	}
	g.settled[path] = time.Now().Add(settledFor)
}

// proven tells whether the origin gave this asker an answer of this kind not longer ago
// than within.
func (g *guard) proven(principal string, t target, within time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.proofs[proofKey{principal, t.node, t.class}]
	return ok && time.Since(at) < within
}

// saw notes what the origin answered to whom. A refusal takes back what was proven.
func (g *guard) saw(s seen, answer *http.Response) {
	t, status := s.target, answer.StatusCode
	if !t.class.kept() || s.method != http.MethodGet {
		return
	}
	key := proofKey{s.principal, t.node, t.class}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch status {
	case http.StatusOK, http.StatusPartialContent, http.StatusNotModified:
		if len(g.proofs) >= maxKnown {
			clear(g.proofs)
		}
		g.proofs[key] = time.Now()
		g.given(s, answer)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		delete(g.proofs, key)
		delete(g.nodes, knownKey{s.principal, t.node})
	}
}

// given notes what s's asker was given. g.mu is held.
func (g *guard) given(s seen, answer *http.Response) {
	if s.target.class != about && !s.target.gathers() {
		return
	}
	tag := answer.Header.Get("Etag")
	if tag == "" && answer.StatusCode == http.StatusNotModified {
		tag = answer.Request.Header.Get("If-None-Match")
	}
	if len(g.entities) >= maxKnown {
		clear(g.entities)
	}
	g.entities[s.form] = strings.TrimSpace(tag)
}

// forget drops what is known of a node, of all below and of all above it.
func (g *guard) forget(node string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.epoch++
	for key := range g.nodes {
		if related(key.node, node) {
			delete(g.nodes, key)
		}
	}
	for path := range g.settled {
		if related(path, node) {
			delete(g.settled, path)
		}
	}
}

// related tells whether one node is the other, or above it.
func related(a, b string) bool {
	return a == b || a == "" || b == "" || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}
