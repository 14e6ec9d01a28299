package document

import (
	"encoding/base64"
	"time"
	"unicode/utf8"
)

// AppendJSON writes a document of plain values (nil, bool, numbers, string,
// []byte, time.Time, []any, map[string]any, [Object] and typed lists and maps
// of these) as Tiled's orjson writes it: no spaces, NaN and infinities as null,
// bytes as a data URI in base64, times as RFC 3339, what is not UTF-8 as
// U+FFFD. Other types, and nesting beyond 512 levels, are
// errdef.ErrUnprocessable; dst is then returned as it came.
func AppendJSON(dst []byte, document any) ([]byte, error) {
	out, err := appendJSON(dst, document, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendJSON(dst []byte, value any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, tooDeep()
	}
	switch v := plain(value).(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return AppendBool(dst, v), nil
	case int64:
		return AppendInt(dst, v), nil
	case uint64:
		return AppendUint(dst, v), nil
	case float64:
		return AppendFloat(dst, v, 64), nil
	case string:
		return AppendString(dst, v), nil
	case []byte:
		return AppendDataURI(dst, v), nil
	case time.Time:
		return append(AppendISO(append(dst, '"'), v, true), '"'), nil
	case []any:
		return appendJSONList(dst, v, depth)
	case Object:
		return appendJSONObject(dst, v, depth)
	default:
		return nil, foreign(value)
	}
}

func appendJSONList(dst []byte, list []any, depth int) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, value := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendJSONObject(dst []byte, object Object, depth int) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i, pair := range object {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, pair.Key), ':')
		if dst, err = appendJSON(dst, pair.Value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// AppendDataURI writes bytes as Tiled does in documents and arrays.
func AppendDataURI(dst, data []byte) []byte {
	dst = append(dst, `"data:application/octet-stream;base64,`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}

// AppendString writes a string with its quotes: escapes where JSON demands
// them and nowhere else.
func AppendString[T ~string | ~[]byte](dst []byte, text T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			// At most four bytes matter, and a short conversion stays on the stack.
			r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, text[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}
