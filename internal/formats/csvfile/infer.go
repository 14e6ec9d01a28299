package csvfile

import (
	"math"
	"strconv"
	"strings"
)

// kind is what the values of a column are.
type kind uint8

const (
	kindText     kind = iota
	kindVerbatim      // text in which "NA" and its like are text too
	kindInt
	kindUint
	kindFloat
	kindBool
)

// outcome says how an attempt to read all values of a column as one type ended:
// pandas gives up at the first value that does not fit, and why it did decides
// what it tries next.
type outcome uint8

const (
	fits outcome = iota
	beyond
	foreign
)

// tally is what is known of the values of a column, as far as its type goes.
// Tallies of consecutive rows can be joined.
type tally struct {
	// signed and unsigned tell how reading as int64 and as uint64 ends.
	signed, unsigned outcome
	// null, any: a missing value, any other value was seen. minus, big: one
	// that is negative, one beyond int64. notFloat, notBool: one that is none.
	null, any, minus, big, notFloat, notBool bool
}

// join adds what is known of the rows that follow.
func (t *tally) join(next tally) {
	if t.signed == fits {
		t.signed = next.signed
	}
	if t.unsigned == fits {
		t.unsigned = next.unsigned
	}
	t.null = t.null || next.null
	t.any = t.any || next.any
	t.minus = t.minus || next.minus
	t.big = t.big || next.big
	t.notFloat = t.notFloat || next.notFloat
	t.notBool = t.notBool || next.notBool
}

// kind is the type that pandas gives to the column: int64 if all fit, then
// uint64, float64, bool, text. Integers with missing values are floats.
func (t tally) kind(rows int64) kind {
	switch {
	case rows == 0:
		return kindText
	case !t.any:
		return kindFloat
	case t.signed == fits && !t.null:
		return kindInt
	case t.signed == beyond && t.unsigned == beyond:
		return kindText
	case t.signed == beyond && t.unsigned == fits:
		return t.unsignedKind()
	case !t.notFloat:
		return kindFloat
	case !t.notBool:
		return kindBool
	default:
		return kindText
	}
}

func (t tally) unsignedKind() kind {
	switch {
	case t.big && (t.minus || t.null):
		// pandas gives up on missing values here: they stay what they are.
		return kindVerbatim
	case t.minus:
		return kindText
	default:
		return kindUint
	}
}

// add counts one value in.
func (t *tally) add(value string) {
	if t.signed == foreign && t.notFloat && t.notBool {
		return // text, whatever follows
	}
	number := t.addNumber(value)
	if number {
		t.any = true
		t.notBool = true
		return
	}
	if missing(value) {
		t.null = true
		return
	}
	t.any = true
	if !infinite(value) {
		t.notFloat = true
	}
	if _, ok := truth(value); !ok {
		t.notBool = true
	}
	t.foreignInteger()
}

func (t *tally) foreignInteger() {
	if t.signed == fits {
		t.signed = foreign
	}
	if t.unsigned == fits {
		t.unsigned = foreign
	}
}

// addNumber counts a value in if it looks like a number, infinity excepted.
func (t *tally) addNumber(value string) bool {
	n, ok := parseNumber(value)
	if !ok {
		return false
	}
	minus := n.minus
	switch {
	case n.digits > 0 && n.signedBeyond:
		if t.signed == fits {
			t.signed = beyond
		}
	case !n.integer && t.signed == fits:
		t.signed = foreign
	}
	switch {
	case minus:
		// Its rest does not matter to pandas' attempt at uint64.
	case n.unsignedBeyond:
		if t.unsigned == fits {
			t.unsigned = beyond
		}
	case !n.integer && t.unsigned == fits:
		t.unsigned = foreign
	}
	t.minus = t.minus || minus
	t.big = t.big || !minus && n.integer && n.signedBeyond
	if n.suspect {
		if f, err := strconv.ParseFloat(trimSpace(value), 64); err != nil && math.IsInf(f, 0) {
			t.notFloat = true
		}
	}
	return true
}

// number is what the text of a number looks like.
type number struct {
	minus   bool
	integer bool // nothing but a sign and digits
	digits  int  // before the point
	// signedBeyond, unsignedBeyond: the digits before the point do not fit.
	signedBeyond, unsignedBeyond bool
	// suspect: it may be too large for a float64.
	suspect bool
}

