package document

import (
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// AppendMsgpack writes a document of plain values as [AppendJSON] takes them:
// text as str, bytes as bin, times as the Timestamp extension (type -1), NaN
// and infinities as they are. Keys are always str, since the Python client
// refuses others; what is not UTF-8 becomes U+FFFD for the same reason.
func AppendMsgpack(dst []byte, document any) ([]byte, error) {
	out, err := appendMsgpack(dst, document, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendMsgpack(dst []byte, value any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, tooDeep()
	}
	switch v := plain(value).(type) {
	case nil:
		return msgp.AppendNil(dst), nil
	case bool:
		return msgp.AppendBool(dst, v), nil
	case int64:
		return msgp.AppendInt64(dst, v), nil
	case uint64:
		return msgp.AppendUint64(dst, v), nil
	case float64:
		return msgp.AppendFloat64(dst, v), nil
	case string:
		return appendMsgpackString(dst, v), nil
	case []byte:
		return msgp.AppendBytes(dst, v), nil
	case time.Time:
		return msgp.AppendTimeExt(dst, v), nil
	case []any:
		return appendMsgpackList(dst, v, depth)
	case Object:
		return appendMsgpackObject(dst, v, depth)
	default:
		return nil, foreign(value)
	}
}

func appendMsgpackString(dst []byte, text string) []byte {
	return msgp.AppendString(dst, strings.ToValidUTF8(text, "\uFFFD"))
}

func appendMsgpackList(dst []byte, list []any, depth int) ([]byte, error) {
	dst = msgp.AppendArrayHeader(dst, uint32(len(list)))
	var err error
	for _, value := range list {
		if dst, err = appendMsgpack(dst, value, depth+1); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendMsgpackObject(dst []byte, object Object, depth int) ([]byte, error) {
	dst = msgp.AppendMapHeader(dst, uint32(len(object)))
	var err error
	for _, pair := range object {
		dst = appendMsgpackString(dst, pair.Key)
		if dst, err = appendMsgpack(dst, pair.Value, depth+1); err != nil {
			return nil, err
		}
	}
	return dst, nil
}
