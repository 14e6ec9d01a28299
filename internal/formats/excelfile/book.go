package excelfile

import (
	"archive/zip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// maxSheet bounds the XML of a sheet, maxShared that of the text that
	// cells share, maxSmall that of all other parts.
	maxSheet, maxShared, maxSmall = 1 << 30, 256 << 20, 32 << 20
	// maxSheets bounds the sheets of a workbook.
	maxSheets = 10000
)

// book is an open workbook.
type book struct {
	file  *watched
	parts map[string]*zip.File
	// workbook is the name of the part that lists the sheets.
	workbook string
	sheets   []sheet
	// shared and styles are names of parts, or empty.
	shared, styles string
	date1904       bool
}

type sheet struct{ name, part string }

// watched remembers what went wrong with the file itself.
type watched struct {
	adapter.File
	fault error
}

func (w *watched) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 { // said by a table of contents that lies
		return 0, zip.ErrFormat
	}
	n, err := w.File.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		w.fault = err
	}
	return n, err
}

// openBook reads the table of contents and the list of sheets.
func openBook(ctx context.Context, f adapter.File) (*book, error) {
	start := make([]byte, 8)
	if n, err := f.ReadAt(start, 0); n == len(start) && string(start) == "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" {
		return nil, fmt.Errorf("is protected by a password or of the old kind (.xls): %w", errdef.ErrUnsupported)
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	b := &book{file: &watched{File: f}, parts: map[string]*zip.File{}}
	archive, err := zip.NewReader(b.file, f.Size())
	if err != nil {
		return nil, b.because(err)
	}
	for _, part := range archive.File {
		b.parts[strings.ToLower(path.Clean("/"+strings.ReplaceAll(part.Name, `\`, "/")))] = part
	}
	return b, b.because(b.readWorkbook(ctx))
}

// because returns the fault of the file where there is one: what was made of
// its bytes says nothing then.
func (b *book) because(err error) error {
	switch {
	case err == nil:
		return nil
	case b.file.fault != nil:
		return b.file.fault
	case errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrAlgorithm), errors.Is(err, zip.ErrChecksum):
		return fmt.Errorf("%w: %w", err, errdef.ErrUnprocessable)
	case errors.Is(err, errdef.ErrUnprocessable), errors.Is(err, errdef.ErrUnsupported), errors.Is(err, errdef.ErrNotFound),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: %w", err, errdef.ErrUnprocessable)
}

func (b *book) names() []string {
	names := make([]string, len(b.sheets))
	for i, s := range b.sheets {
		names[i] = s.name
	}
	return names
}

// read opens a part and gives it to f; a part that is not there is no error if
// it need not be.
func (b *book) read(name string, limit int64, needed bool, f func(io.Reader) error) error {
	part := b.parts[strings.ToLower(name)]
	if part == nil {
		if needed {
			return unprocessable("is no workbook: it has no part %.80q", name)
		}
		return nil
	}
	r, err := part.Open()
	if err != nil {
		return b.because(err)
	}
	defer r.Close() //nolint:errcheck // nothing was written
	if err := f(&capped{r: r, left: limit, limit: limit}); err != nil {
		return b.because(fmt.Errorf("part %.80q: %w", name, err))
	}
	return nil
}

// capped is a reader with an end.
type capped struct {
	r           io.Reader
	left, limit int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("more than %d bytes: %w", c.limit, errdef.ErrUnsupported)
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// relations reads what a part refers to: targets by id, with their types.
func (b *book) relations(ctx context.Context, part string, needed bool) (map[string][2]string, error) {
	found := map[string][2]string{}
	dir, base := path.Split(part)
	err := b.read(path.Join(dir, "_rels", base+".rels"), maxSmall, needed, func(r io.Reader) error {
		return each(ctx, r, func(start *xml.StartElement, _ *tags) error {
			if start.Name.Local != "Relationship" {
				return nil
			}
			id, _ := attribute(start, "Id")
			kind, _ := attribute(start, "Type")
			target, _ := attribute(start, "Target")
			if !strings.HasPrefix(target, "/") {
				target = path.Join(dir, target)
			}
			found[id] = [2]string{path.Base(kind), path.Clean(target)}
			if len(found) > maxSheets {
				return unprocessable("more than %d relationships", maxSheets)
			}
			return nil
		})
	})
	return found, err
}

func (b *book) readWorkbook(ctx context.Context) error {
	top, err := b.relations(ctx, "/", true)
	if err != nil {
		return err
	}
	for _, r := range top {
		if r[0] == "officeDocument" {
			b.workbook = r[1]
		}
	}
	below, err := b.relations(ctx, b.workbook, true)
	if err != nil {
		return err
	}
	for _, r := range below {
		switch r[0] {
		case "sharedStrings":
			b.shared = r[1]
		case "styles":
			b.styles = r[1]
		}
	}
	return b.read(b.workbook, maxSmall, true, func(r io.Reader) error {
		return each(ctx, r, func(start *xml.StartElement, _ *tags) error {
			switch start.Name.Local {
			case "workbookPr":
				v, _ := attribute(start, "date1904")
				b.date1904 = v == "1" || v == "true"
			case "sheet":
				return b.addSheet(start, below)
			}
			return nil
		})
	})
}

// addSheet takes a sheet of cells; charts and dialogues are no tables.
func (b *book) addSheet(start *xml.StartElement, below map[string][2]string) error {
	name, _ := attribute(start, "name")
	id := ""
	for _, a := range start.Attr {
		if a.Name.Local == "id" && a.Name.Space != "" {
			id = a.Value
		}
	}
	to := below[id]
	if to[0] != "worksheet" {
		return nil
	}
	for _, s := range b.sheets {
		if s.name == name {
			return unprocessable("two sheets called %.40q", name)
		}
	}
	if len(b.sheets) >= maxSheets {
		return unprocessable("more than %d sheets", maxSheets)
	}
	b.sheets = append(b.sheets, sheet{name: name, part: to[1]})
	return nil
}

// texts is the text that cells share.
type texts struct {
	all  []byte
	ends []int
}

func (t *texts) at(i int) (string, bool) {
	if i < 0 || i >= len(t.ends) {
		return "", false
	}
	from := 0
	if i > 0 {
		from = t.ends[i-1]
	}
	return string(t.all[from:t.ends[i]]), true
}

func (b *book) sharedTexts(ctx context.Context) (*texts, error) {
	t := &texts{}
	err := b.read(b.shared, maxShared, false, func(r io.Reader) error {
		return each(ctx, r, func(start *xml.StartElement, in *tags) error {
			if start.Name.Local != "si" {
				return nil
			}
			var err error
			t.all, err = appendText(ctx, in, t.all, "si")
			t.ends = append(t.ends, len(t.all))
			return err
		})
	})
	return t, err
}

// appendText appends the text within the tag that was just opened, whose end
// it reads: that of its <t>, without how it is pronounced.
func appendText(ctx context.Context, in *tags, text []byte, end string) ([]byte, error) {
	within, spoken, from := false, false, len(text)
	for {
		token, err := in.next(ctx)
		if err != nil {
			return text, err
		}
		switch v := token.(type) {
		case nil:
			return text, unprocessable("<%s> has no end", end)
		case xml.StartElement:
			within = v.Name.Local == "t"
			spoken = spoken || v.Name.Local == "rPh"
		case xml.EndElement:
			within = false
			if v.Name.Local == "rPh" {
				spoken = false
			}
			if v.Name.Local == end {
				return text, nil
			}
		case xml.CharData:
			if within && !spoken {
				text = append(text, v...)
			}
			if len(text)-from > maxToken {
				return text, unprocessable("a text of more than %d bytes", maxToken)
			}
		}
	}
}

// formats says of each cell style what its numbers are.
func (b *book) formats(ctx context.Context) ([]meaning, error) {
	own := map[int]string{}
	var styles []meaning
	within := false
	err := b.read(b.styles, maxSmall, false, func(r io.Reader) error {
		t := newTags(r)
		for {
			token, err := t.next(ctx)
			if err != nil || token == nil {
				return err
			}
			if end, ok := token.(xml.EndElement); ok && end.Name.Local == "cellXfs" {
				within = false
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			switch text, _ := attribute(&start, "numFmtId"); start.Name.Local {
			case "numFmt":
				id, _ := strconv.Atoi(text)
				own[id], _ = attribute(&start, "formatCode")
			case "cellXfs":
				within = true
			case "xf":
				if id, _ := strconv.Atoi(text); within {
					styles = append(styles, meaningOf(id, own))
				}
			}
		}
	})
	return styles, err
}