// parseNumber looks at text of the form [sign] digits [. digits] [e [sign]
// digits] with white space around; either run of digits may be missing.
func parseNumber(value string) (n number, ok bool) {
	p := 0
	for p < len(value) && isSpace(value[p]) {
		p++
	}
	if p < len(value) && (value[p] == '-' || value[p] == '+') {
		n.minus = value[p] == '-'
		p++
	}
	begin := p
	p = skipDigits(value, p)
	n.digits = p - begin
	if n.digits > 18 {
		n.range64(value[begin:p])
	}
	n.integer = n.digits > 0
	fraction := 0
	if p < len(value) && value[p] == '.' {
		begin = p + 1
		p = skipDigits(value, begin)
		fraction = p - begin
		n.integer = false
	}
	if n.digits+fraction == 0 {
		return n, false
	}
	n.suspect = n.digits > 300
	if p < len(value) && value[p]|0x20 == 'e' {
		if p = exponent(value, p+1); p < 0 {
			return n, false
		}
		n.integer, n.suspect = false, true
	}
	for p < len(value) && isSpace(value[p]) {
		p++
	}
	return n, p == len(value)
}

// range64 says whether digits fit into 64 bits.
func (n *number) range64(digits string) {
	digits = strings.TrimLeft(digits, "0")
	edge := "9223372036854775807"
	if n.minus {
		edge = "9223372036854775808"
	}
	n.signedBeyond = greater(digits, edge)
	n.unsignedBeyond = greater(digits, "18446744073709551615")
}

func greater(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

func skipDigits(text string, p int) int {
	for p < len(text) && text[p]-'0' <= 9 {
		p++
	}
	return p
}

// exponent returns the end of [sign] digits, or -1 if there are none.
func exponent(text string, p int) int {
	if p < len(text) && (text[p] == '-' || text[p] == '+') {
		p++
	}
	if end := skipDigits(text, p); end > p {
		return end
	}
	return -1
}

func isSpace(c byte) bool { return c == ' ' || c-'\t' <= '\r'-'\t' }

func trimSpace(text string) string { return strings.Trim(text, " \t\n\v\f\r") }

// missing says whether pandas takes a value for a missing one.
func missing(value string) bool {
	if len(value) > len("#N/A N/A") {
		return false
	}
	switch value {
	case "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
		"N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null":
		return true
	}
	return false
}

// infinite says whether a value is one of pandas' words for infinity.
func infinite(value string) bool {
	if value == "" || len(value) > len("-infinity") {
		return false
	}
	if value[0] == '-' || value[0] == '+' {
		value = value[1:]
	}
	return strings.EqualFold(value, "inf") || strings.EqualFold(value, "infinity")
}

// truth returns what a value means if it is one of pandas' words for a bool.
func truth(value string) (is, ok bool) {
	switch {
	case len(value) == 4 && strings.EqualFold(value, "true"):
		return true, true
	case len(value) == 5 && strings.EqualFold(value, "false"):
		return false, true
	}
	return false, false
}

// parseInt reads a value of a column of kindInt.
func parseInt(value string) (int64, bool) {
	digits := strings.TrimPrefix(value, "-")
	n := int64(0)
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 || i == 18 {
			return parseOddInt(value)
		}
		n = n*10 + int64(d)
	}
	if len(digits) < len(value) {
		n = -n
	}
	return n, digits != ""
}

// parseOddInt reads what has spaces, a plus or more digits.
func parseOddInt(value string) (int64, bool) {
	n, err := strconv.ParseInt(trimSpace(value), 10, 64)
	return n, err == nil
}

// parseUint reads a value of a column of kindUint.
func parseUint(value string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(trimSpace(value), "+"), 10, 64)
	return n, err == nil
}

// parseFloat reads a value of a column of kindFloat that is not missing. It is
// rounded correctly, as pandas does with float_precision="round_trip"; what
// pandas does by default is now and then off by one in the last place.
func parseFloat(value string) (float64, bool) {
	if !infinite(value) {
		value = trimSpace(value)
		if !plainNumber(strings.TrimLeft(value, "+-")) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(value, 64)
	return f, err == nil
}

// plainNumber rules out what only ParseFloat takes for a number, like "0x1p4".
func plainNumber(unsigned string) bool {
	return unsigned != "" && (unsigned[0]-'0' <= 9 || unsigned[0] == '.') &&
		(len(unsigned) == 1 || unsigned[1]|0x20 != 'x')
}
