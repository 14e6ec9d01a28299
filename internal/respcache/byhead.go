// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// byHead learns from the answer to a HEAD about the stored answer to a GET (RFC 9111
// §4.3.5): one that fits makes it fresher, one that does not shows that it is no longer
// what the origin has.
func (x *exchange) byHead(held *response, h http.Header, asked time.Time, mark uint64) {
	c := x.c
	now := time.Now()
	if !fits(held, h) {
		// Whoever asked may be gone; the stored response is untrue all the same.
		if err := c.purge(context.WithoutCancel(x.ctx), []string{c.urlGroup(x.id.url)}); err != nil {
			c.o.Logger.LogAttrs(x.ctx, slog.LevelWarn, "an outdated response may still be served", slog.String("error", err.Error()))
		}
		return
	}
	k := &capture{x: x, f: &flight{held: held, asked: asked, mark: mark}}
	p := k.refreshed(h, now)
	q := x.q
	q.Method = http.MethodGet
	if storable, _ := c.o.Policy.Storable(&q, &p.Response); storable && k.renews(p) {
		c.keep(x.key, x.r, p, nil, mark)
	}
}

// fits tells whether a head could be that of the stored body.
func fits(held *response, h http.Header) bool {
	if length := h.Get("Content-Length"); length != "" && length != strconv.FormatInt(held.size, 10) {
		return false
	}
	for _, name := range []string{"Etag", "Last-Modified"} {
		if now := h.Get(name); now != "" && now != held.header.Get(name) {
			return false
		}
	}
	return true
}
