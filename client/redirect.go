// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxRedirects bounds how often one question is sent elsewhere.
const maxRedirects = 5

// follow decides about redirects: only to the same server, and only for questions. A
// key, a token or a password goes to no other host, port or scheme, whatever a server
// says; who moved to https is told the new address.
func follow(r *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case !sameServer(first.URL, r.URL):
		return fmt.Errorf("%s: the server sends on to %s; if that is right connect to it instead: %w",
			withoutSecrets(first.URL.String()), withoutSecrets(r.URL.String()), errdef.ErrForbidden)
	case first.Method != http.MethodGet && first.Method != http.MethodHead:
		return fmt.Errorf("%s %s: the server sends on to %s, where no secrets are sent: %w",
			first.Method, withoutSecrets(first.URL.String()), withoutSecrets(r.URL.String()), errdef.ErrForbidden)
	case len(via) >= maxRedirects:
		return fmt.Errorf("%s: sent on %d times: %w", withoutSecrets(first.URL.String()), len(via), errdef.ErrUnprocessable)
	}
	return nil
}

func sameServer(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
