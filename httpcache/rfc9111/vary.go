// SPDX-License-Identifier: BSD-3-Clause

package rfc9111

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// varyAll tells whether a Vary field has a member "*" (RFC 9110 §12.5.5).
func varyAll(lines []string) bool {
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == "*" {
				return true
			}
		}
	}
	return false
}

// VaryNames lists the request fields that a Vary field names: canonical, sorted, each
// once.
func VaryNames(lines []string) []string {
	var names []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, textproto.CanonicalMIMEHeaderKey(name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// VaryValue is the value of a request field brought to the form in which two that mean
// the same are equal (RFC 9111 §4.1): lines joined, space around commas dropped, and
// for Accept-Language, whose members are a set, in one letter case and sorted. "" is
// both absent and empty; present tells them apart.
func VaryValue(name string, h http.Header) (value string, present bool) {
	lines, present := h[name]
	if !present {
		return "", false
	}
	if name == "Accept-Language" {
		return languages(lines), true
	}
	if len(lines) == 1 && tidy(lines[0]) {
		return lines[0], true
	}
	var b strings.Builder
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			if member = strings.TrimSpace(member); member != "" {
				if b.Len() > 0 {
					b.WriteByte(',')
				}
				b.WriteString(member)
			}
		}
	}
	return b.String(), true
}

// tidy tells whether a value has no space or empty member around a comma.
func tidy(s string) bool {
	prev := byte(',')
	for i := range len(s) {
		c := s[i]
		if (c == ' ' || c == '\t' || c == ',') && prev == ',' || c == ',' && (prev == ' ' || prev == '\t') {
			return false
		}
		prev = c
	}
	return prev != ',' && prev != ' ' && prev != '\t'
}

func languages(lines []string) string {
	var members []string
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			member = strings.ToLower(strings.Join(strings.Fields(member), ""))
			if member != "" {
				members = append(members, member)
			}
		}
	}
	slices.Sort(members)
	return strings.Join(slices.Compact(members), ",")
}

// PreferredLanguage is the one language that an Accept-Language field puts above all
// others, in lower case, or "" if no single one is.
func PreferredLanguage(lines []string) string {
	best, bestQ, tied := "", 0, false
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			tag, q := languageQuality(member)
			switch {
			case tag == "":
			case q > bestQ:
				best, bestQ, tied = tag, q, false
			case q == bestQ:
				tied = true
			}
		}
	}
	if tied || best == "*" {
		return ""
	}
	return best
}

// languageQuality reads one member; its quality is in thousandths (RFC 9110 §12.4.2).
func languageQuality(member string) (tag string, quality int) {
	tag, params, _ := strings.Cut(member, ";")
	tag = strings.ToLower(strings.TrimSpace(tag))
	q, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
	if !found {
		return tag, 1000
	}
	return tag, thousandths(q)
}

// thousandths reads a qvalue; what is none counts as 0.
func thousandths(q string) int {
	whole, fraction, _ := strings.Cut(q, ".")
	if whole == "1" && strings.Trim(fraction, "0") == "" {
		return 1000
	}
	if whole != "0" || len(fraction) > 3 {
		return 0
	}
	n := 0
	for i := range 3 {
		digit := byte('0')
		if i < len(fraction) {
			digit = fraction[i]
		}
		if digit < '0' || digit > '9' {
			return 0
		}
		n = n*10 + int(digit-'0')
	}
	return n
}
