package httpapi

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/auth"
)

// A route is one endpoint. The same table dispatches requests and writes the
// OpenAPI document, so that the two cannot disagree.
type route struct {
	// name is the endpoint's in metrics, "array/full".
	name string
	// parts are the segments of prefix.
	parts []string
	// prefix is its path, behind which the node's path follows if node.
	prefix string
	node   bool
	// post says that POST is allowed beside GET, with a JSON list of names.
	post bool
	// open says that it is answered without a key; scope is what it needs.
	open  bool
	scope auth.Scope
	// direct says that it answers without asking for a validator first.
	direct  bool
	summary string
	params  []string
	handle  handler
}

const api = "/api/v1"

// table returns all routes. Longer prefixes stand before shorter ones.
func (a *API) table() []route {
	listing := []string{"fields", "select_metadata", "max_depth", "omit_links", "include_data_sources"}
	page := append(slices.Clone(listing), "page[offset]", "page[cursor]", "page[limit]", "sort")
	data := []string{"format", "filename"}
	return []route{
		{name: "about", prefix: api, open: true, direct: true, summary: "What this server is and can do", handle: (*call).about},
		{name: "metadata", prefix: api + "/metadata", node: true, scope: auth.ReadMetadata, params: append(slices.Clone(listing), "root_path"), summary: "Metadata and structure of one node", handle: (*call).metadata},
		{name: "search", prefix: api + "/search", node: true, scope: auth.ReadMetadata, params: page, summary: "Members of a container, filtered, sorted, in pages", handle: (*call).search},
		{name: "search-deep", prefix: api + "/search-deep", node: true, scope: auth.ReadMetadata, params: page, summary: "Members at any depth below a container", handle: (*call).searchDeep},
		{name: "distinct", prefix: api + "/distinct", node: true, scope: auth.ReadMetadata, params: []string{"metadata", "structure_families", "specs", "counts"}, summary: "Distinct values among the members of a container", handle: (*call).distinct},
		{name: "revisions", prefix: api + "/revisions", node: true, scope: auth.ReadMetadata, summary: "Earlier metadata of a node; files have none", handle: (*call).revisions},
		{name: "array/full", prefix: api + "/array/full", node: true, scope: auth.ReadData, params: append([]string{"slice", "expected_shape"}, data...), summary: "A slice of an array", handle: (*call).arrayFull},
		{name: "array/block", prefix: api + "/array/block", node: true, scope: auth.ReadData, params: append([]string{"block", "slice", "expected_shape"}, data...), summary: "One chunk of an array, or a slice of it", handle: (*call).arrayBlock},
		{name: "table/full", prefix: api + "/table/full", node: true, post: true, scope: auth.ReadData, params: append([]string{"column"}, data...), summary: "All rows of a table", handle: (*call).tableFull},
		{name: "table/partition", prefix: api + "/table/partition", node: true, post: true, scope: auth.ReadData, params: append([]string{"partition", "column"}, data...), summary: "One partition of a table", handle: (*call).tablePartition},
		{name: "container/full", prefix: api + "/container/full", node: true, post: true, scope: auth.ReadData, params: append([]string{"field"}, data...), summary: "A container as one document", handle: (*call).containerFull},
		{name: "node/full", prefix: api + "/node/full", node: true, post: true, scope: auth.ReadData, params: append([]string{"field"}, data...), summary: "A table or container as a whole (deprecated)", handle: (*call).nodeFull},
		{name: "asset/bytes", prefix: api + "/asset/bytes", node: true, scope: auth.ReadData, params: []string{"id", "relative_path"}, direct: true, summary: "A file behind a node, as it is; with ranges", handle: (*call).assetBytes},
		{name: "asset/manifest", prefix: api + "/asset/manifest", node: true, scope: auth.ReadData, params: []string{"id"}, direct: true, summary: "The files in a folder behind a node", handle: (*call).assetManifest},
		{name: "metrics", prefix: api + "/metrics", scope: auth.Metrics, direct: true, summary: "Counters for Prometheus", handle: (*call).metrics},
		{name: "docs", prefix: api + "/docs", open: true, direct: true, summary: "This interface as a page", handle: (*call).docs},
		{name: "zarr/v2", prefix: "/zarr/v2", node: true, scope: auth.ReadData, summary: "The tree as Zarr version 2 groups and arrays", handle: (*call).zarrV2},
		{name: "zarr/v3", prefix: "/zarr/v3", node: true, scope: auth.ReadData, summary: "The tree as Zarr version 3 groups and arrays", handle: (*call).zarrV3},
		{name: "healthz", prefix: "/healthz", open: true, direct: true, summary: "Whether the server is ready", handle: (*call).healthz},
		{name: "ui-settings", prefix: "/tiled-ui-settings", open: true, direct: true, summary: "Settings of the web page", handle: (*call).uiSettings},
		{name: "openapi", prefix: "/openapi.json", open: true, direct: true, summary: "This interface as an OpenAPI document", handle: (*call).openapi},
		{name: "docs", prefix: "/docs", open: true, direct: true, summary: "This interface as a page", handle: (*call).docs},
		{name: "ui", prefix: "/ui", node: true, open: true, direct: true, summary: "The web page", handle: (*call).page},
		{name: "landing", prefix: "/", open: true, direct: true, summary: "The way to the web page", handle: (*call).landing},
	}
}

// match finds the route for a path, and returns the segments behind its prefix.
// With a method that the route does not have, it returns the route and the error.
// Doubled slashes count as one, and are never redirected: clients would turn a
// redirected POST into a GET.
func (a *API) match(method, path string) (*route, []string, error) {
	parts := segments(path)
	if len(parts) < len(a.root) || !slices.Equal(parts[:len(a.root)], a.root) {
		return nil, nil, fmt.Errorf("%s: this server answers under %s/: %w", quoted(path), a.RootPath, errdef.ErrNotFound)
	}
	parts = parts[len(a.root):]
	for i := range a.routes {
		rt := &a.routes[i]
		if len(parts) < len(rt.parts) || !slices.Equal(parts[:len(rt.parts)], rt.parts) || !rt.node && len(parts) != len(rt.parts) {
			continue
		}
		return rt, parts[len(rt.parts):], rt.allows(method)
	}
	return nil, nil, fmt.Errorf("%s: no such endpoint; %s/docs lists them: %w", quoted(path), a.RootPath, errdef.ErrNotFound)
}

func (rt *route) allows(method string) error {
	if method == http.MethodGet || method == http.MethodHead || rt.post && method == http.MethodPost {
		return nil
	}
	return fmt.Errorf("%.20s %s: this server serves files for reading; allowed are %s: %w", method, rt.prefix, rt.methods(), errdef.ErrNotAllowed)
}

// methods are those that the route has, as the Allow field lists them.
func (rt *route) methods() string {
	if rt.post {
		return "GET, HEAD, POST"
	}
	return "GET, HEAD"
}

// quoted shortens what a client sent for use in a message.
func quoted(text string) string {
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return fmt.Sprintf("%q", text)
}
