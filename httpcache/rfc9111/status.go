// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"strconv"
	"strings"
	"time"
)

// Status is one member of a Cache-Status field (RFC 9211 §2): what one cache did with
// one request.
type Status struct {
	// Cache is the name of the cache: a token.
	Cache string
	// Hit: the answer came from the cache without asking. Then TTL is printed.
	Hit bool
	// Fwd says why the request went on, as [Reason.Fwd] does; FwdStatus what came back,
	// 0 if nothing or if it is the status of the answer.
	Fwd       string
	FwdStatus int
	// TTL is the remaining lifetime; negative when stale.
	TTL time.Duration
	// Stored: the answer was kept. Collapsed: another request's answer served this one.
	Stored, Collapsed bool
	// Detail is a token for people; "" is none.
	Detail string
}

// String is the member as it goes into the field.
func (s Status) String() string {
	var b strings.Builder
	b.Grow(64)
	b.WriteString(s.Cache)
	if s.Hit {
		b.WriteString("; hit; ttl=")
		b.WriteString(strconv.FormatInt(int64(s.TTL/time.Second), 10))
	} else if s.Fwd != "" {
		b.WriteString("; fwd=")
		b.WriteString(s.Fwd)
	}
	if s.FwdStatus != 0 {
		b.WriteString("; fwd-status=")
		b.WriteString(strconv.Itoa(s.FwdStatus))
	}
	if s.Stored {
		b.WriteString("; stored")
	}
	if s.Collapsed {
		b.WriteString("; collapsed")
	}
	if s.Detail != "" {
		b.WriteString("; detail=")
		b.WriteString(s.Detail)
	}
	return b.String()
}
