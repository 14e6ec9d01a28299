// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// aboutEvery is how often the About page is asked for in the proxy's own name.
const aboutEvery = time.Minute

// keeper has the cache hold the About page. Tiled's client begins with it and asks for
// it with no-store, so that the answer it gets may not be kept; offline it cannot begin
// without. So the proxy asks for it itself, without credentials, beside the client.
type keeper struct {
	next http.Handler

	mu   sync.Mutex // guards following
	last map[string]time.Time
	work sync.WaitGroup
}

// maxForms bounds how many forms of the page are kept.
const maxForms = 16

// keep asks for the form of the page that r asks for, unless that was done lately.
func (k *keeper) keep(r *http.Request) {
	if r.URL.Path != api || r.Method != http.MethodGet {
		return
	}
	form := variant(r) + "\t" + r.Host
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, ok := k.last[form]; ok && time.Since(at) < aboutEvery || !ok && len(k.last) >= maxForms {
		return
	}
	k.last[form] = time.Now()
	own := r.Clone(context.WithoutCancel(r.Context()))
	for _, name := range []string{"Authorization", "Cookie", "Cache-Control", "Pragma", "If-None-Match"} {
		own.Header.Del(name)
	}
	own.URL.RawQuery, own.RequestURI = "", ""
	k.work.Go(func() { k.next.ServeHTTP(&nobody{header: http.Header{}}, own) })
}

// wait waits for what is under way.
func (k *keeper) wait() { k.work.Wait() }

// nobody is a client that throws everything away.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { return n.header }
func (n *nobody) WriteHeader(int)             {}
func (n *nobody) Write(p []byte) (int, error) { return len(p), nil }
