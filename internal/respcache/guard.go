// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"context"
	"net/http"
	"time"
)

// Guard stands in for an origin that does not say itself who may have a response and
// how long it holds. It is asked before anything held is given out without asking the
// origin, and before anything is kept. Safe for concurrent use.
type Guard interface {
	// Judge says what applies to this request, whose credentials have the digest principal
	// ("" if it has none). It may do I/O under the request's context.
	Judge(r *http.Request, principal string) Verdict
}

// Verdict is what a [Guard] says of one request.
type Verdict struct {
	// Bypass: this request is not for a cache; it goes to the inner handler untouched.
	Bypass bool
	// Admitted: whoever asks may have what is held. Without it the request goes to the
	// inner handler and its answer is not kept.
	Admitted bool
	// Stands: Admitted was proven to the guard, so the restrictions of RFC 9111 §3.5 on
	// answers to requests with credentials do not apply.
	Stands bool
	// Ask: each reuse must be confirmed by the inner handler, to this asker.
	Ask bool
	// NoStore: the answer is not kept.
	NoStore bool
	// Tag is the version of the source; what was kept with another is stale. "" matches
	// only "".
	Tag string
	// Fresh is how long a response without a stated lifetime is fresh; 0 is not at all.
	Fresh time.Duration
	// Tell: private caches behind this one may rely on Fresh too, and are told so where the
	// response says nothing of its lifetime.
	Tell bool
	// Unproven: nothing stale may stand in for an inner handler that fails, since nothing
	// says that this asker may have it.
	Unproven bool
	// Bound: the answer may differ by who asks, so that without asking only the entity with
	// the tag Entity may be given out: what this asker was given last.
	Bound  bool
	Entity string
	// Partition keeps what is stored apart; "" is common to all.
	Partition string
}

// barred tells whether p is not what this asker was given last, where that matters.
func (v *Verdict) barred(p *response) bool {
	return v.Bound && (p.ETag == "" || p.ETag != v.Entity)
}

// open is the verdict where there is no guard.
var open = Verdict{Admitted: true} //nolint:gochecknoglobals // a constant of struct type

// principalKey is where a request's principal travels to the inner handler.
type principalKey struct{}

// PrincipalOf is, in the context of a request that reaches the inner handler of a cache
// with a [Guard], the digest of the credentials that it came with; "" if it had none.
func PrincipalOf(ctx context.Context) string {
	principal, _ := ctx.Value(principalKey{}).(string)
	return principal
}

// named adds the principal to the context of a request for the inner handler.
func (x *exchange) named(ctx context.Context) context.Context {
	if x.c.o.Guard == nil {
		return ctx
	}
	return context.WithValue(ctx, principalKey{}, x.id.principal)
}
