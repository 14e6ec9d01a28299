// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/coding"
)

// Defaults of the options.
const (
	// DefaultParallel is how many requests one read has under way.
	DefaultParallel = 8
	// DefaultLimit bounds the body of one answer, in bytes once decoded.
	DefaultLimit = 1 << 30
	// DefaultWindow is about how many bytes of an array are asked for at a time.
	DefaultWindow = 16 << 20
)

// Client is a connection to one server. Use [Connect].
type Client struct {
	api       string // https://host/prefix/api/v1
	start     []string
	http      *http.Client
	auth      Authorizer
	agent     string
	retry     Retry
	parallel  int
	limit     int64
	window    int64
	codings   map[string]coding.Coding
	about     About
	transport http.RoundTripper
}

// Option sets one thing about a [Client].
type Option interface{ apply(*Client) error }

type option func(*Client) error

func (o option) apply(c *Client) error { return o(c) }

// WithAPIKey sends an API key with each request, as a header. It takes the place of a
// key in the URL. An empty key is none.
func WithAPIKey(key string) Option {
	return option(func(c *Client) error {
		if key == "" {
			return nil
		}
		if strings.TrimFunc(key, alphanumeric) != "" {
			return fmt.Errorf("API key: expected letters and digits only: %w", errdef.ErrInvalid)
		}
		c.auth = apiKey(key)
		return nil
	})
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// WithAuthorizer asks a for the credentials of each request, in place of an API key.
func WithAuthorizer(a Authorizer) Option {
	return option(func(c *Client) error { c.auth = a; return nil })
}

// WithTransport sends requests through t: an [httpcache.Transport], say. Nil is Go's
// own with up to 16 connections.
//
// [httpcache.Transport]: https://pkg.go.dev/github.com/terrazzo-data/terrazzo/httpcache#Transport
func WithTransport(t http.RoundTripper) Option {
	return option(func(c *Client) error { c.transport = t; return nil })
}

// WithRetry says how often and for how long a request is tried again.
func WithRetry(r Retry) Option {
	return option(func(c *Client) error { c.retry = r; return nil })
}

// WithParallel bounds the requests that one read has under way; less than 1 is
// [DefaultParallel].
func WithParallel(n int) Option {
	return option(func(c *Client) error {
		if n >= 1 {
			c.parallel = n
		}
		return nil
	})
}

// WithLimit bounds the body of one answer, in bytes once decoded; less than 1 is
// [DefaultLimit]. What is longer is errdef.ErrTooLarge.
func WithLimit(bytes int64) Option {
	return option(func(c *Client) error {
		if bytes >= 1 {
			c.limit = bytes
		}
		return nil
	})
}

// WithUserAgent names the program that asks.
func WithUserAgent(name string) Option {
	return option(func(c *Client) error { c.agent = name; return nil })
}

// Connect reads what the server says about itself. The URL may be that of the server,
// of its API, of a node's metadata, or of a node in the web page; the node that it
// names is where [Client.Open] begins. A key in the URL ("?api_key=") is taken out of
// it and used.
//
// Errors: errdef.ErrInvalid for what is no such URL, ErrUnavailable for a server that
// cannot be reached, ErrUnprocessable for one that is no Tiled server. Through a cache
// that is offline nothing need be known of the server: [Client.About] may be empty.
func Connect(ctx context.Context, rawURL string, options ...Option) (*Client, error) {
	place, err := ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		api: place.API, start: place.Path, agent: "terrazzo-client", parallel: DefaultParallel,
		limit: DefaultLimit, window: DefaultWindow, codings: map[string]coding.Coding{},
	}
	if err := WithAPIKey(place.Key).apply(c); err != nil {
		return nil, err
	}
	for _, o := range options {
		if err := o.apply(c); err != nil {
			return nil, err
		}
	}
	c.retry = c.retry.withDefaults()
	for _, name := range []string{"zstd", "gzip"} {
		if c.codings[name], err = coding.Parse(name); err != nil {
			return nil, err
		}
	}
	if c.transport == nil {
		c.transport = newTransport()
	}
	c.http = &http.Client{Transport: c.transport, CheckRedirect: follow}
	return c, c.readAbout(ctx)
}

// maxConnections is what Tiled's own client allows itself.
const maxConnections = 16

func newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, Protocols: protocols, MaxConnsPerHost: maxConnections,
		MaxIdleConnsPerHost: maxConnections, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute, DisableCompression: true,
	}
}

