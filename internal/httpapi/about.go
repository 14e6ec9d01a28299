package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/coding"
	"github.com/terrazzo-data/terrazzo/internal/document"
)

// tiledVersion is the release of Tiled whose protocol this is. Clients compare
// it with the versions in which things changed.
const tiledVersion = "0.2.20"

// about answers GET /api/v1/: what clients ask first.
func (c *call) about() error {
	queries := []string{
		"comparison", "contains", "eq", "fulltext", "in", "keypresent", "keys_filter", "like", "lookup", "noteq", "notin", "regex", "specs", "structure_family",
	}
	// A browser that has shown its key once is let in by its cookie: the web
	// page would otherwise send it to a login that there is none of.
	required := !c.Auth.Public()
	if who, err := c.Auth.Authenticate(c.r.Header, c.query); err == nil && who.May(auth.ReadMetadata) {
		required = false
	}
	base := c.base()
	doc := document.Object{
		{Key: "api_version", Value: int64(0)},
		{Key: "library_version", Value: tiledVersion},
		{Key: "formats", Value: c.Media.Formats()},
		{Key: "aliases", Value: c.Media.Aliases()},
		{Key: "queries", Value: queries},
		{Key: "authentication", Value: map[string]any{"required": required, "providers": []any{}, "links": nil}},
		{Key: "links", Value: map[string]any{"self": base, "documentation": base + "/docs"}},
		{Key: "meta", Value: map[string]any{"root_path": c.RootPath + "/api"}},
		{Key: "server", Value: map[string]any{"name": "Terrazzo", "version": c.Version}},
	}
	c.setCSRF()
	return c.document(validator{}, doc)
}

// healthz answers GET /healthz.
func (c *call) healthz() error {
	return c.document(validator{}, map[string]any{"status": "ready"})
}

// metrics answers GET /api/v1/metrics.
func (c *call) metrics() error {
	if c.MetricsHandler == nil {
		return fmt.Errorf("metrics: this server keeps none: %w", errdef.ErrNotFound)
	}
	c.started = true
	c.MetricsHandler.ServeHTTP(c.w, c.r)
	return nil
}

// Class is how far away the client is, as far as a trusted proxy or the
// connection says: the content coding of an answer depends on it.
func (a *API) Class(r *http.Request) coding.Class {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return coding.Slow
	}
	client := address.Addr()
	if forwarded := r.Header.Get("X-Forwarded-For"); forwarded != "" && a.trusted(r) {
		list := strings.Split(forwarded, ",")
		if client, err = netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err != nil {
			return coding.Slow
		}
	}
	return coding.ClassOf(client)
}
