package document

import (
	"math"
	"strconv"
	"time"
)

// AppendInt appends a whole number in decimal.
func AppendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// AppendUint appends a whole number in decimal.
func AppendUint(dst []byte, v uint64) []byte { return strconv.AppendUint(dst, v, 10) }

// AppendBool appends true or false.
func AppendBool(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) }

// AppendPythonBool writes True or False.
func AppendPythonBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "True"...)
	}
	return append(dst, "False"...)
}

// AppendFloat writes the shortest number that reads back the same, with
// the exponents of orjson, and null for what JSON cannot say. bits is the
// width that it has to read back in.
func AppendFloat(dst []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	low, high := 1e-5, 1e16
	if bits == 32 {
		low, high = float64(float32(1e-6)), float64(float32(1e13))
	}
	if abs := math.Abs(v); abs != 0 && (abs < low || abs >= high) {
		return appendExponent(dst, v, bits, 1)
	}
	return appendDecimal(dst, v, bits)
}

// AppendPythonFloat writes a number as Python's repr does: nan, inf, 1e-05,
// 1e+16. bits of 16 and 32 write what numpy's str gives for its narrower
// types, which turn to exponents at the precision they have.
func AppendPythonFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "nan"...)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	high := 1e16
	switch bits {
	case 16:
		high = 1e3
	case 32:
		high = 1e6
	}
	if abs := math.Abs(v); abs != 0 && (abs < 1e-4 || abs >= high) {
		return appendExponent(dst, v, bits, 2)
	}
	return appendDecimal(dst, v, bits)
}

// appendDecimal writes without exponent and always with a point.
func appendDecimal(dst []byte, v float64, bits int) []byte {
	start := len(dst)
	precision := -1
	if bits == 16 {
		// Digits behind the point: those of the exponent form, less its exponent.
		digits, exponent := shortestHalf(v)
		precision, bits = max(digits-exponent, 0), 64
	}
	dst = strconv.AppendFloat(dst, v, 'f', precision, bits)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, '.', '0')
}

// appendExponent writes 1.5e+16 with at least so many digits in the exponent.
func appendExponent(dst []byte, v float64, bits, digits int) []byte {
	precision := -1
	if bits == 16 {
		precision, _ = shortestHalf(v)
		bits = 64
	}
	dst = strconv.AppendFloat(dst, v, 'e', precision, bits)
	// Go writes two digits at least.
	if at := len(dst) - 2; digits == 1 && dst[at] == '0' && dst[at-1] < '0' {
		dst = append(dst[:at], dst[at+1])
	}
	return dst
}

// shortestHalf is how many digits behind the first a float16 needs to read
// back the same, and its decimal exponent.
func shortestHalf(v float64) (digits, exponent int) {
	var space [24]byte
	for digits = range 5 {
		text := strconv.AppendFloat(space[:0], v, 'e', digits, 64)
		back, err := strconv.ParseFloat(string(text), 64)
		exponent, _ = strconv.Atoi(string(text[len(text)-3:]))
		if err == nil && toHalf(back) == toHalf(v) {
			break
		}
	}
	return digits, exponent
}

// toHalf rounds to the nearest float16, ties to even, as a float64.
func toHalf(v float64) float64 {
	if v == 0 {
		return 0
	}
	_, exponent := math.Frexp(v)
	// Eleven bits of precision; subnormals begin below 2^-14.
	ulp := math.Ldexp(1, max(exponent, -13)-11)
	return math.RoundToEven(v/ulp) * ulp
}

// FromHalf is the value of the bits of a float16.
func FromHalf(bits uint16) float64 {
	fraction, exponent := float64(bits&0x3ff), int(bits>>10&0x1f)
	var v float64
	switch exponent {
	case 0:
		v = math.Ldexp(fraction, -24)
	case 0x1f:
		v = math.Inf(1)
		if fraction != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits&0x8000 != 0 {
		v = -v
	}
	return v
}

// FromExtended is the float64 nearest to an 80-bit float of the x87, which is
// what numpy's 16-byte floats are on the machines that write them.
func FromExtended(mantissa uint64, top uint16) float64 {
	exponent := int(top & 0x7fff)
	var v float64
	switch {
	case exponent == 0x7fff && mantissa<<1 != 0:
		v = math.NaN()
	case exponent == 0x7fff:
		v = math.Inf(1)
	default:
		v = math.Ldexp(float64(mantissa), exponent-16383-63)
	}
	if top&0x8000 != 0 {
		v = -v
	}
	return v
}

// AppendISO writes date, time, a fraction of 6 or 9 digits if there is one,
// and with zone the offset from UTC as +00:00.
func AppendISO(dst []byte, t time.Time, zone bool) []byte {
	layout := "2006-01-02T15:04:05"
	switch {
	case t.Nanosecond() == 0:
	case t.Nanosecond()%1000 == 0:
		layout = "2006-01-02T15:04:05.000000"
	default:
		layout = "2006-01-02T15:04:05.000000000"
	}
	if zone {
		layout += "-07:00"
	}
	return t.AppendFormat(dst, layout)
}
