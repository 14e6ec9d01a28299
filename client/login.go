// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Tokens are what a server gives to who logged in.
type Tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	// Principal is who logged in, as the server calls them. It stays when tokens are
	// renewed.
	Principal string `json:"principal,omitempty"`
	// RenewAt is where tokens are renewed: a path on the server that gave them.
	RenewAt string `json:"renew_at,omitempty"`
}

// Login proves with a password who asks, to the provider of that name, or to the first
// that takes passwords if the name is empty. Errors: errdef.ErrUnauthenticated for a
// wrong password, ErrNotAllowed for a server without such a provider.
func (c *Client) Login(ctx context.Context, provider, username, password string) (Tokens, error) {
	endpoint := ""
	for _, p := range c.about.Providers {
		if (provider == "" || provider == p.Name) && (p.Mode == "password" || p.Mode == "internal") {
			endpoint = p.endpoint
			break
		}
	}
	if endpoint == "" {
		return Tokens{}, fmt.Errorf("login: %s has no provider %q that takes passwords; use an API key: %w", c.api, provider, errdef.ErrNotAllowed)
	}
	fields := url.Values{"grant_type": {"password"}, "username": {username}, "password": {password}}
	t, err := c.tokens(ctx, endpoint, form, []byte(fields.Encode()))
	if err != nil {
		return Tokens{}, fmt.Errorf("login: %w", err)
	}
	return c.renewable(t), nil
}

// pathOf is the path of a link. Links may name another host, and secrets go to none but
// the one that was given.
func pathOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// own is a link's path on the server that the client is connected to.
func (c *Client) own(link string) string {
	scheme, rest, _ := strings.Cut(c.api, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host + pathOf(link)
}

// maxTokens bounds the answer to a login.
const maxTokens = 1 << 20

// tokens sends secrets, once, and reads the tokens they are good for.
func (c *Client) tokens(ctx context.Context, link, contentType string, body []byte) (Tokens, error) {
	var t Tokens
	if err := c.exchange(ctx, c.own(link), contentType, body, &t); err != nil {
		return Tokens{}, err
	}
	if t.Access == "" || t.Refresh == "" {
		return Tokens{}, unprocessable("tokens: the answer has none")
	}
	return t, nil
}

// Principal is who asks, as the server knows them.
type Principal struct {
	// ID is the name that stays, "" where the server knows keys only.
	ID string `json:"id"`
	// Names are those by which the principal logs in.
	Names []string `json:"names,omitempty"`
}

// WhoAmI asks who the credentials belong to.
func (c *Client) WhoAmI(ctx context.Context) (Principal, error) {
	link := c.about.links["whoami"]
	if link == "" {
		return Principal{}, nil
	}
	doc, err := c.document(ctx, c.own(link), nil)
	if err != nil {
		return Principal{}, fmt.Errorf("whoami: %w", err)
	}
	p := Principal{ID: text(object(doc)["uuid"])}
	for _, identity := range list(object(doc)["identities"]) {
		p.Names = append(p.Names, text(object(identity)["id"]))
	}
	return p, nil
}

// Session is an [Authorizer] that renews tokens when the server refuses them. Use
// [NewSession].
type Session struct {
	renew func(ctx context.Context, refresh string) (Tokens, error)
	save  func(Tokens) error

	mu     sync.Mutex // guards following; held while tokens are renewed, once for all who wait
	tokens Tokens
}

// NewSession begins with tokens of an earlier [Client.Login] to the same server. save,
// which may be nil, is given the tokens whenever they were renewed; its error goes to
// whoever asked.
func NewSession(c *Client, tokens Tokens, save func(Tokens) error) *Session {
	return &Session{tokens: tokens, save: save, renew: func(ctx context.Context, refresh string) (Tokens, error) {
		body, err := json.Marshal(map[string]string{"refresh_token": refresh})
		if err != nil {
			return Tokens{}, err
		}
		return c.tokens(ctx, tokens.RenewAt, "application/json", body)
	}}
}

// Authorization implements [Authorizer]. A session that is over is
// errdef.ErrUnauthenticated: log in again.
func (s *Session) Authorization(ctx context.Context, refused bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused {
		t, err := s.renew(ctx, s.tokens.Refresh)
		if err != nil {
			return "", fmt.Errorf("session: tokens were not renewed; log in again: %w", err)
		}
		t.Principal, t.RenewAt = s.tokens.Principal, s.tokens.RenewAt
		s.tokens = t
		if s.save != nil {
			if err := s.save(t); err != nil {
				return "", fmt.Errorf("session: new tokens: %w", err)
			}
		}
	}
	return "Bearer " + s.tokens.Access, nil
}
