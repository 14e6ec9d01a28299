package coding

import (
	"strconv"
	"strings"
)

// accept is a parsed Accept-Encoding field: weights in thousandths by lower-case
// token.
type accept map[string]int

// parseAccept reads a list of RFC 9110 §12.5.3. An element that is not a token
// with an optional weight is passed over.
func parseAccept(field string) accept {
	a := accept{}
	for element := range strings.SplitSeq(field, ",") {
		token, params, _ := strings.Cut(element, ";")
		token = strings.ToLower(strings.TrimSpace(token))
		if q, ok := parseWeight(params); ok && token != "" {
			if token == "x-gzip" { // RFC 9110 §8.4.1.3
				token = "gzip"
			}
			a[token] = q
		}
	}
	return a
}

// parseWeight reads what follows a token's semicolon: nothing, or q and a number
// between 0 and 1 with at most three decimals.
func parseWeight(params string) (thousandths int, ok bool) {
	params = strings.TrimSpace(params)
	if params == "" {
		return 1000, true
	}
	name, value, _ := strings.Cut(params, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 0, false
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0, false
	}
	return int(q*1000 + 0.5), true
}

// weight returns the weight of a coding ("" is identity) and whether the field
// says it, by name or by the star.
func (a accept) weight(name string) (thousandths int, said bool) {
	if name == "" {
		name = "identity"
	}
	if q, ok := a[name]; ok {
		return q, true
	}
	q, ok := a["*"]
	return q, ok
}

// refusesIdentity reports whether the body may not be sent as it is.
func (a accept) refusesIdentity() bool {
	q, said := a.weight("")
	return said && q == 0
}
