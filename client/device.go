// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// DeviceLogin is a login that its user completes in a browser, on this machine or another
// (RFC 8628): show them Visit and Code, and Wait.
type DeviceLogin struct {
	// Visit is the address to open, Code what to enter there.
	Visit, Code string
	// Expires is when it is too late.
	Expires time.Time

	client   *Client
	endpoint string
	device   string
	id       string // of this client at another's provider; "" if the server itself is asked
	interval time.Duration
}

const (
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	form        = "application/x-www-form-urlencoded"
	// defaultInterval is how often is asked if the server does not say (RFC 8628 §3.2), and
	// slowDown what is added when it says that it is too often (§3.5).
	defaultInterval = 5 * time.Second
	slowDown        = 5 * time.Second
	longestInterval = time.Minute
)

// LoginDevice begins a login at the provider of that name, or at the first that is
// external if the name is empty. Errors: errdef.ErrNotAllowed for a server without such
// a provider.
func (c *Client) LoginDevice(ctx context.Context, provider string) (*DeviceLogin, error) {
	for _, p := range c.about.Providers {
		if (provider == "" || provider == p.Name) && p.Mode == "external" {
			d, err := c.beginDevice(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("login: %w", err)
			}
			return d, nil
		}
	}
	return nil, fmt.Errorf("login: %s has no provider %q that logs in with a browser; use a user name, or an API key: %w", c.api, provider, errdef.ErrNotAllowed)
}

func (c *Client) beginDevice(ctx context.Context, p Provider) (*DeviceLogin, error) {
	d := &DeviceLogin{client: c, interval: defaultInterval, id: p.clientID}
	start, contentType, body := c.own(p.endpoint), "", []byte(nil)
	if p.clientID != "" && p.tokenEndpoint != "" {
		start, contentType = p.endpoint, form
		body = []byte(url.Values{"client_id": {p.clientID}, "scope": {"openid offline_access"}}.Encode())
	} else {
		d.id = ""
	}
	var doc struct {
		Authorization string  `json:"authorization_uri"`
		Verification  string  `json:"verification_uri"`
		Complete      string  `json:"verification_uri_complete"`
		URL           string  `json:"verification_url"`
		Device        string  `json:"device_code"`
		Code          string  `json:"user_code"`
		Expires       float64 `json:"expires_in"`
		Interval      float64 `json:"interval"`
	}
	if err := c.exchange(ctx, start, contentType, body, &doc); err != nil {
		return nil, err
	}
	if d.endpoint, d.Visit = c.own(doc.Verification), doc.Authorization; d.id != "" {
		d.endpoint = p.tokenEndpoint
		for _, visit := range []string{doc.Complete, doc.Verification, doc.URL} {
			if visit != "" {
				d.Visit = visit
				break
			}
		}
	}
	if d.Visit == "" || doc.Device == "" || !strings.HasPrefix(d.Visit, "http") {
		return nil, unprocessable("login: the answer has no address to visit or no code")
	}
	if doc.Interval > 0 {
		d.interval = min(longestInterval, time.Duration(doc.Interval*float64(time.Second)))
	}
	d.Code, d.device = doc.Code, doc.Device
	d.Expires = time.Now().Add(time.Duration(min(max(doc.Expires, 1), 86400) * float64(time.Second)))
	return d, nil
}

// Wait asks until the user is done. Errors: errdef.ErrUnauthenticated if they refused, or
// it is too late.
func (d *DeviceLogin) Wait(ctx context.Context) (Tokens, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, d.Expires, fmt.Errorf("nobody entered the code in time: %w", errdef.ErrUnauthenticated))
	defer cancel()
	for {
		select {
		case <-time.After(d.interval):
		case <-ctx.Done():
			return Tokens{}, fmt.Errorf("login: %w", context.Cause(ctx))
		}
		t, err := d.ask(ctx)
		var pending pendingError
		switch {
		case err == nil:
			return d.client.renewable(t), nil
		case errors.As(err, &pending):
			if pending == "slow_down" {
				d.interval += slowDown
			}
		case ctx.Err() != nil:
			return Tokens{}, fmt.Errorf("login: %w", context.Cause(ctx))
		case !errors.Is(err, errdef.ErrUnavailable): // a network that is gone may come back
			return Tokens{}, fmt.Errorf("login: %w", err)
		}
	}
}

