package zarr

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var errJSON = errors.New("is no JSON, or nests too deeply")

// maxDepth is how deep metadata may nest.
const maxDepth = 64

// parseJSON reads JSON into plain values: objects as map[string]any, whole
// numbers as int64 or uint64 if they fit, others as float64. As Python's
// writer has it, and Zarr's attributes with it, NaN, Infinity and -Infinity
// are numbers too. Memory is bounded by the text.
func parseJSON(text []byte) (any, error) {
	p := parser{text: string(text)}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.next(); p.at != len(p.text) {
		return nil, errJSON
	}
	return v, nil
}

type parser struct {
	text string
	at   int
}

// next skips white space and returns the byte after it, 0 at the end.
func (p *parser) next() byte {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return c
		}
	}
	return 0
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errJSON
	}
	switch c := p.next(); c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		return p.quoted()
	default:
		return p.word()
	}
}

func (p *parser) object(depth int) (any, error) {
	p.at++
	out := map[string]any{}
	if p.next() == '}' {
		p.at++
		return out, nil
	}
	for {
		if p.next() != '"' {
			return nil, errJSON
		}
		key, err := p.quoted()
		if err != nil {
			return nil, err
		}
		if p.next() != ':' {
			return nil, errJSON
		}
		p.at++
		if out[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		end, err := p.separator('}')
		if err != nil || end {
			return out, err
		}
	}
}

func (p *parser) array(depth int) (any, error) {
	p.at++
	out := []any{}
	if p.next() == ']' {
		p.at++
		return out, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		end, err := p.separator(']')
		if err != nil || end {
			return out, err
		}
	}
}

// separator reads a comma, or the end.
func (p *parser) separator(end byte) (bool, error) {
	c := p.next()
	p.at++
	switch c {
	case end:
		return true, nil
	case ',':
		return false, nil
	}
	return false, errJSON
}

// word reads a number or one of the names.
func (p *parser) word() (any, error) {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(",]} \t\r\n", p.text[p.at]) < 0 {
		p.at++
	}
	switch word := p.text[start:p.at]; word {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	default:
		return number(word)
	}
}

func number(word string) (any, error) {
	digits := strings.TrimPrefix(word, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || strings.Trim(word, "0123456789+-.eE") != "" ||
		len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return nil, errJSON
	}
	if strings.Trim(digits, "0123456789") == "" {
		if n, err := strconv.ParseInt(word, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(word, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errJSON
	}
	return f, nil
}

func (p *parser) quoted() (string, error) {
	p.at++
	end := strings.IndexAny(p.text[p.at:], "\"\\")
	if end >= 0 && p.text[p.at+end] == '"' { // the common case
		s := p.text[p.at : p.at+end]
		p.at += end + 1
		return s, valid(s)
	}
	var out strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			return out.String(), valid(out.String())
		case '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			if utf16.IsSurrogate(r) {
				r = p.pair(r)
			}
			out.WriteRune(r)
		default:
			out.WriteByte(c)
			p.at++
		}
	}
	return "", errJSON
}

// pair returns the rune of a surrogate and the escape behind it. One that has
// no partner is U+FFFD, and what stands behind it is read for itself.
func (p *parser) pair(high rune) rune {
	at := p.at
	if low, err := p.escape(); err == nil {
		if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
			return r
		}
	}
	p.at = at
	return utf8.RuneError
}

func valid(s string) error {
	if !utf8.ValidString(s) {
		return errJSON
	}
	return nil
}

func (p *parser) escape() (rune, error) {
	if p.at+1 >= len(p.text) || p.text[p.at] != '\\' {
		return 0, errJSON
	}
	c := p.text[p.at+1]
	p.at += 2
	if plain := strings.IndexByte(`"\/bfnrt`, c); plain >= 0 {
		return rune("\"\\/\b\f\n\r\t"[plain]), nil
	}
	if c != 'u' || p.at+4 > len(p.text) {
		return 0, errJSON
	}
	value, err := strconv.ParseUint(p.text[p.at:p.at+4], 16, 32)
	if err != nil {
		return 0, errJSON
	}
	p.at += 4
	return rune(value), nil
}
