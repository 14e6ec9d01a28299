package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
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
	tag      string // in quotes, without coding; empty while the source may still change
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
	var tag [22]byte
	tag[0], tag[21] = '"', '"'
	base64.RawURLEncoding.Encode(tag[1:21], sum[:15])
	return validator{tag: string(tag[:]), modified: version.Modified}
}

// etag returns the strong entity tag of one coding (RFC 9110 §8.8.3).
func (v validator) etag(coding string) string {
	if coding == "" || coding == "identity" {
		return v.tag
	}
	return v.tag[:len(v.tag)-1] + "-" + coding + `"`
}

// headers sets the validators and what caches may do with the answer. An
// answer from files that may still be changing is kept by nobody: without an
// ETag and without no-store, Tiled's client would keep it for ever.
func (c *call) headers(v validator, coding string) {
	h := c.w.Header()
	h["Vary"] = c.fields.vary
	if v.tag == "" {
		h["Cache-Control"] = c.fields.noStore
		return
	}
	own := [2]string{v.etag(coding), ""} // one piece of memory for both
	values := own[:]
	h["Etag"] = values[0:1:1]
	if !v.modified.IsZero() {
		values[1] = v.modified.UTC().Format(http.TimeFormat)
		h["Last-Modified"] = values[1:2:2]
	}
	h["Cache-Control"] = c.fields.ask
	if c.Immutable != nil && c.Immutable(c.path) {
		h["Cache-Control"] = c.fields.forever
	}
	h["Terrazzo-Cache-Control"] = c.fields.askOurs
}

// fields are values of header fields that are the same in all answers. They are
// shared: whoever changes a field puts another value in its place.
type fields struct {
	vary, noStore, ask, askOurs, forever []string
}

func newFields(public bool) fields {
	f := fields{
		vary: []string{"Accept, Accept-Encoding"}, noStore: []string{"no-store"}, ask: []string{"private, no-cache"},
		// RFC 9213: what our own cache may do, which asks this handler each time.
		askOurs: []string{"public, no-cache"},
		// A year, which is for ever in HTTP (RFC 8246).
		forever: []string{"private, max-age=31536000, immutable"},
	}
	if public {
		f.ask, f.forever = []string{"no-cache"}, []string{"max-age=31536000, immutable"}
	}
	return f
}

// errAnswered ends the making of an answer that was sent, errNotHeld of one that
// was only wanted if it needs no body.
var (
	errAnswered = errors.New("answered")
	errNotHeld  = errors.New("the client does not hold the answer")
)

// NotModified answers 304, and returns true, if the conditions of a GET say
// that the client's copy is the present one. Otherwise, and where the answer
// does not depend on that, it returns false and has done nothing to w. It reads
// no data.
func (a *API) NotModified(w http.ResponseWriter, r *http.Request) bool {
	c := a.newCall(w, r)
	c.onlyHeld = true
	return errors.Is(c.serve(), errAnswered)
}

// notModified answers 304 if the request's conditions say that the client's
// copy is the present one (RFC 9110 §13.2.2, GET and HEAD), and says so by
// errAnswered. accepted are the codings that the client takes.
func (c *call) notModified(v validator, coding string, accepted func(coding string) bool) error {
	held, ok := c.held(v, coding, accepted)
	if !ok {
		if c.onlyHeld {
			return errNotHeld
		}
		return nil
	}
	c.started = true
	c.headers(v, held)
	c.w.Header()["Server-Timing"] = []string{c.seen.serverTiming()}
	c.w.WriteHeader(http.StatusNotModified)
	return errAnswered
}

// held says whether the client has a copy, and in which coding.
func (c *call) held(v validator, coding string, accepted func(coding string) bool) (string, bool) {
	if v.tag == "" || c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return "", false
	}
	if conditions := c.r.Header.Values("If-None-Match"); len(conditions) > 0 {
		return v.matches(strings.Join(conditions, ","), coding, accepted)
	}
	since := c.r.Header.Get("If-Modified-Since")
	return coding, since != "" && !v.modified.IsZero() && since == v.modified.UTC().Format(http.TimeFormat)
}

// matches looks for one of our tags in an If-None-Match list, by the weak
// comparison of RFC 9110 §8.8.3.2, and returns the coding of the copy.
func (v validator) matches(list, coding string, accepted func(string) bool) (string, bool) {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "*" {
			return coding, true
		}
		held := strings.Trim(strings.TrimPrefix(item, "W/"), `"`)
		rest, ours := strings.CutPrefix(held, v.tag[1:len(v.tag)-1])
		if !ours {
			continue
		}
		if rest == "" && accepted("identity") {
			return "identity", true
		}
		if suffix, ok := strings.CutPrefix(rest, "-"); ok && accepted(suffix) {
			return suffix, true
		}
	}
	return "", false
}
