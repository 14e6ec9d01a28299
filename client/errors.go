// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
)

// ErrNotAvailableOffline says that the cache is offline and does not hold what was
// asked for. The error names the URL.
var ErrNotAvailableOffline = httpcache.ErrNotAvailableOffline

// Error is an answer of the server that is no success. It unwraps to the sentinel of
// package errdef that the status stands for; a status that stands for none, such as
// 500, unwraps to nil.
type Error struct {
	// Method and URL are those of the request, without credentials.
	Method, URL string
	// Status is the HTTP status.
	Status int
	// Detail is what the server says about it, or "".
	Detail string
	// RequestID is how the server's log calls the request, or "".
	RequestID string
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		b.WriteString(": ")
		b.WriteString(e.Detail)
	}
	if e.RequestID != "" && e.Status >= http.StatusInternalServerError {
		fmt.Fprintf(&b, " (request %s in the server's log)", e.RequestID)
	}
	return b.String()
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return sentinel(e.Status) }

// sentinel is the inverse of the server's table of errors and statuses
// (internal/httpapi/errors.go). 503 stands for two, of which the first is the one
// that a client can act upon.
func sentinel(status int) error {
	switch status {
	case http.StatusBadRequest:
		return errdef.ErrInvalid
	case http.StatusUnauthorized:
		return errdef.ErrUnauthenticated
	case http.StatusForbidden:
		return errdef.ErrForbidden
	case http.StatusNotFound:
		return errdef.ErrNotFound
	case http.StatusMethodNotAllowed:
		return errdef.ErrNotAllowed
	case http.StatusNotAcceptable:
		return errdef.ErrNotAcceptable
	case http.StatusConflict:
		return errdef.ErrConflict
	case http.StatusGone:
		return errdef.ErrGone
	case http.StatusRequestEntityTooLarge:
		return errdef.ErrTooLarge
	case http.StatusUnsupportedMediaType:
		return errdef.ErrUnsupported
	case http.StatusUnprocessableEntity:
		return errdef.ErrUnprocessable
	case http.StatusTooManyRequests:
		return errdef.ErrLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return errdef.ErrUnavailable
	}
	return nil
}

// detailOf reads the text of an error's body: {"detail": text}, or the list of what
// was wrong with which parameter.
func detailOf(contentType string, body []byte) string {
	if !strings.HasPrefix(contentType, "application/json") {
		return ""
	}
	var doc struct {
		Detail json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(doc.Detail, &text) == nil {
		return text
	}
	var faults []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(doc.Detail, &faults) != nil {
		return string(doc.Detail[:min(len(doc.Detail), maxDetail)])
	}
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Msg
		if len(f.Loc) > 0 {
			texts[i] = fmt.Sprintf("%v: %s", f.Loc[len(f.Loc)-1], f.Msg)
		}
	}
	return strings.Join(texts, "; ")
}

// maxDetail bounds a detail that is neither of the known forms.
const maxDetail = 500
