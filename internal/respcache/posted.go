// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// posted keeps the answer to a POST that says of itself that it is what a GET of the
// same URL would bring: a Content-Location that is the target, and a stated lifetime
// (RFC 9110 §9.3.3).
type posted struct {
	response *response
	body     []byte
	mark     uint64
}

// posted begins to keep the answer with this head, or is nil for all others.
func (p *passing) posted(status int) *posted {
	x := p.x
	h := p.Header()
	location := h.Get("Content-Location")
	if x.r.Method != http.MethodPost || status != http.StatusOK || location == "" || x.c.o.Guard != nil {
		return nil
	}
	target, err := url.Parse(x.id.url)
	if err != nil {
		return nil
	}
	named, err := target.Parse(location)
	if err != nil || named.String() != target.String() {
		return nil
	}
	now := time.Now()
	x.key = x.c.recordKey(x.id.url, "")
	k := &capture{x: x, f: &flight{asked: p.asked}, status: status, expected: -1}
	out := &posted{response: k.parse(maps.Clone(h), now), mark: x.c.purges.mark()}
	q := rfc9111.ParseRequest(http.MethodGet, x.r.Header)
	q.Authorized = x.id.principal != ""
	if ok, _ := x.c.o.Policy.Storable(&q, &out.response.Response); !ok || !out.response.Has(rfc9111.Explicit) {
		return nil
	}
	return out
}

// write keeps b too, or tells that it is more than is worth keeping here.
func (o *posted) write(b []byte) bool {
	if len(o.body)+len(b) > maxFailure {
		return false
	}
	o.body = append(o.body, b...)
	return true
}

// keep stores a whole answer.
func (o *posted) keep(x *exchange) {
	if stated := o.response.header.Get("Content-Length"); stated != "" && stated != strconv.Itoa(len(o.body)) {
		return
	}
	o.response.size = int64(len(o.body))
	if o.body == nil {
		o.body = []byte{}
	}
	if x.c.keep(x.key, x.r, o.response, o.body, o.mark) {
		x.c.counts.stored.Add(1)
	}
}
