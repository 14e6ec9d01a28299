package media

import (
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/internal/document"
)

// timeWriter writes dates, times and durations: ISO 8601 in JSON, as pandas
// prints them in text.
func timeWriter(a arrow.Array, form notation) func(dst []byte, row int) []byte {
	switch v := a.(type) {
	case *array.Timestamp:
		return timestampWriter(v, form)
	case *array.Date32:
		return quoted(form, func(dst []byte, row int) []byte { return v.Value(row).ToTime().AppendFormat(dst, time.DateOnly) })
	case *array.Date64:
		return quoted(form, func(dst []byte, row int) []byte { return v.Value(row).ToTime().AppendFormat(dst, time.DateOnly) })
	case *array.Time32:
		unit := v.DataType().(*arrow.Time32Type).Unit
		return quoted(form, func(dst []byte, row int) []byte { return appendClock(dst, int64(v.Value(row)), unit) })
	case *array.Time64:
		unit := v.DataType().(*arrow.Time64Type).Unit
		return quoted(form, func(dst []byte, row int) []byte { return appendClock(dst, int64(v.Value(row)), unit) })
	case *array.Duration:
		unit := v.DataType().(*arrow.DurationType).Unit
		return quoted(form, func(dst []byte, row int) []byte {
			seconds, nanos := splitUnit(int64(v.Value(row)), unit)
			return appendDuration(dst, seconds, nanos, form == inJSON)
		})
	default:
		return nil
	}
}

// splitUnit turns a count into whole seconds, rounded down, and nanoseconds.
func splitUnit(value int64, unit arrow.TimeUnit) (seconds, nanos int64) {
	per := int64(time.Second / unit.Multiplier())
	return floorDiv(value, per), mod(value, per) * int64(unit.Multiplier())
}

// appendClock writes a time of day.
func appendClock(dst []byte, value int64, unit arrow.TimeUnit) []byte {
	seconds, nanos := splitUnit(value, unit)
	at := time.Unix(seconds, nanos).UTC()
	dst = at.AppendFormat(dst, time.TimeOnly)
	return appendFraction(dst, nanos)
}

// appendFraction writes six digits, or nine if they are needed, or nothing.
func appendFraction(dst []byte, nanos int64) []byte {
	switch {
	case nanos == 0:
		return dst
	case nanos%1000 == 0:
		return appendDigits(append(dst, '.'), nanos/1000, 6)
	default:
		return appendDigits(append(dst, '.'), nanos, 9)
	}
}

// appendDigits writes a number with zeros before it.
func appendDigits(dst []byte, value int64, digits int) []byte {
	text := strconv.FormatInt(value, 10)
	for range digits - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// appendDuration writes "1 days 02:03:04.5" as pandas prints it, or the
// P1DT2H3M4.5S of its isoformat. As there, only the days are negative.
func appendDuration(dst []byte, seconds, nanos int64, iso bool) []byte {
	days, rest := floorDiv(seconds, 86400), mod(seconds, 86400)
	if !iso {
		dst = append(document.AppendInt(dst, days), " days "...)
		if days < 0 {
			dst = append(dst, '+')
		}
		dst = append(appendDigits(dst, rest/3600, 2), ':')
		dst = append(appendDigits(dst, rest/60%60, 2), ':')
		return appendFraction(appendDigits(dst, rest%60, 2), nanos)
	}
	dst = append(document.AppendInt(append(dst, 'P'), days), "DT"...)
	dst = append(document.AppendInt(dst, rest/3600), 'H')
	dst = append(document.AppendInt(dst, rest/60%60), 'M')
	return append(appendFraction(document.AppendInt(dst, rest%60), nanos), 'S')
}

// timestampWriter writes ISO 8601 in JSON. In text all rows get the form that
// the array needs: without a time if there is none in it, with as many digits
// as the finest has; with a time zone each row stands for itself.
func timestampWriter(v *array.Timestamp, form notation) func(dst []byte, row int) []byte {
	at := timeOf(v)
	zone := v.DataType().(*arrow.TimestampType).TimeZone != ""
	if form == inJSON {
		return func(dst []byte, row int) []byte {
			return append(document.AppendISO(append(dst, '"'), at(row), zone), '"')
		}
	}
	if zone {
		return func(dst []byte, row int) []byte {
			t := at(row)
			dst = appendFraction(t.AppendFormat(dst, time.DateTime), int64(t.Nanosecond()))
			return t.AppendFormat(dst, "-07:00")
		}
	}
	layout := textLayout(v, at)
	return func(dst []byte, row int) []byte { return at(row).AppendFormat(dst, layout) }
}

// textLayout finds what pandas' to_csv would choose for a column.
func textLayout(v *array.Timestamp, at func(int) time.Time) string {
	midnight, finest := true, int64(0)
	for row := range v.Len() {
		if v.IsNull(row) {
			continue
		}
		t := at(row)
		nanos := int64(t.Nanosecond())
		midnight = midnight && nanos == 0 && t.Unix()%86400 == 0
		switch {
		case nanos%1000 != 0:
			finest = 9
		case nanos%1_000_000 != 0:
			finest = max(finest, 6)
		case nanos != 0:
			finest = max(finest, 3)
		}
	}
	switch {
	case midnight:
		return time.DateOnly
	case finest > 0:
		return time.DateTime + "." + "000000000"[:finest]
	default:
		return time.DateTime
	}
}
