package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// A validator is what a client may send back to ask whether its copy still
// holds. It is made before anything is read: a hash of the version and of all
// that shapes the body (architecture, law 1), but not of the content coding,
// which stands behind it as a suffix. So a client that asks again with another
// Accept-Encoding still gets its 304, if it accepts the coding that it holds.
type validator struct {
	tag      string // without quotes and coding; empty while the source may still change
	modified time.Time
}

// validate returns the validator of an answer made from version and parts.
// parts are everything else that shapes the body.
func validate(version adapter.Version, parts ...string) validator {
	if !version.Trusted {
		return validator{}
	}
	text := append(make([]byte, 0, 512), version.ID[:]...)
	for _, p := range parts { // with its length, so that no two lists give the same bytes
		text = append(binary.AppendUvarint(text, uint64(len(p))), p...)
	}
	sum := sha256.Sum256(text)
	return validator{tag: base64.RawURLEncoding.EncodeToString(sum[:15]), modified: version.Modified}
}

// etag returns the strong entity tag of one coding (RFC 9110 §8.8.3).
func (v validator) etag(coding string) string {
	if coding == "" || coding == "identity" {
		return `"` + v.tag + `"`
	}
	return `"` + v.tag + "-" + coding + `"`
}

// headers sets the validators and what caches may do with the answer. An
// answer from files that may still be changing is kept by nobody: without an
// ETag and without no-store, Tiled's client would keep it for ever.
func (c *call) headers(v validator, coding string) {
	h := c.w.Header()
	h.Set("Vary", "Accept, Accept-Encoding")
	if v.tag == "" {
		h.Set("Cache-Control", "no-store")
		return
	}
	h.Set("ETag", v.etag(coding))
	if !v.modified.IsZero() {
		h.Set("Last-Modified", v.modified.UTC().Format(http.TimeFormat))
	}
	if c.Auth.Public() {
		h.Set("Cache-Control", "no-cache")
	} else {
		h.Set("Cache-Control", "private, no-cache")
	}
	// RFC 9213: what our own cache may do, which asks this handler each time.
	h.Set("Terrazzo-Cache-Control", "public, no-cache")
}

// notModified answers 304 if the request's conditions say that the client's
// copy is the present one (RFC 9110 §13.2.2, GET and HEAD). accepted are the
// codings that the client takes.
func (c *call) notModified(v validator, coding string, accepted func(coding string) bool) bool {
	if v.tag == "" || c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return false
	}
	held, ok := "", false
	if conditions := c.r.Header.Values("If-None-Match"); len(conditions) > 0 {
		held, ok = v.matches(strings.Join(conditions, ","), coding, accepted)
	} else if since := c.r.Header.Get("If-Modified-Since"); since != "" && !v.modified.IsZero() {
		held, ok = coding, since == v.modified.UTC().Format(http.TimeFormat)
	}
	if !ok {
		return false
	}
	c.headers(v, held)
	c.w.Header().Set("Server-Timing", c.seen.serverTiming())
	c.w.WriteHeader(http.StatusNotModified)
	return true
}

// matches looks for one of our tags in an If-None-Match list, by the weak
// comparison of RFC 9110 §8.8.3.2, and returns the coding of the copy.
func (v validator) matches(list, coding string, accepted func(string) bool) (string, bool) {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "*" {
			return coding, true
		}
		tag := strings.Trim(strings.TrimPrefix(item, "W/"), `"`)
		if tag == v.tag && accepted("identity") {
			return "identity", true
		}
		if suffix, ok := strings.CutPrefix(tag, v.tag+"-"); ok && accepted(suffix) {
			return suffix, true
		}
	}
	return "", false
}
