package excelfile

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// cellKind is what a cell holds.
type cellKind int8

const (
	cellEmpty cellKind = iota
	cellInt            // number
	cellUint           // uint64(number)
	cellFloat
	cellBool // number
	cellText
	cellDate  // number: microseconds since 1970
	cellDay   // number: as of a date, written out without a time
	cellTime  // number: microseconds of a day
	cellSpan  // number: microseconds
	cellError // missing
)

// cell is a cell of a sheet that holds something.
type cell struct {
	column int
	kind   cellKind
	number int64
	float  float64
	text   string
}

// empty says that a cell counts as if it were not there.
func (c *cell) empty() bool { return c.kind == cellEmpty || c.kind == cellText && c.text == "" }

// meaning is what numbers are by their format.
type meaning int8

const (
	meansNumber meaning = iota
	meansDate
	meansSpan
)

// meaningOf finds the meaning of a number format by its id; own are those that
// the workbook defines.
func meaningOf(id int, own map[int]string) meaning {
	code, ok := own[id]
	switch {
	case ok:
	case id == 46:
		return meansSpan
	case id >= 14 && id <= 22, id == 45, id == 47:
		return meansDate
	default:
		return meansNumber
	}
	code, _, _ = strings.Cut(code, ";")
	if spanCode.MatchString(code) {
		return meansSpan
	}
	code = aside.ReplaceAllString(code, "")
	for i := range len(code) {
		if strings.IndexByte("dmhysDMHYS", code[i]) >= 0 && (i == 0 || code[i-1] != '_' && code[i-1] != '\\') {
			return meansDate
		}
	}
	return meansNumber
}

var (
	// spanCode finds hours, minutes or seconds that may be more than a day's.
	spanCode = regexp.MustCompile(`(?i)\[(hh?|mm?|ss?)\]`)
	// aside is what stands in a number format and is no field: text in quotes,
	// colours and conditions.
	aside = regexp.MustCompile(`"[^"]*"|\[[^\]]*\]`)
)

const (
	second = int64(1e6)
	day    = 86400 * second
)

// setNumber reads a number, and makes a date or a duration of it if it means
// that. Like openpyxl it counts milliseconds, and a date that there is not as
// an error value. It returns false for what is no number.
func (c *cell) setNumber(text string, means meaning, date1904 bool) bool {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) {
		return false
	}
	switch means {
	case meansSpan:
		c.setSpan(value)
	case meansDate:
		c.setDate(value, date1904)
	default:
		c.setPlain(text, value)
	}
	return true
}

// setPlain sets a number: whole ones are integers, as in pandas.
func (c *cell) setPlain(text string, value float64) {
	c.kind, c.float = cellFloat, value
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		c.kind, c.number = cellInt, n
		return
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		c.kind, c.number = cellUint, int64(n)
		return
	}
	switch {
	case value != math.Trunc(value) || isDigits(text):
	case math.Abs(value) < 1<<63:
		c.kind, c.number = cellInt, int64(value)
	case value > 0 && value < 1<<64:
		c.kind, c.number = cellUint, int64(uint64(value))
	}
}

// isDigits says that text is an integer, however long.
func isDigits(text string) bool {
	return strings.Trim(text, "+-0123456789") == ""
}

func (c *cell) setSpan(days float64) {
	micros := days * float64(day)
	if math.Abs(micros) > math.MaxInt64/1000 {
		c.kind = cellError
		return
	}
	whole := int64(math.RoundToEven(micros))
	if rest := whole % second; rest != 0 {
		down := whole - (rest+second)%second
		whole = down + int64(math.RoundToEven(float64(whole-down)/1000))*1000
	}
	c.kind, c.number = cellSpan, whole
}

func (c *cell) setDate(value float64, date1904 bool) {
	if value < -1e6 || value > 3e6 {
		c.kind = cellError
		return
	}
	days := math.Floor(value)
	diff := int64(math.RoundToEven((value-days)*86400000)) * 1000
	if value >= 0 && value < 1 && diff < day {
		c.kind, c.number = cellTime, diff
		return
	}
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if date1904 {
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	} else if value > 0 && value < 60 {
		days++ // Excel believes in 29 February 1900
	}
	at := epoch.UnixMicro() + int64(days)*day + diff
	if year := time.UnixMicro(at).UTC().Year(); year < 1 || year > 9999 {
		c.kind = cellError
		return
	}
	c.kind, c.number = cellDate, at
}

// setISO reads a date that is written out.
func (c *cell) setISO(text string) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999Z07:00", "2006-01-02T15:04:05.999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			c.kind, c.number = cellDate, t.UnixMicro()
			return
		}
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		c.kind, c.number = cellDay, t.UnixMicro()
		return
	}
	if t, err := time.Parse("15:04:05.999999", text); err == nil {
		c.kind, c.number = cellTime, t.Sub(t.Truncate(24*time.Hour)).Microseconds()
		return
	}
	c.kind = cellError
}

// String is the value as Python's str writes it.
func (c *cell) String() string {
	switch c.kind {
	case cellInt:
		return strconv.FormatInt(c.number, 10)
	case cellUint:
		return strconv.FormatUint(uint64(c.number), 10)
	case cellFloat:
		if c.float == math.Trunc(c.float) && !math.IsInf(c.float, 0) { // an integer, only large
			return strconv.FormatFloat(c.float, 'f', 0, 64)
		}
		return pythonFloat(c.float)
	case cellBool:
		if c.number != 0 {
			return "True"
		}
		return "False"
	case cellText:
		return c.text
	case cellDate:
		return time.UnixMicro(c.number).UTC().Format("2006-01-02 15:04:05") + fraction(c.number)
	case cellDay:
		return time.UnixMicro(c.number).UTC().Format(time.DateOnly)
	case cellTime:
		return clock(c.number, "%02d:%02d:%02d")
	case cellSpan:
		return pythonSpan(c.number)
	default:
		return "nan"
	}
}

// fraction is the part of a second, with its point, or nothing.
func fraction(micros int64) string {
	if rest := (micros%second + second) % second; rest != 0 {
		return fmt.Sprintf(".%06d", rest)
	}
	return ""
}

func clock(micros int64, layout string) string {
	s := micros / second
	return fmt.Sprintf(layout, s/3600, s/60%60, s%60) + fraction(micros)
}

func pythonSpan(micros int64) string {
	days := micros / day
	rest := micros % day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	text := clock(rest, "%d:%02d:%02d")
	switch days {
	case 0:
		return text
	case 1, -1:
		return fmt.Sprintf("%d day, %s", days, text)
	default:
		return fmt.Sprintf("%d days, %s", days, text)
	}
}

// pythonFloat writes a float as Python's repr does.
func pythonFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
