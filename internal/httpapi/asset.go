package httpapi

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
)

// asset finds the node and the asset that id names. Whether raw files may be
// had at all is said first.
func (c *call) asset() (adapter.AssetHolder, adapter.Asset, int, error) {
	if !c.ExposeRawAssets {
		return nil, adapter.Asset{}, 0, fmt.Errorf("this server does not give out files as they are (expose_raw_assets: false): %w", errdef.ErrForbidden)
	}
	id, err := c.number("id", -1, 0)
	if err != nil {
		return nil, adapter.Asset{}, 0, err
	}
	if id < 0 {
		return nil, adapter.Asset{}, 0, c.parameter("id", "it is missing; expected the id of an asset in data_sources")
	}
	// The node need not be readable: a broken file can still be fetched.
	a, err := catalog.Lookup(c.ctx, c.Root, c.path, c.Column)
	if err != nil {
		return nil, adapter.Asset{}, 0, err
	}
	holder, ok := adapter.As[adapter.AssetHolder](a)
	if !ok {
		return nil, adapter.Asset{}, 0, fmt.Errorf("the node at /%s has no files of its own: %w", strings.Join(c.path, "/"), errdef.ErrNotFound)
	}
	assets, err := holder.Assets(c.ctx)
	if err != nil {
		return nil, adapter.Asset{}, 0, err
	}
	if id < 1 || id > int64(len(assets)) {
		return nil, adapter.Asset{}, 0, fmt.Errorf("parameter id: the node at /%s has no asset %d: %w", strings.Join(c.path, "/"), id, errdef.ErrNotFound)
	}
	return holder, assets[id-1], int(id), nil
}

// assetBytes answers GET /asset/bytes/{path}: a file as it is, or a range of it.
func (c *call) assetBytes() error {
	holder, asset, id, err := c.asset()
	if err != nil {
		return err
	}
	relative, _ := c.one("relative_path")
	switch {
	case asset.Directory && relative == "":
		return invalid("parameter relative_path: the asset is a folder; name a file of asset/manifest")
	case !asset.Directory && relative != "":
		return invalid("parameter relative_path: the asset is a single file")
	}
	file, version, err := holder.OpenAsset(c.ctx, id, relative)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	name := relative
	if name == "" {
		name = asset.URI
	}
	c.serveFile(file, version, path.Base(name))
	return nil
}

func (c *call) serveFile(file adapter.File, version adapter.Version, name string) {
	h := c.w.Header()
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+safeName(name)+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	check := validate(version, "asset", name)
	c.headers(check, "")
	if check.tag == "" {
		c.r.Header.Del("Range") // parts of a file that is changing do not fit together
	}
	c.started = true
	http.ServeContent(&rangeGuard{ResponseWriter: c.w}, c.r, "", check.modified, &checkedFile{SectionReader: adapter.ReaderOf(file), unchanged: func() error {
		if f, ok := file.(interface{ Unchanged() error }); ok {
			return f.Unchanged()
		}
		return nil
	}})
}

// A rangeGuard answers a range that cannot be had as all other errors are.
type rangeGuard struct {
	http.ResponseWriter
	refused bool
}

func (w *rangeGuard) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *rangeGuard) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.refused = true
		h := w.Header()
		h.Set("Content-Type", "application/json")
		for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Length"} {
			h.Del(name)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *rangeGuard) Write(p []byte) (int, error) {
	if !w.refused {
		return w.ResponseWriter.Write(p)
	}
	if _, err := io.WriteString(w.ResponseWriter, `{"detail":"header Range: no such range in this file; its size is in Content-Range"}`); err != nil {
		return 0, err
	}
	return len(p), nil
}

// A checkedFile looks, before it gives bytes away, whether the file is still
// what it was: also those of a range, which need not reach its end. If not, the
// answer ends too short, which a client sees.
type checkedFile struct {
	*io.SectionReader
	unchanged func() error
}

func (f *checkedFile) Read(p []byte) (int, error) {
	n, err := f.SectionReader.Read(p)
	if n > 0 {
		if changed := f.unchanged(); changed != nil {
			return 0, changed
		}
	}
	return n, err
}

// assetManifest answers GET /asset/manifest/{path}.
func (c *call) assetManifest() error {
	holder, asset, id, err := c.asset()
	if err != nil {
		return err
	}
	if !asset.Directory {
		return invalid("parameter id: asset %s is a file; only folders have a manifest", strconv.Itoa(id))
	}
	files, err := holder.Manifest(c.ctx, id)
	if err != nil {
		return err
	}
	return c.document(validator{}, map[string]any{"manifest": files})
}
