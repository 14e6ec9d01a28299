package excelfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// columnKind is the type of a column.
type columnKind int

const (
	kindText columnKind = iota
	kindInt
	kindUint
	kindFloat
	kindBool
	kindDate
	kindSpan
	// kindTruth is text whose values are True and False, however they are
	// written.
	kindTruth
)

// learner goes through a sheet to find its columns.
type learner struct {
	header  []cell
	columns []tally
	// rows below the header, up to the last that has anything.
	rows int64
}

// tally is what is known of a column: which kinds of values it has, how many.
type tally struct {
	seen                                          int64
	ints, uints, minus, floats, bools             bool
	dates, far, times, spans, texts, other, words bool
	// text is how many bytes the values have as text.
	text int64
}

// row takes the next row.
func (l *learner) row(row int64, cells []cell) error {
	if row == 0 {
		l.header = append(l.header, cells...)
		l.widen(cells)
		return nil
	}
	if empty(cells) {
		return nil
	}
	l.rows = row
	l.widen(cells)
	for i := range cells {
		l.columns[cells[i].column].add(&cells[i])
	}
	return nil
}

func (l *learner) widen(cells []cell) {
	last := cells[len(cells)-1].column
	for len(l.columns) <= last {
		l.columns = append(l.columns, tally{})
	}
}

// finish puts the header into its columns.
func (l *learner) finish() {
	header := make([]cell, len(l.columns))
	for _, c := range l.header {
		header[c.column] = c
	}
	l.header = header
}

func (t *tally) add(c *cell) {
	if c.kind == cellError || c.kind == cellText && missing(c.text) {
		return
	}
	t.seen++
	t.text += int64(len(c.String()))
	switch c.kind {
	case cellInt, cellUint, cellFloat:
		t.addNumber(c)
	case cellBool:
		t.bools = true
	case cellDate:
		t.dates = true
		t.far = t.far || c.number > math.MaxInt64/1000 || c.number < math.MinInt64/1000
	case cellDay, cellTime:
		t.times = true
	case cellSpan:
		t.spans = true
	case cellText:
		if n, ok := numeric(c.text); ok {
			t.words = true
			t.addNumber(&n)
			return
		}
		t.texts = true
		if _, ok := truth(c.text); !ok {
			t.other = true
		}
	default:
	}
}

func (t *tally) addNumber(c *cell) {
	switch c.kind {
	case cellInt:
		t.ints = true
		t.minus = t.minus || c.number < 0
	case cellUint:
		t.uints = true
	default:
		t.floats = true
	}
}

// kind is the type that fits all values of a column in a table of so many
// rows.
func (t *tally) kind(rows int64) columnKind {
	numbers := t.ints || t.uints || t.floats
	null := t.seen < rows
	switch {
	case rows == 0:
		return kindText
	case t.dates || t.times || t.spans:
		switch {
		case numbers || t.bools || t.texts || t.times || t.dates && t.spans || t.far:
			return kindText
		case t.dates:
			return kindDate
		}
		return kindSpan
	case t.texts:
		switch {
		case t.other || numbers:
			return kindText
		case null:
			return kindTruth
		}
		return kindBool
	case t.floats || null || t.uints && t.minus:
		return kindFloat
	case t.uints:
		return kindUint
	case t.ints:
		return kindInt
	default:
		return kindBool
	}
}

// missing says whether pandas takes a text for a missing value.
func missing(text string) bool {
	switch text {
	case "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
		"NULL", "NaN", "None", "n/a", "nan", "null":
		return true
	}
	return false
}

// truth reads a text that pandas takes for a bool.
func truth(text string) (value, ok bool) {
	switch text {
	case "True", "TRUE", "true":
		return true, true
	case "False", "FALSE", "false":
		return false, true
	}
	return false, false
}

// numeric reads a text that pandas takes for a number.
func numeric(text string) (cell, bool) {
	text = strings.Trim(text, " \t\n\v\f\r")
	if text == "" {
		return cell{}, false
	}
	if strings.Trim(text, "0123456789+-.eE") != "" {
		switch strings.ToLower(strings.TrimLeft(text, "+-")) {
		case "inf", "infinity":
			if len(text)-len(strings.TrimLeft(text, "+-")) < 2 {
				f, err := strconv.ParseFloat(text, 64)
				return cell{kind: cellFloat, float: f}, err == nil
			}
		}
		return cell{}, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return cell{}, false
	}
	if !isDigits(text) {
		return cell{kind: cellFloat, float: f}, true
	}
	c := cell{}
	c.setPlain(strings.TrimPrefix(text, "+"), f)
	return c, true
}

// columnNames are the names of the columns as pandas makes them of a header:
// what is empty is called by its place, what is there twice gets a number.
func columnNames(header []cell) []string {
	names, order := make([]string, len(header)), make([]int, 0, len(header))
	there := map[string]int{}
	for i := range header {
		if header[i].empty() {
			names[i] = fmt.Sprintf("Unnamed: %d", i)
		} else {
			names[i] = header[i].String()
			order = append(order, i)
		}
	}
	floats(header, names)
	for _, name := range names {
		there[name]++
	}
	for i := range header {
		if header[i].empty() {
			order = append(order, i)
		}
	}
	counts := map[string]int{}
	for _, i := range order {
		old, key := names[i], names[i]
		if header[i].kind == cellBool { // which Python takes for the number
			key = strconv.FormatInt(header[i].number, 10)
		}
		name, count := old, counts[key]
		for count > 0 {
			counts[key] = count + 1
			name = fmt.Sprintf("%s.%d", old, count)
			if there[name] > 0 {
				count++
			} else {
				count = counts[name]
			}
		}
		there[old]--
		there[name]++
		names[i] = name
		if name != old {
			key = name
		}
		counts[key] = count + 1
	}
	return names
}

// floats writes whole numbers as floats where all names are numbers, no two
// the same, and one is no whole number: pandas has one type for all of them.
func floats(header []cell, names []string) {
	some := false
	once := map[string]bool{}
	for i := range header {
		switch header[i].kind {
		case cellFloat:
			some = true
		case cellInt, cellUint:
		default:
			return
		}
		if once[names[i]] {
			return
		}
		once[names[i]] = true
	}
	for i := range header {
		if some {
			names[i] = pythonFloat(header[i].asFloat())
		}
	}
}
