package auth_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/auth"
)

func policy(tb testing.TB, key string, public bool) *auth.Policy {
	tb.Helper()
	p, err := auth.New(key, public)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func TestAuthenticate(t *testing.T) {
	const everything, reading, nothing = "read:metadata read:data metrics", "read:metadata read:data", ""
	for _, c := range []struct {
		name             string
		header           http.Header
		query            string
		private, public  string // the scopes
		privErr, publErr error
	}{
		{"nothing shown", header(), "", nothing, reading, nil, nil},
		{"header", header("Authorization: Apikey secret"), "", everything, everything, nil, nil},
		{"scheme in capitals", header("Authorization: APIKEY secret"), "", everything, everything, nil, nil},
		{"spaces", header("Authorization: Apikey   secret "), "", everything, everything, nil, nil},
		{"query", header(), "api_key=secret", everything, everything, nil, nil},
		{"cookie", header("Cookie: a=b; tiled_api_key=secret; c=d"), "", everything, everything, nil, nil},
		{"empty cookie", header("Cookie: tiled_api_key="), "", nothing, reading, nil, nil},
		{"wrong header", header("Authorization: Apikey secrets"), "", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
		{"wrong query", header(), "api_key=Secret", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
		{"empty query", header(), "api_key=", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
		{"wrong cookie", header("Cookie: tiled_api_key=x"), "", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
		{"no key", header("Authorization: Apikey"), "", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
		{"token", header("Authorization: Bearer secret"), "", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
		{"other scheme", header("Authorization: Basic secret"), "", "", "", errdef.ErrInvalid, errdef.ErrInvalid},
		{"no scheme", header("Authorization: secret"), "", "", "", errdef.ErrInvalid, errdef.ErrInvalid},
		{"query before header", header("Authorization: Apikey secret"), "api_key=x", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
		{"header before cookie", header("Authorization: Apikey x", "Cookie: tiled_api_key=secret"), "", "", "", errdef.ErrUnauthenticated, errdef.ErrUnauthenticated},
	} {
		query, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		for _, public := range []bool{false, true} {
			want, wantErr := c.private, c.privErr
			if public {
				want, wantErr = c.public, c.publErr
			}
			p := policy(t, "secret", public)
			who, err := p.Authenticate(c.header, query)
			var scopes []string
			for _, s := range who.Scopes {
				scopes = append(scopes, string(s))
			}
			if !errors.Is(err, wantErr) || strings.Join(scopes, " ") != want {
				t.Errorf("%s, public %v: %v, %v; want %q, %v", c.name, public, who, err, want, wantErr)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the key is in the error: %v", c.name, err)
			}
			if p.Public() != public || who.May(auth.Metrics) != strings.Contains(want, "metrics") {
				t.Errorf("%s: public %v, metrics %v", c.name, p.Public(), who.May(auth.Metrics))
			}
		}
	}
}

// TestNoKey: a server without a key lets nobody in by an empty one.
func TestNoKey(t *testing.T) {
	p := policy(t, "", true)
	for _, h := range []http.Header{header("Authorization: Apikey"), header("Authorization: Apikey x"), header("Authorization: Bearer x")} {
		if who, err := p.Authenticate(h, nil); !errors.Is(err, errdef.ErrUnauthenticated) {
			t.Errorf("%v: %v, %v", h, who, err)
		}
	}
	if who, err := p.Authenticate(header(), url.Values{"api_key": {""}}); !errors.Is(err, errdef.ErrUnauthenticated) {
		t.Errorf("an empty key: %v, %v", who, err)
	}
}

func TestKeys(t *testing.T) {
	for _, key := range []string{"has space", "ü", "a-b", "a_b", "x\n", "a;b", "%41"} {
		if _, err := auth.New(key, false); !errors.Is(err, errdef.ErrInvalid) || strings.Contains(err.Error(), key) {
			t.Errorf("%q: %v", key, err)
		}
	}
	var keys []string
	for range 100 {
		key := auth.NewKey()
		if _, err := auth.New(key, false); err != nil || len(key) != 64 {
			t.Errorf("%q: %v", key, err)
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 100 {
		t.Error("a key was made twice")
	}
}
