// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/store"
)

const (
	// maxKnown bounds the credentials whose owner is remembered in memory.
	maxKnown = 1024
	// askAgain is how long an owner who could not be found out is not asked for again.
	askAgain = time.Minute
)

// known remembers who stands behind which credentials.
type known struct {
	mu     sync.Mutex // guards following
	owners map[string]*owner
}

// owner is who stands behind credentials. Those who come while it is found out wait.
type owner struct {
	mu    sync.Mutex // guards following
	name  string
	again time.Time
}

func (k *known) of(credentials string) *owner {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.owners[credentials]
	if o == nil {
		if k.owners == nil || len(k.owners) >= maxKnown {
			k.owners = map[string]*owner{}
		}
		o = &owner{}
		k.owners[credentials] = o
	}
	return o
}

// owner is the name behind credentials, of which there is but a digest here, or "" if it
// is not known. What was found out once is kept beside the answers, so that yesterday's
// are found offline by who shows yesterday's token.
func (t *Transport) owner(r *http.Request, credentials string, ask bool) string {
	o := t.known.of(credentials)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.name != "" {
		return o.name
	}
	key := store.Key("w:" + credentials)
	if v, err := t.o.Store.Get(r.Context(), key); err == nil {
		o.name = string(v.Header)
		v.Release()
		return o.name
	}
	if !ask || t.offline() || time.Now().Before(o.again) {
		return ""
	}
	name, err := t.o.Identify(r)
	if err != nil || name == "" {
		o.again = time.Now().Add(askAgain)
		if err != nil {
			t.o.Logger.LogAttrs(r.Context(), slog.LevelDebug, "who asks is not known; the credentials stand for themselves", slog.String("error", err.Error()))
		}
		return ""
	}
	o.name = name
	t.storeFailed(t.remember(r.Context(), key, name))
	return name
}

func (t *Transport) remember(ctx context.Context, key store.Key, name string) error {
	w, err := t.o.Store.Put(ctx, key, store.Meta{Header: []byte(name), Groups: []string{groupAll}})
	if err != nil {
		return err
	}
	defer w.Abort()
	return w.Commit()
}
