// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/store"
)

// longestPlainKey is the longest URL that is its own key; longer ones are hashed.
const longestPlainKey = 800

// identity is what a request's URL and credentials say to the cache.
type identity struct {
	// url is the external URL without credentials: what is stored, printed and purged.
	url string
	// base is its beginning, up to the path; path is escaped as sent.
	base, path string
	// principal is a digest of all credentials; "" if there are none.
	principal string
}

// identify takes a request apart. Nothing of the path or query is normalised: two
// spellings are two keys, which costs a miss and can mix nothing up.
func (c *Cache) identify(r *http.Request) identity {
	id := identity{base: c.o.Base(r), path: r.URL.EscapedPath()}
	query, secrets := c.splitQuery(r.URL.RawQuery)
	id.url = id.base + id.path
	if query != "" || r.URL.ForceQuery {
		id.url += "?" + query
	}
	secrets = append(secrets, r.Header["Authorization"]...)
	secrets = append(secrets, c.secretCookies(r)...)
	if len(secrets) > 0 {
		sum := sha256.Sum256([]byte(strings.Join(secrets, "\x00")))
		id.principal = hex.EncodeToString(sum[:16])
	}
	return id
}

// secretCookies lists the cookies that are credentials.
func (c *Cache) secretCookies(r *http.Request) []string {
	if len(c.o.CredentialCookies) == 0 || len(r.Header["Cookie"]) == 0 {
		return nil
	}
	var out []string
	all := slices.Contains(c.o.CredentialCookies, "*")
	for _, cookie := range r.Cookies() {
		if all && !slices.Contains(c.o.NeutralCookies, cookie.Name) || slices.Contains(c.o.CredentialCookies, cookie.Name) {
			out = append(out, cookie.Name+"="+cookie.Value)
		}
	}
	return out
}

// ownCookies tells whether an answer sets no cookies but those of OwnCookies.
func (c *Cache) ownCookies(h http.Header) bool {
	if c.o.OwnCookies == nil {
		return true
	}
	for _, line := range h["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		if !slices.Contains(c.o.OwnCookies, strings.TrimSpace(name)) {
			return false
		}
	}
	return true
}

// splitQuery takes the credentials out of a query and keeps the order of the rest.
func (c *Cache) splitQuery(raw string) (query string, secrets []string) {
	if raw == "" || !c.mentionsCredential(raw) {
		return raw, nil
	}
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && slices.Contains(c.o.CredentialQuery, decoded) {
			secrets = append(secrets, pair)
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&"), secrets
}

// mentionsCredential is a quick no for most queries. An escaped name needs a closer look.
func (c *Cache) mentionsCredential(raw string) bool {
	if len(c.o.CredentialQuery) == 0 {
		return false
	}
	if strings.Contains(raw, "%") {
		return true
	}
	return slices.ContainsFunc(c.o.CredentialQuery, func(name string) bool { return strings.Contains(raw, name) })
}

// recordKey is where the record of a URL lies.
func (c *Cache) recordKey(url, partition string) store.Key {
	name := url
	if partition != "" {
		name = partition + " " + url
	}
	return store.Key(c.o.Prefix + "r:" + short(name))
}

// groups lists the groups of a response to this request: its URL, all, every folder above
// it, what the options add, and its own Cache-Groups within its origin (RFC 9875 §2).
func (c *Cache) groups(r *http.Request, id identity, named []string) []string {
	out := []string{c.urlGroup(id.url), c.everything()}
	if c.o.Groups != nil {
		for _, name := range c.o.Groups(r) {
			out = append(out, c.ownGroup(name))
		}
	}
	out = append(out, c.named(id.base, named)...)
	for i, n := 0, 0; i < len(id.path) && n < maxFolders; i++ {
		if id.path[i] == '/' {
			out = append(out, c.folderGroup(id.base+id.path[:i+1]))
			n++
		}
	}
	return out[:min(len(out), store.MaxGroups)]
}

// maxFolders is how many folders of a path can be purged by prefix.
const maxFolders = 16

func (c *Cache) named(base string, names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		out = append(out, c.o.Prefix+"g:"+short(base+" "+name))
	}
	return out
}

// ownGroup is a group that the options name. It holds whatever address was used: a write
// through one outdates what is held under all of them.
func (c *Cache) ownGroup(name string) string { return c.o.Prefix + "n:" + short(name) }

// everything is the group that all are in.
func (c *Cache) everything() string { return c.o.Prefix + "a:" }

func (c *Cache) urlGroup(url string) string {
	return c.o.Prefix + "u:" + short(url)
}

func (c *Cache) folderGroup(url string) string { return c.o.Prefix + "p:" + short(url) }

// short is a name itself, or what stands for one that is too long for a store.
func short(name string) string {
	if len(name) <= longestPlainKey {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "#" + hex.EncodeToString(sum[:])
}
