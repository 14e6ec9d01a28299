// Package auth says who is asking and what they may do.
//
// One server has one API key. Who shows it may do everything that this server
// can; who shows nothing may read where anonymous access is allowed, and who
// shows anything else is refused, also on a public server: a client that
// believes to be logged in must not be left in that belief.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Scope is one thing that somebody may do, in Tiled's words.
type Scope string

// The scopes that reading needs.
const (
	ReadMetadata Scope = "read:metadata"
	ReadData     Scope = "read:data"
	Metrics      Scope = "metrics"
)

// KeyCookie is the cookie that carries the API key in a browser.
const KeyCookie = "tiled_api_key"

// Principal is who asks. It is shared and must not be written to.
type Principal struct {
	// Name tells principals apart: "anonymous" or "key".
	Name string
	// Scopes are what the principal may do.
	Scopes []Scope
}

// May tells whether the principal has the scope.
func (p Principal) May(s Scope) bool { return slices.Contains(p.Scopes, s) }

// Policy is the authentication of one server. It is safe for concurrent use.
type Policy struct {
	keyHash [sha256.Size]byte
	hasKey  bool
	public  bool
	// anonymous and owner are shared by all that ask.
	anonymous, owner Principal
}

// New returns a policy with one API key, which may be empty for none, and with
// or without anonymous reading. Tiled's clients carry a key of letters and
// digits only; any other is errdef.ErrInvalid.
func New(key string, public bool) (*Policy, error) {
	for _, r := range key {
		if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", r) {
			return nil, fmt.Errorf("the API key may hold only letters and digits (a good one: openssl rand -hex 32): %w", errdef.ErrInvalid)
		}
	}
	p := &Policy{
		keyHash: sha256.Sum256([]byte(key)), hasKey: key != "", public: public,
		anonymous: Principal{Name: "anonymous"},
		owner:     Principal{Name: "key", Scopes: []Scope{ReadMetadata, ReadData, Metrics}},
	}
	if public {
		p.anonymous.Scopes = []Scope{ReadMetadata, ReadData}
	}
	return p, nil
}

// NewKey returns a random key of 64 hexadecimal digits.
func NewKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand does not fail
	return hex.EncodeToString(b[:])
}

// Public tells whether anonymous reading is allowed.
func (p *Policy) Public() bool { return p.public }

// Authenticate says who sent the request: by the query parameter api_key, else
// the Authorization header, else the cookie. What is not the key is
// errdef.ErrUnauthenticated, another scheme errdef.ErrInvalid.
func (p *Policy) Authenticate(h http.Header, query url.Values) (Principal, error) {
	key, shown, err := credentials(h, query)
	if err != nil {
		return Principal{}, err
	}
	if !shown {
		return p.anonymous, nil
	}
	sum := sha256.Sum256([]byte(key))
	if !p.hasKey || subtle.ConstantTimeCompare(sum[:], p.keyHash[:]) != 1 {
		return Principal{}, fmt.Errorf("Invalid API key: %w", errdef.ErrUnauthenticated) //nolint:staticcheck // the text that Tiled's clients and users know
	}
	return p.owner, nil
}

func credentials(h http.Header, query url.Values) (key string, shown bool, err error) {
	if query.Has("api_key") {
		return query.Get("api_key"), true, nil
	}
	if value := h.Get("Authorization"); value != "" {
		scheme, key, _ := strings.Cut(value, " ")
		switch strings.ToLower(scheme) {
		case "apikey":
			return strings.TrimSpace(key), true, nil // without a key it is a wrong one
		case "bearer":
			return "", true, nil // a token of a login that this server does not have: refused as a wrong key is
		}
		return "", false, fmt.Errorf("authorization: expected the scheme 'Apikey', as in 'Authorization: Apikey KEY': %w", errdef.ErrInvalid)
	}
	if len(h["Cookie"]) == 0 {
		return "", false, nil
	}
	r := http.Request{Header: h}
	if c, err := r.Cookie(KeyCookie); err == nil && c.Value != "" {
		return c.Value, true, nil
	}
	return "", false, nil
}