// pendingError says that the user is not done.
type pendingError string

func (e pendingError) Error() string { return string(e) }

func (d *DeviceLogin) ask(ctx context.Context) (Tokens, error) {
	contentType := "application/json"
	body, err := json.Marshal(map[string]string{"device_code": d.device, "grant_type": deviceGrant})
	if d.id != "" {
		contentType = form
		body = []byte(url.Values{"device_code": {d.device}, "grant_type": {deviceGrant}, "client_id": {d.id}}.Encode())
	}
	if err != nil {
		return Tokens{}, err
	}
	var t Tokens
	if err := d.client.exchange(ctx, d.endpoint, contentType, body, &t); err != nil {
		return Tokens{}, err
	}
	if t.Access == "" || t.Refresh == "" {
		return Tokens{}, unprocessable("tokens: the answer has none")
	}
	return t, nil
}

// renewable notes where tokens are renewed.
func (c *Client) renewable(t Tokens) Tokens {
	t.RenewAt = pathOf(c.about.links["refresh_session"])
	return t
}

// Logout ends a session on the server, so that its tokens are good for nothing. One that
// the server does not know any more is over: no error.
func (c *Client) Logout(ctx context.Context, t Tokens) error {
	body, err := json.Marshal(map[string]string{"refresh_token": t.Refresh})
	if err != nil {
		return fmt.Errorf("logout: %w", err)
	}
	err = c.exchange(ctx, c.api+"/auth/session/revoke", "application/json", body, nil)
	if errors.Is(err, errdef.ErrConflict) || errors.Is(err, errdef.ErrUnauthenticated) || errors.Is(err, errdef.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("logout: %w", err)
	}
	return nil
}

// exchange posts something secret, once, and decodes the answer into reply unless that
// is nil. Who waits is told by pendingError. Addresses of others must be https, or on
// this machine.
func (c *Client) exchange(ctx context.Context, address, contentType string, body []byte, reply any) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("link %.200q: %w: %w", address, err, errdef.ErrUnprocessable)
	}
	own, err := url.Parse(c.api)
	if err != nil || !sameServer(u, own) && u.Scheme != "https" && !loopback(u.Hostname()) {
		return fmt.Errorf("link %.200q: secrets go to https addresses only: %w", withoutSecrets(address), errdef.ErrForbidden)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("request: %w: %w", err, errdef.ErrInvalid)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("Cache-Control", "no-store")
	answer, err := c.http.Do(r)
	if err != nil {
		return final(unreachable(ctx, fmt.Errorf("POST %s: %w", withoutSecrets(address), errors.Unwrap(err))))
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxTokens))
	if err != nil {
		return final(unreachable(ctx, err))
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		if why := pendingOf(text); answer.StatusCode == http.StatusBadRequest && why != "" {
			return pendingError(why)
		}
		answer.Body = io.NopCloser(strings.NewReader(string(text)))
		return final(refusal(r, answer))
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(text, reply); err != nil {
		return unprocessable("%s: %v", withoutSecrets(address), err)
	}
	return nil
}

func loopback(host string) bool {
	address := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || address != nil && address.IsLoopback()
}

// final takes from an error that it may pass: what is secret is sent once.
func final(err error) error {
	if l := (later{}); errors.As(err, &l) {
		return l.error
	}
	return err
}

// pendingOf reads from an error of RFC 8628 §3.5 whether the user is not done: Tiled
// says it as a detail, others as such.
func pendingOf(body []byte) string {
	var doc struct {
		Error  string `json:"error"`
		Detail struct {
			Error string `json:"error"`
		} `json:"detail"`
	}
	_ = json.Unmarshal(body, &doc) // then it is another error
	for _, why := range []string{doc.Error, doc.Detail.Error} {
		if why == "authorization_pending" || why == "slow_down" {
			return why
		}
	}
	return ""
}
