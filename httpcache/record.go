// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
	"github.com/terrazzo-data/terrazzo/store"
)

// maxVariants bounds the representations of one URL that are kept.
const maxVariants = 16

// maxSkew is how far in the future a response may have come, by clocks that are being
// set right.
const maxSkew = 10 * time.Second

// variant is the head of one stored response. Its body lies under a name that is never
// used again, so that a head and a body cannot be mixed up.
type variant struct {
	Status          int         `json:"status"`
	Header          http.Header `json:"header"`
	Asked, Received time.Time
	Selectors       []selector    `json:"selectors,omitempty"`
	Body            store.Key     `json:"body,omitempty"` // "" if there are no bytes
	Size            int64         `json:"size"`
	Cost            time.Duration `json:"cost"`
	Groups          []string      `json:"groups"`

	rfc9111.Response `json:"-"` // made of the above
}

// selector is a request field that selects a representation, and its value then.
type selector struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
	Present bool   `json:"present,omitempty"`
}

// record is all that is held of one URL for one principal.
type record struct {
	URL      string     `json:"url"`
	Variants []*variant `json:"variants"`
}

// load reads a record. What cannot be read is nothing.
func (t *Transport) load(ctx context.Context, key store.Key) *record {
	v, err := t.o.Store.Get(ctx, key)
	if err != nil {
		t.storeFailed(err)
		return nil
	}
	defer v.Release()
	var rec record
	if err := json.Unmarshal(v.Header, &rec); err != nil {
		t.storeFailed(fmt.Errorf("record: %w", err))
		return nil
	}
	now := time.Now()
	for _, s := range rec.Variants {
		asked, received := s.Asked, s.Received
		if received.After(now.Add(maxSkew)) {
			// The clock was set back: how old it is cannot be known, so it counts as very old.
			asked, received = time.Unix(0, 0), time.Unix(0, 0)
		}
		s.Response = t.policy.Parse(s.Status, s.Header, asked, received)
	}
	return &rec
}

// storeFailed counts what a store could not do, unless it just has nothing.
func (t *Transport) storeFailed(err error) {
	if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, context.Canceled) {
		return
	}
	if err == nil {
		return
	}
	if t.counts.storeErrors.Add(1) == 1 {
		t.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "the cache's store fails; answers come from the server", slog.String("error", err.Error()))
	}
}

// lookup finds the stored response that r selects; others tells that there is one for
// other fields of the request.
func (t *Transport) lookup(ctx context.Context, key store.Key, r *http.Request) (found *variant, others bool) {
	rec := t.load(ctx, key)
	if rec == nil {
		return nil, false
	}
	for _, v := range rec.Variants {
		if matches(v, r) {
			return v, false
		}
	}
	return nil, len(rec.Variants) > 0
}

// selectors are what selects a response to r: what its Vary names and what is implied.
func (t *Transport) selectors(r *http.Request, vary []string) []selector {
	names := rfc9111.VaryNames(append(append([]string{}, vary...), t.o.Selecting...))
	out := make([]selector, 0, len(names))
	for _, name := range names {
		value, present := rfc9111.VaryValue(name, r.Header)
		out = append(out, selector{Name: name, Value: value, Present: present})
	}
	return out
}

// matches tells whether r selects v (RFC 9111 §4.1). A response in the one language that
// is wanted most matches whatever else is accepted: the server could not choose better.
func matches(v *variant, r *http.Request) bool {
	for _, s := range v.Selectors {
		value, present := rfc9111.VaryValue(s.Name, r.Header)
		if value == s.Value && present == s.Present {
			continue
		}
		language := v.Header.Get("Content-Language")
		if s.Name == "Accept-Language" && present && language != "" &&
			strings.EqualFold(rfc9111.PreferredLanguage(r.Header["Accept-Language"]), language) {
			continue
		}
		return false
	}
	return true
}

func (t *Transport) lock(key store.Key) *sync.Mutex {
	return &t.locks[maphash.String(t.seed, string(key))%uint64(len(t.locks))]
}

// keep puts v first in the record of key, in place of what r selected before.
func (t *Transport) keep(ctx context.Context, key store.Key, id identity, r *http.Request, v *variant) error {
	lock := t.lock(key)
	lock.Lock()
	defer lock.Unlock()
	rec := record{URL: id.url, Variants: []*variant{v}}
	var gone []store.Key
	if old := t.load(ctx, key); old != nil {
		for _, o := range old.Variants {
			switch {
			case o.Body == v.Body && o.Body != "":
			case matches(o, r) || len(rec.Variants) == maxVariants:
				gone = append(gone, o.Body)
			default:
				rec.Variants = append(rec.Variants, o)
			}
		}
	}
	head, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	w, err := t.o.Store.Put(ctx, key, store.Meta{Header: head, Cost: v.Cost, Groups: v.Groups})
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer w.Abort()
	if err := w.Commit(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	for _, body := range gone {
		if body != "" {
			t.drop(ctx, body)
		}
	}
	return nil
}

// drop forgets one value; a failure leaves it to be given up later.
func (t *Transport) drop(ctx context.Context, key store.Key) {
	t.storeFailed(t.o.Store.Delete(ctx, key))
	if t.o.Front != nil {
		t.storeFailed(t.o.Front.Delete(ctx, key))
	}
}

func (t *Transport) forget(ctx context.Context, group string) {
	t.storeFailed(t.o.Store.DeleteGroup(ctx, group))
	if t.o.Front != nil {
		t.storeFailed(t.o.Front.DeleteGroup(ctx, group))
	}
}

func (t *Transport) newBodyKey() store.Key {
	return store.Key("b:" + t.nonce + strconv.FormatUint(t.serial.Add(1), 36))
}

// body lends the body of v, or says that it is gone.
func (t *Transport) body(ctx context.Context, v *variant) (store.Value, bool) {
	if v.Body == "" {
		return store.Value{Body: strings.NewReader("")}, true
	}
	if t.o.Front != nil {
		if value, ok := t.bodyFrom(ctx, t.o.Front, v); ok {
			return value, true
		}
	}
	value, ok := t.bodyFrom(ctx, t.o.Store, v)
	if ok && t.o.Front != nil {
		t.storeFailed(copyTo(ctx, t.o.Front, v, io.NewSectionReader(value.Body, 0, value.Size)))
	}
	return value, ok
}

func (t *Transport) bodyFrom(ctx context.Context, s store.Store, v *variant) (store.Value, bool) {
	value, err := s.Get(ctx, v.Body)
	if err != nil {
		t.storeFailed(err)
		return store.Value{}, false
	}
	if value.Size != v.Size {
		value.Release()
		return store.Value{}, false
	}
	return value, true
}

// copyTo puts a whole body into a store.
func copyTo(ctx context.Context, s store.Store, v *variant, from io.Reader) error {
	w, err := s.Put(ctx, v.Body, store.Meta{Size: v.Size, Cost: v.Cost, Groups: v.Groups})
	if errors.Is(err, errdef.ErrTooLarge) {
		return nil // the next tier has it
	}
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Commit()
}
