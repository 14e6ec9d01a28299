// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// identity is what a request's URL and credentials say to the cache.
type identity struct {
	// url is without credentials and fragment: what is printed.
	url string
	// principal is who asks; never a credential.
	principal string
}

// identify takes a request apart. Nothing of the path or query is normalised: two
// spellings are two keys, which costs a miss and can mix nothing up. ask allows to ask
// who it is.
func (t *Transport) identify(r *http.Request, ask bool) identity {
	query, secrets := t.splitQuery(r.URL.RawQuery)
	u := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query, ForceQuery: r.URL.ForceQuery}
	id := identity{url: u.String()}
	if t.o.Principal != "" {
		id.principal = digest("principal", t.o.Principal)
		return id
	}
	if r.URL.User != nil {
		secrets = append(secrets, r.URL.User.String())
	}
	secrets = append(secrets, r.Header["Authorization"]...)
	for _, c := range r.Cookies() {
		if slices.Contains(t.o.CredentialCookies, c.Name) || slices.Contains(t.o.CredentialCookies, "*") {
			secrets = append(secrets, c.Name+"="+c.Value)
		}
	}
	if len(secrets) > 0 {
		id.principal = digest(append([]string{"secrets"}, secrets...)...)
		if t.o.Identify != nil {
			if name := t.owner(r, id.principal, ask); name != "" {
				id.principal = digest("principal", name)
			}
		}
	}
	return id
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// splitQuery takes the credentials out of a query and keeps the order of the rest.
func (t *Transport) splitQuery(raw string) (query string, secrets []string) {
	if raw == "" {
		return raw, nil
	}
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && slices.Contains(t.o.CredentialQuery, decoded) {
			secrets = append(secrets, pair)
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&"), secrets
}

// recordKey is where the record of what id asks for lies.
func recordKey(id identity) store.Key {
	return store.Key("r:" + digest(id.principal, id.url))
}

// Names of groups.
const groupAll = "a"

func groupURL(address string) string   { return "u:" + digest(address) }
func groupNamed(name string) string    { return "g:" + digest(name) }
func groupOrigin(origin string) string { return "o:" + origin }
func originOf(u *url.URL) string       { return u.Scheme + "://" + strings.ToLower(u.Host) }

// groups lists the groups of a response.
func (t *Transport) groups(r *http.Request, id identity, h http.Header) []string {
	origin := originOf(r.URL)
	out := []string{groupAll, groupURL(id.url), groupOrigin(origin)}
	for _, name := range rfc9111.Groups(h) {
		out = append(out, groupNamed(origin+" "+name))
	}
	if t.o.Groups != nil {
		for _, name := range t.o.Groups(r) {
			out = append(out, groupNamed(origin+" "+name))
		}
	}
	return out[:min(len(out), store.MaxGroups)]
}

// invalidate forgets what a successful request that is not safe made untrue: for all
// who ask, since the group of a URL knows no principal (RFC 9111 §4.4, RFC 9875 §3).
func (t *Transport) invalidate(r *http.Request, id identity, h http.Header) {
	origin := originOf(r.URL)
	out := []string{groupURL(id.url)}
	for _, u := range rfc9111.InvalidatedURLs(r.URL, h) {
		u.Fragment, u.User = "", nil
		u.RawQuery, _ = t.splitQuery(u.RawQuery)
		out = append(out, groupURL(u.String()))
	}
	for _, name := range rfc9111.InvalidatedGroups(h) {
		out = append(out, groupNamed(origin+" "+name))
	}
	if t.o.Invalidates != nil {
		for _, name := range t.o.Invalidates(r) {
			out = append(out, groupNamed(origin+" "+name))
		}
	}
	for _, group := range out {
		t.purges.purge(group)
		t.forget(r.Context(), group)
	}
}
