package httpapi

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/auth"
)

// CSRFCookie is the cookie that Tiled's clients echo with what they change. It
// lets nobody in.
const CSRFCookie = "tiled_csrf"

// setCSRF gives a client its token, if it has none.
func (c *call) setCSRF() {
	if _, err := c.r.Cookie(CSRFCookie); err == nil {
		return
	}
	var token [32]byte
	_, _ = rand.Read(token[:]) // crypto/rand does not fail
	http.SetCookie(c.w, &http.Cookie{
		Name: CSRFCookie, Value: base64.RawURLEncoding.EncodeToString(token[:]), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// csrf refuses a request other than reading that a foreign page made a
// logged-in browser send.
func (c *call) csrf() error {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return nil
	}
	if _, err := c.r.Cookie(auth.KeyCookie); err != nil {
		return nil //nolint:nilerr // no cookie: the browser added nothing by itself
	}
	token, err := c.r.Cookie(CSRFCookie)
	sent := c.r.Header.Get("X-CSRF")
	if sent == "" {
		sent = c.query.Get("csrf")
	}
	if err != nil || token.Value == "" || subtle.ConstantTimeCompare([]byte(sent), []byte(token.Value)) != 1 {
		return fmt.Errorf("the header x-csrf must equal the cookie %s: %w", CSRFCookie, errdef.ErrForbidden)
	}
	return nil
}

// moveKey takes the key out of the address of a page, where it would stay in
// the browser's history, and puts it into a cookie. It returns true if it
// answered.
func (c *call) moveKey() (bool, error) {
	if !c.query.Has("api_key") {
		return false, nil
	}
	if _, err := c.Auth.Authenticate(http.Header{}, url.Values{"api_key": c.query["api_key"]}); err != nil {
		return false, err
	}
	http.SetCookie(c.w, &http.Cookie{
		Name: auth.KeyCookie, Value: c.query.Get("api_key"), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(c.origin(), "https:"),
	})
	target := &url.URL{Path: c.r.URL.Path}
	if strings.HasPrefix(target.Path, "//") {
		target.Path = "/" + strings.TrimLeft(target.Path, "/")
	}
	query := c.query
	query.Del("api_key")
	target.RawQuery = query.Encode()
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("Referrer-Policy", "no-referrer")
	c.redirect(target.String())
	return true, nil
}

func (c *call) redirect(to string) {
	c.started = true
	c.w.Header().Set("Location", to)
	c.w.WriteHeader(http.StatusSeeOther)
}

// landing answers GET /: it sends browsers to the web page.
func (c *call) landing() error {
	if moved, err := c.moveKey(); moved || err != nil {
		return err
	}
	c.setCSRF()
	c.redirect(c.RootPath + "/ui/")
	return nil
}

// page answers GET /ui/…: the files of the web page, and its index for every
// address that the page itself makes up.
func (c *call) page() error {
	if moved, err := c.moveKey(); moved || err != nil {
		return err
	}
	name := strings.Join(c.path, "/")
	if c.ui == nil {
		return fmt.Errorf("/ui/: this server was started without a web page: %w", errdef.ErrNotFound)
	}
	if name == "" || !fs.ValidPath(name) || !isFile(c.UI, name) {
		if path.Ext(name) != "" && strings.HasPrefix(name, "assets/") {
			return fmt.Errorf("%s: no such file of the web page: %w", quoted(name), errdef.ErrNotFound)
		}
		name = ""
	}
	c.setCSRF()
	h := c.w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=86400")
	}
	request := c.r.Clone(c.ctx)
	request.URL = &url.URL{Path: "/" + name}
	c.started = true
	c.ui.ServeHTTP(c.w, request)
	return nil
}

func isFile(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular()
}

// uiHandler serves the files, or is nil where there are none.
func uiHandler(files fs.FS) http.Handler {
	if files == nil {
		return nil
	}
	if _, err := fs.Stat(files, "index.html"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return http.FileServerFS(files)
}

// uiSettings answers GET /tiled-ui-settings: which downloads the page offers.
func (c *call) uiSettings() error {
	format := func(mediaType, name, extension string) any {
		return map[string]any{"mimetype": mediaType, "display_name": name, "extension": extension}
	}
	array := []any{
		format("text/csv", "CSV", ".csv"), format("text/plain", "Text", ".txt"), format("image/png", "PNG image", ".png"), format("image/tiff", "TIFF image", ".tiff"),
		format("application/json", "JSON", ".json"), format("text/html", "HTML", ".html"), format("application/octet-stream", "C-ordered array", ""),
	}
	table := []any{
		format("text/csv", "CSV", ".csv"), format("text/plain", "Text", ".txt"), format("application/vnd.apache.arrow.file", "Apache Arrow", ".arrow"),
		format("application/x-parquet", "Parquet", ".parquet"), format("application/json", "JSON", ".json"), format("application/json-seq", "JSON Lines", ".jsonl"), format("text/html", "HTML", ".html"),
	}
	container := []any{format("application/json", "JSON", ".json")}
	return c.document(validator{}, map[string]any{
		"api_url": c.RootPath + api,
		"structure_families": map[string]any{
			"array": map[string]any{"formats": array}, "table": map[string]any{"formats": table}, "node": map[string]any{"formats": container},
		},
	})
}