// About is what a server says about itself.
type About struct {
	// LibraryVersion is the release of Tiled whose protocol the server speaks.
	LibraryVersion string
	// Server is the server's own name and version if it is not Tiled, or "".
	Server string
	// Formats lists, by structure family or spec, the media types that are offered;
	// Aliases, by the same, the short names of media types.
	Formats map[string][]string
	Aliases map[string]map[string][]string
	// LoginRequired: nothing is shown to who has no key.
	LoginRequired bool
	// Providers are the ways to log in.
	Providers []Provider
	// links are those of the accounts' endpoints.
	links map[string]string
}

// Provider is one way to log in.
type Provider struct {
	Name string
	// Mode is "password" (or its older name "internal") or "external".
	Mode string
	// endpoint is where to log in; the others belong to a provider that is asked itself.
	endpoint, tokenEndpoint, clientID string
}

// About returns what the server said when the client connected.
func (c *Client) About() About { return c.about }

// URL is the address of the server's API, without credentials.
func (c *Client) URL() string { return c.api }

// Start is the path of the node that the URL given to [Connect] named.
func (c *Client) Start() []string { return append([]string{}, c.start...) }

// readAbout asks for the About document. It is let through without a key; whether the
// key is right shows with the first node.
func (c *Client) readAbout(ctx context.Context) error {
	doc, err := c.document(ctx, c.api+"/", nil)
	if errors.Is(err, ErrNotAvailableOffline) {
		// Servers do not want it kept, and nothing that is held needs it.
		return nil
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	about := object(doc)
	version, ok := about["library_version"].(string)
	if _, has := about["api_version"]; !ok || !has {
		return fmt.Errorf("connect: %s/ does not answer as a Tiled server does: %w", c.api, errdef.ErrUnprocessable)
	}
	c.about = About{LibraryVersion: version, Formats: map[string][]string{}, Aliases: map[string]map[string][]string{}}
	if server := object(about["server"]); server != nil {
		c.about.Server = strings.TrimSpace(text(server["name"]) + " " + text(server["version"]))
	}
	for family, list := range object(about["formats"]) {
		c.about.Formats[family] = texts(list)
	}
	for family, short := range object(about["aliases"]) {
		c.about.Aliases[family] = map[string][]string{}
		for kind, names := range object(short) {
			c.about.Aliases[family][kind] = texts(names)
		}
	}
	c.about.authentication(object(about["authentication"]))
	return nil
}

func (a *About) authentication(doc map[string]any) {
	a.LoginRequired, _ = doc["required"].(bool)
	a.links = map[string]string{}
	for name, link := range object(doc["links"]) {
		a.links[name] = text(link)
	}
	for _, p := range list(doc["providers"]) {
		provider := object(p)
		a.Providers = append(a.Providers, Provider{
			Name: text(provider["provider"]), Mode: text(provider["mode"]), endpoint: text(object(provider["links"])["auth_endpoint"]),
			tokenEndpoint: text(object(provider["links"])["token_endpoint"]), clientID: text(object(provider["links"])["client_id"]),
		})
	}
}

// Address is a URL taken apart.
type Address struct {
	// API is the address of the server's API, as [Client.URL] gives it.
	API string
	// Path is the node that the URL names, empty for the root.
	Path []string
	// Key is the API key in the URL, or "".
	Key string
}

// ParseURL finds the API and the node in a URL, as Tiled's client does, and in the
// address of a node in the web page. What is no such URL is errdef.ErrInvalid.
func ParseURL(raw string) (Address, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Address{}, fmt.Errorf("URL %q: expected http://host:port or https://host: %w", withoutSecrets(raw), errdef.ErrInvalid)
	}
	p := Address{Key: u.Query().Get("api_key")}
	before, node, _ := strings.Cut(u.EscapedPath(), "/metadata")
	if head, tail, ok := strings.Cut(before, "/ui"); ok && (tail == "" || tail[0] == '/') {
		before, node = head, strings.TrimPrefix(tail, "/browse")
	}
	before = strings.TrimRight(before, "/")
	switch {
	case !strings.Contains(before+"/", "/api/"):
		before += "/api/v1"
	case strings.HasSuffix(before, "/api"):
		before += "/v1"
	}
	for segment := range strings.SplitSeq(node, "/") {
		if segment == "" {
			continue
		}
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return Address{}, fmt.Errorf("URL: path segment %q: %w: %w", segment, err, errdef.ErrInvalid)
		}
		p.Path = append(p.Path, decoded)
	}
	p.API = u.Scheme + "://" + strings.ToLower(u.Host) + before
	return p, nil
}

// withoutSecrets is a URL for messages.
func withoutSecrets(raw string) string {
	before, _, found := strings.Cut(raw, "?")
	if found {
		before += "?…"
	}
	if scheme, rest, ok := strings.Cut(before, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 && !strings.Contains(rest[:at], "/") {
			before = scheme + "://" + rest[at+1:]
		}
	}
	return before
}
