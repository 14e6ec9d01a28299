// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// variantField is the name under which Options.Variant stands among selectors. No
// request field can have it.
const variantField = " variant"

// selectorsFor lists what selects a response to r: what its Vary names and what is
// implied.
func (c *Cache) selectorsFor(r *http.Request, vary []string) []selector {
	names := rfc9111.VaryNames(append(append([]string{}, vary...), c.o.ImplicitVary...))
	out := make([]selector, 0, len(names)+1)
	for _, name := range names {
		value, present := c.selecting(name, r)
		out = append(out, selector{name: name, value: value, present: present})
	}
	if c.o.Variant != nil {
		out = append(out, selector{name: variantField, value: brief(c.o.Variant(r)), present: true})
	}
	return out
}

// selecting is the normalised value of one selecting field of r.
func (c *Cache) selecting(name string, r *http.Request) (string, bool) {
	switch name {
	case variantField:
		if c.o.Variant == nil {
			return "", true
		}
		return brief(c.o.Variant(r)), true
	case "Host":
		// net/http keeps it apart from the fields.
		return r.Host, true
	case "Authorization", "Cookie", "Proxy-Authorization":
		// What selects is stored, and credentials are not.
		lines, present := r.Header[name]
		sum := sha256.Sum256([]byte(strings.Join(lines, "\x00")))
		return hex.EncodeToString(sum[:16]), present
	}
	value, present := rfc9111.VaryValue(name, r.Header)
	return brief(value), present
}

// longestSelector is the longest selecting value that is stored as it is.
const longestSelector = 256

// brief is a value itself, or what stands for one that is too long to keep 16 of per URL.
func brief(value string) string {
	if len(value) <= longestSelector {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return "#" + hex.EncodeToString(sum[:])
}

// matches tells whether r selects a response with these selectors (RFC 9111 §4.1).
func (c *Cache) matches(selectors []selector, language string, r *http.Request) bool {
	for _, s := range selectors {
		value, present := c.selecting(s.name, r)
		if value == s.value && present == s.present {
			continue
		}
		// The response is in the one language the asker wants most: the origin could not
		// have chosen better.
		if s.name == "Accept-Language" && present && language != "" &&
			strings.EqualFold(rfc9111.PreferredLanguage(r.Header["Accept-Language"]), language) {
			continue
		}
		return false
	}
	return true
}

// glance reads only what selects a variant.
func (c *Cache) glance(variant []byte, r *http.Request) bool {
	in := reader{rest: string(variant[:min(len(variant), glanceBytes)])}
	selectors := in.selectors()
	language := in.string()
	if in.bad {
		// Longer than a glance: read it all.
		in = reader{rest: string(variant)}
		selectors, language = in.selectors(), in.string()
	}
	return !in.bad && c.matches(selectors, language, r)
}

// glanceBytes is where the selectors of all but strange variants end.
const glanceBytes = 512
