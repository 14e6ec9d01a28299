// Package admin is the listener at which whoever runs a server or a proxy looks at its
// caches and empties them: a socket of its own or a port of loopback, behind a key other
// than that of the data.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/store"
)

const (
	headerTime  = 10 * time.Second
	headerBytes = 64 << 10
)

// Report is what a listener says of a cache of responses.
type Report struct {
	Responses *respcache.Stats `json:"response_cache,omitempty"`
	Store     *store.Stats     `json:"response_store,omitempty"`
	// Offline: the proxy serves what is held and asks nobody.
	Offline bool `json:"offline,omitempty"`
}

// Locked lets in who shows the key as "Authorization: Apikey KEY". On a unix socket, which
// its folder and its mode protect, none need be set: an empty key lets everybody in.
func Locked(key string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(key))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(shown))
		if key != "" && subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			Refuse(w, http.StatusUnauthorized, "the admin key is needed: Authorization: Apikey KEY")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Reply answers with a document.
func Reply(w http.ResponseWriter, doc any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc) // nobody to tell
}

// Refuse answers with an error.
func Refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"detail": detail}) // nobody to tell
}

// Purge forgets the responses that a query names, each by a parameter that may be
// repeated: url (absolute, without credentials), prefix (a URL that ends in a slash), and
// group with base (a cache group of RFC 9875 of the origin at that base URL). It returns
// how many were named; what cannot be read is errdef.ErrInvalid, and then nothing of it
// is forgotten.
func Purge(ctx context.Context, c *respcache.Cache, query url.Values) (int, error) {
	named := 0
	for _, text := range query["prefix"] {
		named++
		if err := c.PurgePrefix(ctx, text); err != nil {
			return named, err
		}
	}
	for _, text := range query["url"] {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return named, fmt.Errorf("url %q: want an absolute URL, as clients use it: %w", text, errdef.ErrInvalid)
		}
		named++
		if err := c.PurgeURL(ctx, text); err != nil {
			return named, err
		}
	}
	for _, group := range query["group"] {
		base := strings.TrimRight(query.Get("base"), "/")
		if base == "" {
			return named, fmt.Errorf("group %q: base is missing, the address of the origin that the group is of: %w", group, errdef.ErrInvalid)
		}
		named++
		if err := c.PurgeGroup(ctx, base, group); err != nil {
			return named, err
		}
	}
	return named, nil
}

// Listen opens what address names: unix:PATH, or HOST:PORT of loopback, which needs a key.
// Anything else is errdef.ErrInvalid.
func Listen(ctx context.Context, address, key string) (net.Listener, error) {
	var l net.ListenConfig
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		listener, err := l.Listen(ctx, "unix", path)
		if err != nil {
			return nil, fmt.Errorf("--admin: %w", err)
		}
		return listener, os.Chmod(path, 0o600)
	}
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil || !at.Addr().IsLoopback():
		return nil, fmt.Errorf("--admin: %q is neither unix:PATH nor an address of loopback like 127.0.0.1:9000: %w", address, errdef.ErrInvalid)
	case key == "":
		return nil, fmt.Errorf("--admin: a port needs a key of its own, in TERRAZZO_ADMIN_KEY; a unix socket needs none: %w", errdef.ErrInvalid)
	}
	listener, err := l.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	return listener, nil
}

// Serve runs a listener at address until ctx ends, if address is not empty; the returned
// function waits for its end.
func Serve(ctx context.Context, address, key string, h http.Handler) (wait func() error, err error) {
	if address == "" {
		return func() error { return nil }, nil
	}
	listener, err := Listen(ctx, address, key)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: Locked(key, h), ReadHeaderTimeout: headerTime, MaxHeaderBytes: headerBytes}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return func() error {
		<-ctx.Done()
		err := server.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
