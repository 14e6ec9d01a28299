package csvfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// encoding is how the bytes of a file stand for characters. A byte order mark
// decides; without one the file is UTF-8 if all of it is valid UTF-8, and
// Latin-1 otherwise. Which of the two is found out by the pass, and matters to
// nothing before texts are handed out.
type encoding uint8

const (
	encUTF8 encoding = iota
	encLatin1
	encUTF16LE
	encUTF16BE
)

func (e encoding) wide() bool { return e == encUTF16LE || e == encUTF16BE }

// readStep is how much is read between two looks at the context.
const readStep = 1 << 20

// document is the text of one file. Places in it are offsets in the file.
type document struct {
	file adapter.File
	name string
	size int64
	// begin is behind the byte order mark.
	begin int64
	enc   encoding
}

// openDocument looks at the first bytes of a file of size bytes.
func openDocument(file adapter.File, name string, size int64) (*document, error) {
	mark := make([]byte, min(3, size))
	if n, err := file.ReadAt(mark, 0); n < len(mark) {
		return nil, fmt.Errorf("csv %s: %w", name, err)
	}
	d := &document{file: file, name: name, size: size}
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		d.begin = 3
	case bytes.HasPrefix(mark, []byte("\xff\xfe")):
		d.begin, d.enc = 2, encUTF16LE
	case bytes.HasPrefix(mark, []byte("\xfe\xff")):
		d.begin, d.enc = 2, encUTF16BE
	}
	if d.enc.wide() {
		d.size -= d.size % 2 // half a character at the end is none yet
	}
	return d, nil
}

// load reads [from, to) of the file, cut at its end, as UTF-8 or Latin-1.
func (d *document) load(ctx context.Context, from, to int64) (string, error) {
	to = min(to, d.size)
	var text strings.Builder
	text.Grow(int(max(to-from, 0)))
	buffer := make([]byte, min(readStep, max(to-from, 0)))
	for from < to {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		piece := buffer[:min(int64(len(buffer)), to-from)]
		if n, err := d.file.ReadAt(piece, from); n < len(piece) {
			if errors.Is(err, io.EOF) {
				return "", fmt.Errorf("csv %s: ends at byte %d, expected %d: %w", d.name, from+int64(n), d.size, errdef.ErrChanged)
			}
			return "", fmt.Errorf("csv %s: byte %d: %w", d.name, from, err)
		}
		from += int64(len(piece))
		text.Write(piece)
	}
	if d.enc.wide() {
		return d.narrow(text.String()), nil
	}
	return text.String(), nil
}

// narrow turns UTF-16 into UTF-8. Each half of a broken pair becomes U+FFFD.
func (d *document) narrow(wide string) string {
	var order binary.ByteOrder = binary.LittleEndian
	if d.enc == encUTF16BE {
		order = binary.BigEndian
	}
	var text strings.Builder
	text.Grow(len(wide) / 2)
	unit := func(at int) rune { return rune(order.Uint16([]byte(wide[at : at+2]))) }
	for at := 0; at+1 < len(wide); at += 2 {
		r := unit(at)
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if at+3 < len(wide) {
				pair = utf16.DecodeRune(r, unit(at+2))
			}
			if r = pair; pair != utf8.RuneError {
				at += 2
			}
		}
		text.WriteRune(r)
	}
	return text.String()
}

// span is the number of bytes in the file that text was loaded from.
func (d *document) span(text string) int64 {
	if !d.enc.wide() {
		return int64(len(text))
	}
	units := int64(0)
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 0xf0:
			units += 2 // a pair
		case c < 0x80 || c >= 0xc0:
			units++
		}
	}
	return 2 * units
}

// index is the reverse of span: where text stands after that many bytes of the
// file, or its length.
func (d *document) index(text string, span int64) int {
	if !d.enc.wide() {
		return int(min(span, int64(len(text))))
	}
	for i := range len(text) {
		if c := text[i]; c < 0x80 || c >= 0xc0 {
			if span <= 0 {
				return i
			}
			span -= d.span(text[i : i+1])
		}
	}
	return len(text)
}

// line is the number of the line that begins at, or holds, a place in the file.
func (d *document) line(ctx context.Context, at int64) (int, error) {
	line, carriage := 1, false
	for from := d.begin; from < at; from += readStep {
		text, err := d.load(ctx, from, min(from+readStep, at))
		if err != nil {
			return 0, err
		}
		for i := range len(text) {
			if text[i] == '\r' || text[i] == '\n' && !carriage {
				line++
			}
			carriage = text[i] == '\r'
		}
	}
	return line, nil
}

// fromLatin1 returns the UTF-8 form of Latin-1 text.
func fromLatin1(text string) string {
	at := 0
	for at < len(text) && text[at] < utf8.RuneSelf {
		at++
	}
	if at == len(text) {
		return text
	}
	var out strings.Builder
	out.Grow(len(text) + 8)
	out.WriteString(text[:at])
	for ; at < len(text); at++ {
		out.WriteRune(rune(text[at]))
	}
	return out.String()
}
