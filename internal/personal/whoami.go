// SPDX-License-Identifier: BSD-3-Clause

package personal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// whoTime bounds the question who a token is of, maxWho the answer.
	whoTime = 10 * time.Second
	maxWho  = 1 << 20
)

// Identify is [httpcache.Options].Identify for the users of a Tiled server: it asks the
// server itself, through next, whose an access token is, and gives the name that stays
// when the token is renewed. What a token says of itself is not looked at: nobody here
// could verify it. Keys, whose rights may be fewer than their owner's, stand for
// themselves: they, and tokens that the server refuses, are "".
func Identify(origin string, next http.RoundTripper) (func(*http.Request) (string, error), error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("proxy: origin %q: %w: %w", origin, err, errdef.ErrInvalid)
	}
	address := u.JoinPath("api", "v1", "auth", "whoami").String()
	return func(r *http.Request) (string, error) {
		values := r.Header["Authorization"]
		scheme, _, _ := strings.Cut(strings.Join(values, ","), " ")
		if len(values) != 1 || !strings.EqualFold(scheme, "Bearer") || r.URL.User != nil || r.URL.Query().Has("api_key") {
			return "", nil
		}
		ctx, cancel := context.WithTimeout(r.Context(), whoTime)
		defer cancel()
		return ask(ctx, address, values[0], next)
	}, nil
}

func ask(ctx context.Context, address, credentials string, next http.RoundTripper) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", credentials)
	r.Header.Set("Accept", "application/json")
	answer, err := next.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode != http.StatusOK {
		return "", nil
	}
	var who struct {
		UUID string `json:"uuid"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxWho)).Decode(&who); err != nil {
		return "", fmt.Errorf("whoami: %w", err)
	}
	if who.UUID == "" {
		return "", nil
	}
	// As `terrazzo login` is told it: so one cache serves the command line and this proxy.
	return "principal:" + strings.ReplaceAll(who.UUID, "-", ""), nil
}
