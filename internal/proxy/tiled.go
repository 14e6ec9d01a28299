// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"net/http"
	"strings"

	"github.com/terrazzo-data/terrazzo/internal/respcache"
)

// seenKey is where what is known of a request travels from the cache to the answer.
type seenKey struct{}

// seen is a request as it came in.
type seen struct {
	target    target
	method    string
	principal string
	// form is what formOf says of it, where that is needed.
	form [16]byte
	// base is the address that the client used.
	base string
}

// forTiled sets what is peculiar to Tiled origins.
func forTiled(options *respcache.Options, forward *forwarding, g *guard) {
	options.Guard = g
	options.CredentialQuery = []string{"api_key", "access_token"}
	// A proxy before Tiled may sign people in with a cookie of its own; only the one that
	// guards against forged requests says nothing about who asks.
	options.CredentialCookies, options.NeutralCookies = []string{"*"}, []string{"tiled_csrf"}
	options.OwnCookies = []string{"tiled_csrf", "tiled_api_key"}
	options.Drop = []string{"X-Tiled-Request-Id", "Server-Timing"}
	options.Variant = variant
	options.Groups = MemberGroups
	options.Invalidates = func(r *http.Request) []string {
		g.forget(classify(r).node)
		return WrittenGroups(r)
	}
	// Tiled's Python client loses a connection to each 304 (bluesky/tiled issue 1158). What
	// comes through another proxy of ours is that proxy's own question.
	options.Shield = func(r *http.Request) bool {
		return strings.HasPrefix(r.UserAgent(), "python-tiled/") && !strings.Contains(strings.Join(r.Header["Via"], ","), "terrazzo")
	}
	forward.arrived = func(answer *http.Response) {
		s, ok := answer.Request.Context().Value(seenKey{}).(seen)
		if !ok {
			return
		}
		g.saw(s, answer)
		if s.target.class.kept() {
			// Tiled chooses by these and does not say so, which would mix things up in
			// every cache between here and the client.
			answer.Header.Add("Vary", "Accept, Accept-Encoding")
		}
	}
}

// noting passes on what is known of a request to those who see its answer.
func noting(next http.Handler, base func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := seen{target: classify(r), method: r.Method, principal: respcache.PrincipalOf(r.Context()), base: base(r)}
		if s.target.class == about || s.target.gathers() {
			s.form = formOf(r, s.principal)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), seenKey{}, s)))
	})
}
