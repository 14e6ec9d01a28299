// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/internal/admin"
)

// Admin shows and empties what is held, and switches airplane mode:
//
//	GET  /cache                     what is held and was done, as admin.Report
//	POST /cache/clear               forget everything
//	POST /cache/discard?path=a/b    forget a node and all below it (Tiled origins)
//	     ?url= ?prefix= ?group=&base=   forget what admin.Purge says
//	POST /offline?value=true        serve what is held and ask nobody; false ends it
//
// It has no lock of its own: see [admin.Serve].
func (p *Proxy) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cache", func(w http.ResponseWriter, _ *http.Request) { admin.Reply(w, p.report()) })
	mux.HandleFunc("POST /cache/clear", func(w http.ResponseWriter, r *http.Request) {
		if p.guard != nil {
			p.guard.forget("")
		}
		if err := p.cache.PurgeAll(r.Context()); err != nil {
			admin.Refuse(w, http.StatusInternalServerError, err.Error())
			return
		}
		admin.Reply(w, map[string]int{"discarded": 0})
	})
	mux.HandleFunc("POST /cache/discard", p.discard)
	mux.HandleFunc("POST /offline", func(w http.ResponseWriter, r *http.Request) {
		value, err := strconv.ParseBool(r.URL.Query().Get("value"))
		if err != nil {
			admin.Refuse(w, http.StatusBadRequest, "value: want true or false")
			return
		}
		p.SetOffline(value)
		admin.Reply(w, p.report())
	})
	return mux
}

func (p *Proxy) report() admin.Report {
	done, held := p.cache.Stats(), p.store.Stats()
	return admin.Report{Responses: &done, Store: &held, Offline: p.offline.Load()}
}

// discard forgets what the query names.
func (p *Proxy) discard(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	named, err := admin.Purge(r.Context(), p.cache, query)
	if path := strings.Trim(query.Get("path"), "/"); err == nil && path != "" {
		named++
		err = p.DiscardNode(r.Context(), path)
	}
	switch {
	case err != nil:
		admin.Refuse(w, http.StatusBadRequest, err.Error())
	case named == 0:
		admin.Refuse(w, http.StatusBadRequest, "name a path, url, prefix or group to give up; to give up everything use /cache/clear")
	default:
		admin.Reply(w, map[string]int{"discarded": 0, "purged": named})
	}
}

// DiscardNode forgets what is held of the node at path, "a/b", of all below it, and of the
// listings above it, at every address; and what was learnt about it. "" is the root.
func (p *Proxy) DiscardNode(ctx context.Context, path string) error {
	if p.guard != nil {
		p.guard.forget(path)
	}
	failed := p.cache.PurgeNamed(ctx, "tree "+path)
	for _, above := range ancestors(path) {
		failed = errors.Join(failed, p.cache.PurgeNamed(ctx, "node "+above))
	}
	return failed
}
