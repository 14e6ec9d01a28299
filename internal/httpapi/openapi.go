package httpapi

import (
	"context"
	"html/template"
	"io"
	"strings"

	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/document"
)

// parameterTexts say what each parameter means.
func parameterTexts() map[string]string {
	return map[string]string{
		"fields": "parts of the document that are wanted, repeated; empty for none", "select_metadata": "JMESPath expression that picks parts of the metadata",
		"max_depth": "how deep members are shown or searched", "omit_links": "leave out the links", "include_data_sources": "show the files behind a node",
		"root_path": "show the root path in meta", "page[offset]": "place of the first item", "page[cursor]": "from an earlier page's link; instead of an offset",
		"page[limit]": "items on a page, at most 300", "sort": "dotted metadata key or id, repeated, '-' before it for descending", "metadata": "dotted metadata key, repeated",
		"structure_families": "list the structure families", "specs": "list the specs", "counts": "count each value", "slice": "numpy slice like ::2,10:20",
		"expected_shape": "numbers like 10,20, or scalar: refuse another shape", "block": "chunk index like 0,1", "format": "media type or file extension, before Accept",
		"filename": "name under which a browser saves the answer", "partition": "number of the partition", "column": "column name, repeated; all if none",
		"field": "member or column name, repeated; all if none", "id": "id of the asset in data_sources", "relative_path": "file within an asset that is a folder",
	}
}

// openapi answers GET /openapi.json, made from the table of routes.
func (c *call) openapi() error {
	texts := parameterTexts()
	paths := document.Object{}
	for _, rt := range c.routes {
		at := rt.prefix
		var parameters []any
		if rt.node {
			at += "/{path}"
			parameters = append(parameters, map[string]any{"name": "path", "in": "path", "required": true, "schema": map[string]any{"type": "string"}, "description": "keys from the root, joined by slashes"})
		}
		for _, p := range rt.params {
			parameters = append(parameters, map[string]any{"name": p, "in": "query", "required": false, "schema": map[string]any{"type": "string"}, "description": texts[p]})
		}
		if rt.name == "search" || rt.name == "search-deep" || rt.name == "distinct" {
			parameters = append(parameters, filterParameters()...)
		}
		operation := document.Object{
			{Key: "summary", Value: rt.summary},
			{Key: "parameters", Value: parameters},
			{Key: "responses", Value: map[string]any{
				"200":     map[string]any{"description": "the answer"},
				"default": map[string]any{"description": "an error", "content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Error"}}}},
			}},
		}
		if !rt.open {
			operation = append(operation, document.Pair{Key: "security", Value: []any{map[string]any{"key": []any{}}, map[string]any{"query": []any{}}}})
		}
		item := document.Object{{Key: "get", Value: operation}}
		if rt.post {
			item = append(item, document.Pair{Key: "post", Value: append(document.Object{{Key: "requestBody", Value: map[string]any{
				"content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}},
			}}}, operation...)})
		}
		paths = append(paths, document.Pair{Key: at, Value: item})
	}
	return c.document(validator{}, document.Object{
		{Key: "openapi", Value: "3.1.0"},
		{Key: "info", Value: map[string]any{"title": "Terrazzo", "version": c.Version, "description": "Chunked arrays, tables and containers of them, in the protocol of Tiled " + tiledVersion + "."}},
		{Key: "servers", Value: []any{map[string]any{"url": c.origin()}}},
		{Key: "paths", Value: paths},
		{Key: "components", Value: map[string]any{
			"schemas": map[string]any{"Error": map[string]any{"type": "object", "required": []any{"detail"}, "properties": map[string]any{"detail": map[string]any{"type": "string"}}}},
			"securitySchemes": map[string]any{
				"key":   map[string]any{"type": "apiKey", "in": "header", "name": "Authorization", "description": "Apikey, a space, and the key"},
				"query": map[string]any{"type": "apiKey", "in": "query", "name": "api_key"},
			},
		}},
	})
}

func filterParameters() []any {
	var out []any
	for _, name := range catalog.FilterParameters() {
		out = append(out, map[string]any{"name": name, "in": "query", "required": false, "schema": map[string]any{"type": "string"}, "description": "a filter; the fields of one filter go together"})
	}
	return out
}

//nolint:gochecknoglobals // parsed once
var docsPage = template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Terrazzo: HTTP interface</title>
<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}code{font-size:14px}dt{margin-top:1rem}dd{color:#444}li{list-style:none}</style>
<h1>HTTP interface</h1>
<p>Reading chunked arrays and tables in the protocol of Tiled {{.Tiled}}. As data: <a href="{{.Root}}/openapi.json">openapi.json</a>.</p>
<dl>{{range .Routes}}<dt><code>GET{{if .Post}}, POST{{end}} {{.Path}}</code>{{if .Open}} (open){{end}}</dt><dd>{{.Summary}}{{if .Params}}<ul>{{range .Params}}<li><code>{{.Name}}</code>: {{.Text}}</li>{{end}}</ul>{{end}}</dd>{{end}}</dl>
</html>`))

// docs answers GET /docs: the table of routes for people.
func (c *call) docs() error {
	type param struct{ Name, Text string }
	type entry struct {
		Path, Summary string
		Post, Open    bool
		Params        []param
	}
	texts := parameterTexts()
	page := struct {
		Tiled, Root string
		Routes      []entry
	}{Tiled: tiledVersion, Root: c.RootPath}
	for _, rt := range c.routes {
		e := entry{Path: c.RootPath + rt.prefix, Summary: rt.summary, Post: rt.post, Open: rt.open}
		if rt.node {
			e.Path += "/{path}"
		}
		for _, p := range rt.params {
			e.Params = append(e.Params, param{p, texts[p]})
		}
		page.Routes = append(page.Routes, e)
	}
	var text strings.Builder
	if err := docsPage.Execute(&text, page); err != nil {
		return err
	}
	plain, err := c.negotiateCoding("text/html", int64(text.Len()))
	if err != nil {
		return err
	}
	return c.send(validator{}, body{contentType: "text/html; charset=utf-8", size: int64(text.Len()), typeSize: 1, coding: plain, encode: func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, text.String())
		return err
	}})
}
