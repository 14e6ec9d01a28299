// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

// Reason says why a decision fell as it did. Its text is fit for the detail parameter
// of Cache-Status and for a metric's label: the set is closed.
type Reason uint8

// The reasons.
const (
	ReasonNone Reason = iota
	ReasonFresh
	ReasonImmutable
	ReasonStale
	ReasonMustRevalidate
	ReasonStaleWhileRevalidate
	ReasonNoCache
	ReasonNoStore
	ReasonPrivate
	ReasonAuthorization
	ReasonVary
	ReasonUseless
	ReasonMethod
	ReasonStatusCode
	ReasonMustUnderstand
	ReasonRequestNoCache
	ReasonRequestNoStore
	ReasonRequestMaxAge
	ReasonRequestMinFresh
	ReasonRequestMaxStale
)

// String is the reason in the words of the directive or rule that caused it.
func (r Reason) String() string {
	switch r {
	case ReasonFresh:
		return "fresh"
	case ReasonImmutable:
		return "immutable"
	case ReasonStale:
		return "stale"
	case ReasonMustRevalidate:
		return "must-revalidate"
	case ReasonStaleWhileRevalidate:
		return "stale-while-revalidate"
	case ReasonNoCache:
		return "no-cache"
	case ReasonNoStore:
		return "no-store"
	case ReasonPrivate:
		return "private"
	case ReasonAuthorization:
		return "authorization"
	case ReasonVary:
		return "vary"
	case ReasonUseless:
		return "no-lifetime-no-validator"
	default:
		return r.requestString()
	}
}

func (r Reason) requestString() string {
	switch r {
	case ReasonMethod:
		return "method"
	case ReasonStatusCode:
		return "status"
	case ReasonMustUnderstand:
		return "must-understand"
	case ReasonRequestNoCache:
		return "request-no-cache"
	case ReasonRequestNoStore:
		return "request-no-store"
	case ReasonRequestMaxAge:
		return "request-max-age"
	case ReasonRequestMinFresh:
		return "request-min-fresh"
	case ReasonRequestMaxStale:
		return "request-max-stale"
	default:
		return ""
	}
}

// Fwd is the reason as the fwd parameter of Cache-Status (RFC 9211 §2.2).
func (r Reason) Fwd() string {
	switch r {
	case ReasonRequestNoCache, ReasonRequestNoStore, ReasonRequestMaxAge, ReasonRequestMinFresh:
		return "request"
	case ReasonMethod:
		return "method"
	case ReasonVary:
		return "vary-miss"
	case ReasonStale, ReasonMustRevalidate, ReasonNoCache, ReasonStaleWhileRevalidate:
		return "stale"
	default:
		return "uri-miss"
	}
}
