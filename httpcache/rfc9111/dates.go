// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"strings"
	"time"
)

// The three forms of HTTP-date (RFC 9110 §5.6.7) and the exact length of two of them;
// the length keeps out doubled spaces and one-digit hours, which time.Parse forgives.
const (
	rfc850      = "Monday, 02-Jan-06 15:04:05 GMT"
	asctime     = "Mon Jan _2 15:04:05 2006"
	lenFixdate  = len(http.TimeFormat)
	lenAsctime  = len(asctime)
	minLen850   = len("Monday, 02-Jan-06 15:04:05 GMT")
	maxLen850   = len("Wednesday, 02-Jan-06 15:04:05 GMT")
	zoneOfDates = "GMT"
)

// ParseDate parses an HTTP-date in any of its three forms, in any letter case. The
// zero time and false mean that s is none. Two-digit years below 69 are of this century.
func ParseDate(s string) (time.Time, bool) {
	var layout string
	switch n := len(s); {
	case n == lenFixdate && s[3] == ',':
		layout = http.TimeFormat
	case n == lenAsctime:
		layout = asctime
	case n >= minLen850 && n <= maxLen850:
		layout = rfc850
	default:
		return time.Time{}, false
	}
	if layout != asctime {
		if !strings.EqualFold(s[len(s)-len(zoneOfDates):], zoneOfDates) {
			return time.Time{}, false
		}
		s = s[:len(s)-len(zoneOfDates)] + zoneOfDates
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}, false
	}
	return t, true
}

// date returns the date of a field that must stand alone: two lines are as bad as none.
func date(lines []string) (time.Time, bool) {
	if len(lines) != 1 {
		return time.Time{}, false
	}
	return ParseDate(lines[0])
}
