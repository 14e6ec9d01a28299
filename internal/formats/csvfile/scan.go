package csvfile

import "strings"

// state is how an attempt to read a record ended.
type state int

const (
	found   state = iota // a record was read
	done                 // no record begins before the border
	short                // the text ends within a record, and more follows in the file
	unended              // the file ends within quotes
)

// scanner cuts text into records as pandas' tokenizer does, which differs from
// RFC 4180 and from encoding/csv:
//
//   - a quote means something only as the first character of a field; after the
//     closing one the field goes on as plain text ("w"v is wv);
//   - \n, \r and \r\n end a record, and stay as they are within quotes;
//   - lines that are empty, or hold nothing but spaces and tabs, are no records.
type scanner struct {
	text  string
	comma byte
	// last says that nothing follows text in the file.
	last bool
	// from is where the latest record begins, at where the next one does.
	from, at int
	// fields of the latest record, at most keep of them; count is their
	// number. They are parts of text wherever that is possible.
	fields []string
	keep   int
	count  int
}

// next reads the next record, unless it begins at stop or behind it. After
// found, at is behind the record; after done, where the next one begins, or the
// end of text. Otherwise at is left where it was, so that more text can be given.
func (s *scanner) next(stop int) state {
	if !s.skipBlank() {
		return short
	}
	if s.at >= stop || s.at >= len(s.text) {
		return done
	}
	s.from, s.fields, s.count = s.at, s.fields[:0], 0
	for p := s.at; ; p++ {
		field, end, result := s.field(p)
		if result != found {
			return result
		}
		if s.count++; s.count <= s.keep {
			s.fields = append(s.fields, field)
		}
		if p = end; p == len(s.text) || s.text[p] != s.comma {
			return s.endRecord(p)
		}
	}
}

// endRecord moves behind the line end at p, or to the end of the file.
func (s *scanner) endRecord(p int) state {
	switch {
	case p == len(s.text):
		s.at = p
	case s.text[p] == '\n':
		s.at = p + 1
	case p+1 < len(s.text) && s.text[p+1] == '\n':
		s.at = p + 2
	case p+1 == len(s.text) && !s.last:
		return short
	default:
		s.at = p + 1
	}
	return found
}

// field reads the field at p; end is where its delimiter stands.
func (s *scanner) field(p int) (field string, end int, result state) {
	if p < len(s.text) && s.text[p] == '"' {
		return s.quoted(p + 1)
	}
	end = s.plain(p)
	if end == len(s.text) && !s.last {
		return "", end, short
	}
	return s.text[p:end], end, found
}

// plain returns the end of plain text.
func (s *scanner) plain(p int) int {
	for text, comma := s.text, s.comma; p < len(text); p++ {
		if c := text[p]; c == comma || c == '\n' || c == '\r' {
			break
		}
	}
	return p
}

// quoted reads a field behind its opening quote.
func (s *scanner) quoted(p int) (field string, end int, result state) {
	var joined strings.Builder
	pieces := false
	for {
		n := strings.IndexByte(s.text[p:], '"')
		if n < 0 || p+n+1 == len(s.text) && !s.last {
			if s.last {
				return "", 0, unended
			}
			return "", 0, short
		}
		closing := p + n
		if closing+1 < len(s.text) && s.text[closing+1] == '"' {
			joined.WriteString(s.text[p : closing+1])
			pieces = true
			p = closing + 2
			continue
		}
		end = s.plain(closing + 1)
		if end == len(s.text) && !s.last {
			return "", 0, short
		}
		if !pieces && end == closing+1 {
			return s.text[p:closing], end, found
		}
		joined.WriteString(s.text[p:closing])
		joined.WriteString(s.text[closing+1 : end])
		return joined.String(), end, found
	}
}

// skipBlank moves to the beginning of the next line that holds something, or to
// the end of text. It says false where only more text can tell.
func (s *scanner) skipBlank() bool {
	for p := s.at; ; p++ {
		for p < len(s.text) && (s.text[p] == ' ' || s.text[p] == '\t') && s.text[p] != s.comma {
			p++
		}
		switch {
		case p == len(s.text):
			if s.last {
				s.at = p
			}
			return s.last
		case s.text[p] == '\n' || s.text[p] == '\r':
			s.at = p + 1
		default:
			return true
		}
	}
}

// lineEnd returns the place behind the first line end at p or after it, or -1.
func lineEnd(text string, p int) int {
	n := strings.IndexAny(text[p:], "\r\n")
	if n < 0 {
		return -1
	}
	if p += n + 1; text[p-1] == '\r' && p < len(text) && text[p] == '\n' {
		p++
	}
	return p
}
