// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// forever is how long what cannot change is fresh.
const forever = 365 * 24 * time.Hour

// rule says how long responses are fresh whose route and path match.
type rule struct {
	match *regexp.Regexp
	fresh time.Duration
}

// parseRules reads rules of the form "array/**=60s". The left side is matched against
// the route and the node's path, "array/block/a/b": "*" is anything but a slash, "**"
// anything. The right side is a duration, or "immutable". errdef.ErrInvalid names the rule.
func parseRules(texts []string) ([]rule, error) {
	out := make([]rule, 0, len(texts))
	for _, text := range texts {
		at := strings.LastIndexByte(text, '=')
		if at <= 0 {
			return nil, fmt.Errorf("proxy: fresh rule %q: want pattern=duration, for example array/**=60s: %w", text, errdef.ErrInvalid)
		}
		fresh, err := time.ParseDuration(text[at+1:])
		if text[at+1:] == "immutable" {
			fresh, err = forever, nil
		}
		if err != nil || fresh < 0 {
			return nil, fmt.Errorf("proxy: fresh rule %q: %q is no duration: %w", text, text[at+1:], errdef.ErrInvalid)
		}
		out = append(out, rule{match: pattern(text[:at]), fresh: fresh})
	}
	return out, nil
}

// pattern turns a pattern into an expression. Everything but the stars is quoted, so it
// always compiles, and it runs in linear time.
func pattern(text string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for rest := strings.Trim(text, "/"); rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".*")
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString("[^/]*")
			rest = rest[1:]
		default:
			end := strings.IndexByte(rest, '*')
			if end < 0 {
				end = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:end]))
			rest = rest[end:]
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

// freshness is what the first rule that matches says; false if none does.
func freshness(rules []rule, route, node string) (time.Duration, bool) {
	for _, r := range rules {
		if r.match.MatchString(strings.TrimSuffix(route+"/"+node, "/")) {
			return r.fresh, true
		}
	}
	return 0, false
}
