// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import "net/http"

// Storable tells whether a response to this request may be kept (RFC 9111 §3), and
// why not. A response that could never be reused, having neither lifetime nor
// validator, is not kept either.
func (p Policy) Storable(q *Request, s *Response) (bool, Reason) {
	switch {
	case q.Method != http.MethodGet:
		return false, ReasonMethod
	case s.Status < 200 || s.Status == http.StatusNotModified || s.Status == http.StatusPartialContent:
		return false, ReasonStatusCode
	case q.NoStore:
		return false, ReasonRequestNoStore
	case s.Has(MustUnderstand):
		// §5.2.2.3: must-understand overrides no-store, but only for a status we know.
		if !understood(s.Status) {
			return false, ReasonMustUnderstand
		}
	case s.Has(NoStore):
		return false, ReasonNoStore
	}
	switch {
	case p.Shared && s.Has(Private):
		return false, ReasonPrivate
	case p.Shared && q.Authorized && !s.Has(Public) && !s.Has(MustRevalidate) && !s.Has(SharedMaxAge):
		return false, ReasonAuthorization
	case s.Has(VaryAll):
		return false, ReasonVary
	case !s.Has(Explicit) && !s.Has(Public) && (p.Shared || !s.Has(Private)) && !heuristic(s.Status):
		return false, ReasonStatusCode
	case s.Lifetime <= 0 && !s.Validator() && s.StaleIfError <= 0 && s.StaleWhileRevalidate <= 0:
		return false, ReasonUseless
	}
	return true, ReasonNone
}

// heuristic lists the statuses that may be kept without a stated lifetime (RFC 9110
// §15.1). 206 is one of them and is left out: partial responses are not stored.
func heuristic(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// understood lists the statuses whose rules for caching this package follows.
func understood(status int) bool {
	switch status {
	case 302, 303, 307:
		return true
	}
	return heuristic(status)
}
