package media

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/structure"
)

// notATime is NaT, in datetime64 and timedelta64 alike.
const notATime = math.MinInt64

// unit is what a datetime64 or timedelta64 counts.
type unit struct {
	letters string
	count   int64
}

// parseUnit reads "[25s]"; nothing and "[generic]" have no letters.
func parseUnit(text string) unit {
	text = strings.Trim(text, "[]")
	letters := strings.TrimLeft(text, "0123456789")
	count, err := strconv.ParseInt(text[:len(text)-len(letters)], 10, 64)
	if err != nil {
		count = 1
	}
	if letters == "generic" {
		letters = ""
	}
	return unit{letters: letters, count: count}
}

// perSecond is how many of the unit make a second, 0 if it is no fraction of one.
func (u unit) perSecond() int64 {
	switch u.letters {
	case "s":
		return 1
	case "ms":
		return 1e3
	case "us":
		return 1e6
	case "ns":
		return 1e9
	case "ps":
		return 1e12
	case "fs":
		return 1e15
	case "as":
		return 1e18
	default:
		return 0
	}
}

// seconds is how long a unit of a second or longer is, 0 for years and months.
func (u unit) seconds() int64 {
	switch u.letters {
	case "W":
		return 7 * 86400
	case "D":
		return 86400
	case "h":
		return 3600
	case "m":
		return 60
	default:
		return 0
	}
}

// name is how numpy prints a count of the unit.
func (u unit) name() string {
	names := map[string]string{
		"": "generic time units", "Y": "years", "M": "months", "W": "weeks", "D": "days", "h": "hours", "m": "minutes",
		"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "ps": "picoseconds",
		"fs": "femtoseconds", "as": "attoseconds",
	}
	return names[u.letters]
}

// split turns a count of the unit into seconds since 1970 and the fraction
// within that second, in the unit. ok is false where seconds would not fit.
func (u unit) split(value int64) (seconds, fraction int64, ok bool) {
	if per := u.perSecond(); per != 0 {
		// value*count may not fit, so whole seconds are taken out first.
		whole, rest := floorDiv(value, per), mod(value, per)
		if u.count == 1 {
			return whole, rest, true
		}
		total := new(big.Int).Mul(big.NewInt(value), big.NewInt(u.count))
		quotient, remainder := total.DivMod(total, big.NewInt(per), new(big.Int))
		return quotient.Int64(), remainder.Int64(), quotient.IsInt64()
	}
	scale := u.seconds() * u.count
	if scale == 0 || abs(value) > math.MaxInt64/scale {
		return 0, 0, false
	}
	return value * scale, 0, true
}

func floorDiv(a, b int64) int64 { return (a - mod(a, b)) / b }

func mod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

func abs(a int64) int64 {
	if a < 0 {
		return -a
	}
	return a
}

// maxYear keeps dates within what package time computes without overflow.
const maxYear = 200_000_000_000

// dateWriter writes datetime64: in JSON as orjson does (date, time, and
// microseconds if there is a fraction), but every digit that finer units have;
// in text as numpy does, with the precision of the unit.
func dateWriter(t structure.DType, order binary.ByteOrder, form notation) writer {
	u := parseUnit(t.Units)
	return func(dst, item []byte) []byte {
		value := int64(order.Uint64(item))
		switch {
		case value == notATime && form == inJSON:
			return append(dst, "null"...)
		case value == notATime || u.letters == "" && form != inJSON:
			return append(dst, "NaT"...)
		case u.letters == "":
			return document.AppendInt(dst, value)
		}
		if form != inJSON {
			return u.appendDate(dst, value, false)
		}
		return append(u.appendDate(append(dst, '"'), value, true), '"')
	}
}

// appendDate writes one date; full asks for a time even where the unit is
// longer than that.
func (u unit) appendDate(dst []byte, value int64, full bool) []byte {
	if u.letters == "Y" || u.letters == "M" {
		return u.appendMonth(dst, value, full)
	}
	seconds, fraction, ok := u.split(value)
	if !ok || abs(seconds) > maxYear*31556952 {
		return document.AppendInt(dst, value)
	}
	at := time.Unix(seconds, 0).UTC()
	dst = appendYear(dst, int64(at.Year()))
	layout := "-01-02T15:04:05"
	switch {
	case full:
	case u.letters == "W" || u.letters == "D":
		layout = "-01-02"
	case u.letters == "h":
		layout = "-01-02T15"
	case u.letters == "m":
		layout = "-01-02T15:04"
	}
	dst = at.AppendFormat(dst, layout)
	digits := map[string]int{"ms": 3, "us": 6, "ns": 9, "ps": 12, "fs": 15, "as": 18}[u.letters]
	if digits == 0 || full && fraction == 0 {
		return dst
	}
	if full {
		fraction, digits = microseconds(fraction, digits)
	}
	text := strconv.FormatInt(fraction, 10)
	return append(append(append(dst, '.'), strings.Repeat("0", digits-len(text))...), text...)
}

// microseconds writes milliseconds with six digits, as orjson does, and finer
// fractions with six if the rest is zero.
func microseconds(fraction int64, digits int) (scaled int64, width int) {
	for ; digits < 6; digits++ {
		fraction *= 10
	}
	for ; digits > 6 && fraction%1000 == 0; digits -= 3 {
		fraction /= 1000
	}
	return fraction, digits
}

func (u unit) appendMonth(dst []byte, value int64, full bool) []byte {
	months := int64(0)
	if abs(value) > maxYear/max(u.count, 1) {
		return document.AppendInt(dst, value)
	}
	value *= u.count
	if u.letters == "Y" {
		dst = appendYear(dst, 1970+value)
	} else {
		months = mod(value, 12)
		dst = appendYear(dst, 1970+floorDiv(value, 12))
	}
	if u.letters == "M" || full {
		dst = append(dst, '-', byte('0'+(months+1)/10), byte('0'+(months+1)%10))
	}
	if full {
		dst = append(dst, "-01T00:00:00"...)
	}
	return dst
}

// appendYear writes four digits at least, after a sign if the year is negative.
func appendYear(dst []byte, year int64) []byte {
	width := 4
	if year < 0 {
		dst, year, width = append(dst, '-'), -year, 3
	}
	text := strconv.FormatInt(year, 10)
	return append(append(dst, strings.Repeat("0", max(0, width-len(text)))...), text...)
}

// deltaWriter writes timedelta64: its count in JSON, with the name of the unit
// in text, as numpy does.
func deltaWriter(t structure.DType, order binary.ByteOrder, form notation) writer {
	u := parseUnit(t.Units)
	return func(dst, item []byte) []byte {
		value := int64(order.Uint64(item))
		switch {
		case value == notATime && form == inJSON:
			return append(dst, "null"...)
		case value == notATime:
			return append(dst, "NaT"...)
		case form == inJSON:
			return document.AppendInt(dst, value)
		}
		if abs(value) <= math.MaxInt64/u.count {
			dst = document.AppendInt(dst, value*u.count)
		} else {
			dst = new(big.Int).Mul(big.NewInt(value), big.NewInt(u.count)).Append(dst, 10)
		}
		return append(append(dst, ' '), u.name()...)
	}
}
