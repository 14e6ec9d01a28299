package npy

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

var errLiteral = errors.New("is no Python literal of the kind that numpy writes")

// maxDepth is how deep lists and tuples may nest; numpy's own need a few.
const maxDepth = 32

// literal reads the one Python literal that text holds: dicts, lists, tuples,
// strings, integers, True, False and None. A dict comes as map[string]any,
// lists and tuples as []any, integers as int64. Nothing is evaluated; memory
// is bounded by the text.
func literal(text string) (any, error) {
	p := parser{text: text}
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.next() != 0 || p.at < len(text) {
		return nil, errLiteral
	}
	return value, nil
}

type parser struct {
	text string
	at   int
}

// next skips white space and returns the byte after it, 0 at the end.
func (p *parser) next() byte {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errLiteral
	}
	switch c := p.next(); {
	case c == '{':
		return p.dict(depth)
	case c == '[':
		return p.list(']', depth)
	case c == '(':
		return p.list(')', depth)
	case c == '\'' || c == '"':
		return p.quoted(c)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	default:
		for word, value := range map[string]any{"True": true, "False": false, "None": nil} {
			if strings.HasPrefix(p.text[p.at:], word) {
				p.at += len(word)
				return value, nil
			}
		}
		return nil, errLiteral
	}
}

// list reads a list or tuple. A single value in round brackets without a comma
// is that value, as in Python.
func (p *parser) list(end byte, depth int) (any, error) {
	p.at++
	out := []any{}
	for {
		if p.next() == end {
			p.at++
			return out, nil
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
		switch p.next() {
		case ',':
			p.at++
		case end:
			p.at++
			if end == ')' && len(out) == 1 {
				return value, nil
			}
			return out, nil
		default:
			return nil, errLiteral
		}
	}
}

func (p *parser) dict(depth int) (any, error) {
	p.at++
	out := map[string]any{}
	for {
		c := p.next()
		if c == '}' {
			p.at++
			return out, nil
		}
		if c != '\'' && c != '"' {
			return nil, errLiteral
		}
		key, err := p.quoted(c)
		if err != nil {
			return nil, err
		}
		if p.next() != ':' {
			return nil, errLiteral
		}
		p.at++
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice {
			return nil, errLiteral
		}
		out[key] = value
		switch p.next() {
		case ',':
			p.at++
		case '}':
		default:
			return nil, errLiteral
		}
	}
}

// number reads an integer; Python 2 wrote an L behind long ones.
func (p *parser) number() (any, error) {
	end := p.at + 1
	for end < len(p.text) && p.text[end] >= '0' && p.text[end] <= '9' {
		end++
	}
	value, err := strconv.ParseInt(p.text[p.at:end], 10, 64)
	if err != nil {
		return nil, errLiteral
	}
	if end < len(p.text) && p.text[end] == 'L' {
		end++
	}
	p.at = end
	return value, nil
}

func (p *parser) quoted(quote byte) (string, error) {
	var out strings.Builder
	for p.at++; p.at < len(p.text); {
		switch c := p.text[p.at]; c {
		case quote:
			p.at++
			return out.String(), nil
		case '\n':
			return "", errLiteral
		case '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out.WriteRune(r)
		default:
			out.WriteByte(c)
			p.at++
		}
	}
	return "", errLiteral
}

// escape reads one of the escapes that Python's repr writes.
func (p *parser) escape() (rune, error) {
	if p.at+1 >= len(p.text) {
		return 0, errLiteral
	}
	c := p.text[p.at+1]
	p.at += 2
	if plain := strings.IndexByte(`\'"nrt`, c); plain >= 0 {
		return rune("\\'\"\n\r\t"[plain]), nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if digits == 0 || p.at+digits > len(p.text) {
		return 0, errLiteral
	}
	value, err := strconv.ParseUint(p.text[p.at:p.at+digits], 16, 32)
	if err != nil || value > utf8.MaxRune {
		return 0, errLiteral
	}
	p.at += digits
	return rune(value), nil
}
