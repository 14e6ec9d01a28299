package zarr

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/float16"

	"github.com/terrazzo-data/terrazzo/structure"
)

// parseFill reads a fill value in the forms of both format versions and
// returns one element in the byte order of t, or nil if it is all zero (or
// null, which leaves the value open).
func parseFill(v any, t structure.DType) ([]byte, error) {
	if v == nil || v == "" || v == int64(0) {
		return nil, nil
	}
	if t.ItemSize > maxFill {
		return nil, unsupported("fill_value: a value of %d bytes", t.ItemSize)
	}
	out := make([]byte, t.ItemSize)
	var ok bool
	switch {
	case t.Fields != nil || t.Kind == 'V' || t.Kind == 'S':
		ok = fillBytes(out, v)
	case t.Kind == 'U':
		ok = fillText(out, v, order(t))
	case t.Kind == 'c':
		ok = fillComplex(out, v, order(t))
	case t.Kind == 'f':
		ok = fillFloat(out, v, order(t))
	default:
		ok = fillInteger(out, v, t)
	}
	if !ok {
		return nil, unprocessable("fill_value: is no value of type %.200s", t)
	}
	for _, b := range out {
		if b != 0 {
			return out, nil
		}
	}
	return nil, nil
}

// maxFill bounds the elements that have a fill value other than zero.
const maxFill = 1 << 20

// byteOrder is what encoding/binary has under two interfaces.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func order(t structure.DType) byteOrder {
	if t.Endianness == structure.Big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// fillBytes takes base64 (plain text if it is none), or a list of bytes.
func fillBytes(out []byte, v any) bool {
	switch v := v.(type) {
	case string:
		raw, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			raw = []byte(v)
		}
		return len(raw) <= len(out) && copy(out, raw) == len(raw)
	case []any:
		for i, e := range v {
			n, ok := e.(int64)
			if !ok || n < 0 || n > 255 || len(v) != len(out) {
				return false
			}
			out[i] = byte(n)
		}
		return len(v) == len(out)
	}
	return v == int64(0)
}

func fillText(out []byte, v any, o byteOrder) bool {
	text, ok := v.(string)
	if !ok {
		return v == int64(0)
	}
	at := 0
	for _, r := range text {
		if at+4 > len(out) {
			return false
		}
		o.PutUint32(out[at:], uint32(r))
		at += 4
	}
	return true
}

func fillComplex(out []byte, v any, o byteOrder) bool {
	half := len(out) / 2
	parts, ok := v.([]any)
	if !ok {
		return fillFloat(out[:half], v, o)
	}
	return len(parts) == 2 && fillFloat(out[:half], parts[0], o) && fillFloat(out[half:], parts[1], o)
}

// fillFloat takes a number, the name of one that JSON lacks, or the bits of
// one in hexadecimal.
func fillFloat(out []byte, v any, o byteOrder) bool {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case int64:
		f = float64(v)
	case uint64:
		f = float64(v)
	case string:
		if digits, ok := strings.CutPrefix(v, "0x"); ok {
			bits, err := strconv.ParseUint(digits, 16, 64)
			return err == nil && len(digits) == 2*len(out) && putUint(out, bits, o)
		}
		named, ok := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[v]
		if !ok {
			return false
		}
		f = named
	default:
		return false
	}
	if math.IsNaN(f) {
		f = math.Float64frombits(numpyNaN)
	}
	switch len(out) {
	case 2:
		return putUint(out, uint64(float16.New(float32(f)).Uint16()), o)
	case 4:
		return putUint(out, uint64(math.Float32bits(float32(f))), o)
	case 8:
		return putUint(out, math.Float64bits(f), o)
	}
	return f == 0
}

// numpyNaN are the bits of numpy's nan, which differ from those of Go's.
const numpyNaN = 0x7ff8 << 48

// fillInteger takes a number in range, a truth value, or NaT for times.
func fillInteger(out []byte, v any, t structure.DType) bool {
	var bits uint64
	negative := false
	switch v := v.(type) {
	case bool:
		if v {
			bits = 1
		}
	case int64:
		bits, negative = uint64(v), v < 0
	case uint64:
		bits = v
	case float64:
		if v != math.Trunc(v) || math.Abs(v) >= 1<<63 {
			return false
		}
		bits, negative = uint64(int64(v)), v < 0
	case string:
		if v != "NaT" || t.Kind != 'm' && t.Kind != 'M' {
			return false
		}
		bits, negative = 1<<63, true
	default:
		return false
	}
	width := 8 * len(out)
	switch {
	case t.Kind == 'b' && bits > 1, negative && (t.Kind == 'u' || t.Kind == 'b'):
		return false
	case negative && int64(bits)>>(width-1) != -1, !negative && t.Kind != 'u' && bits>>(width-1) != 0,
		!negative && width < 64 && bits>>width != 0:
		return false
	}
	return putUint(out, bits, order(t))
}

// putUint writes the lowest bytes of bits.
func putUint(out []byte, bits uint64, o byteOrder) bool {
	switch len(out) {
	case 1:
		out[0] = byte(bits)
	case 2:
		o.PutUint16(out, uint16(bits))
	case 4:
		o.PutUint32(out, uint32(bits))
	case 8:
		o.PutUint64(out, bits)
	default:
		return false
	}
	return true
}
