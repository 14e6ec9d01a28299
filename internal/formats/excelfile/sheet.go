package excelfile

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxRows and maxColumns are what a sheet can hold.
const maxRows, maxColumns = 1 << 20, 1 << 14

// rows calls f with each row of a sheet that has cells, counted from 0, in
// order. The cells have values, are in the order of their columns, and belong
// to f until it returns.
func (b *book) rows(ctx context.Context, name string, f func(row int64, cells []cell) error) error {
	at := slices.IndexFunc(b.sheets, func(s sheet) bool { return s.name == name })
	if at < 0 {
		return fmt.Errorf("there is none: %w", errdef.ErrNotFound)
	}
	s := &scan{book: b, f: f}
	var err error
	if s.shared, err = b.sharedTexts(ctx); err != nil {
		return err
	}
	if s.styles, err = b.formats(ctx); err != nil {
		return err
	}
	return b.read(b.sheets[at].part, maxSheet, true, func(r io.Reader) error { return s.run(ctx, newTags(r)) })
}

// scan goes through a sheet.
type scan struct {
	book   *book
	shared *texts
	styles []meaning
	f      func(int64, []cell) error

	// row is the last that began, next the first that may come; column is
	// that of the last cell.
	row, next int64
	column    int
	cells     []cell
}

func (s *scan) run(ctx context.Context, t *tags) error {
	for s.row = -1; ; {
		token, err := t.next(ctx)
		if err != nil || token == nil {
			return err
		}
		switch v := token.(type) {
		case xml.StartElement:
			switch v.Name.Local {
			case "row":
				err = s.begin(&v)
			case "c":
				err = s.cell(ctx, &v, t)
			}
		case xml.EndElement:
			switch v.Name.Local {
			case "row":
				err = s.end()
			case "sheetData":
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

func (s *scan) begin(start *xml.StartElement) error {
	s.row++
	if text, ok := attribute(start, "r"); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return unprocessable("a row called %.20q", text)
		}
		s.row = n - 1
	}
	if s.row < 0 || s.row >= maxRows {
		return unprocessable("a row %d: sheets have %d", s.row+1, maxRows)
	}
	s.column, s.cells = -1, s.cells[:0]
	return nil
}

// end passes the row on; like openpyxl it leaves out a row that comes too late.
func (s *scan) end() error {
	if s.row < s.next {
		return nil
	}
	s.next = s.row + 1
	slices.SortStableFunc(s.cells, func(a, b cell) int { return a.column - b.column })
	// Of two in one place the last counts.
	kept := s.cells[:0]
	for i, c := range s.cells {
		if i+1 == len(s.cells) || s.cells[i+1].column != c.column {
			kept = append(kept, c)
		}
	}
	s.cells = kept
	if len(kept) == 0 {
		return nil
	}
	return s.f(s.row, kept)
}

// cell reads a cell up to its end.
func (s *scan) cell(ctx context.Context, start *xml.StartElement, t *tags) error {
	s.column++
	if text, ok := attribute(start, "r"); ok {
		column, ok := columnOf(text)
		if !ok {
			return unprocessable("a cell called %.20q", text)
		}
		s.column = column
	}
	if s.column >= maxColumns || len(s.cells) >= 2*maxColumns {
		return unprocessable("row %d: more than %d columns", s.row+1, maxColumns)
	}
	kind, _ := attribute(start, "t")
	style := 0
	if text, ok := attribute(start, "s"); ok {
		style, _ = strconv.Atoi(text)
	}
	var value, inline []byte
	within := false
	for {
		token, err := t.next(ctx)
		if err != nil {
			return err
		}
		switch v := token.(type) {
		case nil:
			return unprocessable("row %d: a cell has no end", s.row+1)
		case xml.StartElement:
			within = v.Name.Local == "v"
			if v.Name.Local == "is" {
				if inline, err = appendText(ctx, t, inline, "is"); err != nil {
					return err
				}
			}
		case xml.EndElement:
			within = false
			if v.Name.Local == "c" {
				return s.add(kind, style, value, inline)
			}
		case xml.CharData:
			if within && len(value)+len(v) <= maxToken {
				value = append(value, v...)
			}
		}
	}
}

// add makes a value of what a cell holds.
func (s *scan) add(kind string, style int, value, inline []byte) error {
	c := cell{column: s.column}
	if kind == "inlineStr" {
		c.kind, c.text = cellText, string(inline)
	} else if len(value) == 0 {
		return nil
	}
	text := string(value)
	switch kind {
	case "inlineStr":
	case "s":
		i, err := strconv.Atoi(text)
		var ok bool
		if c.text, ok = s.shared.at(i); err != nil || !ok {
			return unprocessable("row %d: a cell has the text %.20q of %d", s.row+1, text, len(s.shared.ends))
		}
		c.kind = cellText
	case "str":
		c.kind, c.text = cellText, text
	case "e":
		c.kind = cellError
	case "b":
		c.kind = cellBool
		if text != "0" && text != "1" {
			return unprocessable("row %d: a cell is neither true nor false: %.20q", s.row+1, text)
		}
		c.number = int64(text[0] - '0')
	case "d":
		c.setISO(text)
	case "n", "":
		m := meaning(0)
		if style >= 0 && style < len(s.styles) {
			m = s.styles[style]
		}
		if !c.setNumber(text, m, s.book.date1904) {
			return unprocessable("row %d: a cell is no number: %.20q", s.row+1, text)
		}
	default:
		return unprocessable("row %d: a cell of the unknown type %.20q", s.row+1, kind)
	}
	if !c.empty() {
		s.cells = append(s.cells, c)
	}
	return nil
}

// columnOf is the column, counted from 0, of a reference like BC12.
func columnOf(reference string) (int, bool) {
	n := 0
	for i := range len(reference) {
		c := reference[i] | 0x20
		if c < 'a' || c > 'z' {
			return n - 1, i > 0
		}
		if n = n*26 + int(c-'a') + 1; n > maxColumns {
			return 0, false
		}
	}
	return 0, false
}
