package coding

import (
	"strconv"
	"strings"
)

// accept is a parsed Accept-Encoding field. Of two elements with the same token
// the last counts.
type accept []weighted

// weighted is a lower-case token with its weight in thousandths.
type weighted struct {
	token       string
	thousandths int
}

// parseAccept reads a list of RFC 9110 §12.5.3. An element that is not a token
// with an optional weight is passed over.
func parseAccept(field string) accept {
	if field == "" {
		return nil
	}
	a := make(accept, 0, strings.Count(field, ",")+1)
	for element := range strings.SplitSeq(field, ",") {
		token, params, _ := strings.Cut(element, ";")
		token = strings.ToLower(strings.TrimSpace(token))
		if q, ok := parseWeight(params); ok && token != "" {
			if token == "x-gzip" { // RFC 9110 §8.4.1.3
				token = "gzip"
			}
			a = append(a, weighted{token, q})
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
	for i := range a {
		switch e := a[len(a)-1-i]; {
		case e.token == name:
			return e.thousandths, true
		case e.token == "*" && !said:
			thousandths, said = e.thousandths, true
		}
	}
	return thousandths, said
}

// refusesIdentity reports whether the body may not be sent as it is.
func (a accept) refusesIdentity() bool {
	q, said := a.weight("")
	return said && q == 0
}
