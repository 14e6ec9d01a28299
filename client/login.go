// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	form := url.Values{"grant_type": {"password"}, "username": {username}, "password": {password}}
	t, err := c.tokens(ctx, endpoint, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return Tokens{}, fmt.Errorf("login: %w", err)
	}
	t.RenewAt = pathOf(c.about.links["refresh_session"])
	return t, nil
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
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.own(link), bytes.NewReader(body))
	if err != nil {
		return Tokens{}, fmt.Errorf("request: %w: %w", err, errdef.ErrInvalid)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("Cache-Control", "no-store")
	answer, err := c.http.Do(r)
	if err != nil {
		err = unreachable(ctx, errors.Unwrap(err))
		if l := (later{}); errors.As(err, &l) {
			err = l.error
		}
		return Tokens{}, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode != http.StatusOK {
		err := refusal(r, answer)
		if l := (later{}); errors.As(err, &l) {
			return Tokens{}, l.error
		}
		return Tokens{}, err
	}
	var t Tokens
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxTokens)).Decode(&t); err != nil {
		return Tokens{}, unprocessable("tokens: %v", err)
	}
	if t.Access == "" || t.Refresh == "" {
		return Tokens{}, unprocessable("tokens: the answer has none")
	}
	return t, nil
}

// WhoAmI is the name by which the server knows who asks, "" where it knows keys only.
func (c *Client) WhoAmI(ctx context.Context) (string, error) {
	link := c.about.links["whoami"]
	if link == "" {
		return "", nil
	}
	doc, err := c.document(ctx, c.own(link), nil)
	if err != nil {
		return "", fmt.Errorf("whoami: %w", err)
	}
	return text(object(doc)["uuid"]), nil
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
