package replay

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	colors      = regexp.MustCompile("\x1b\\[[0-9;]*m")
	requestLine = regexp.MustCompile(`"([A-Za-z]{1,20}) (.*) HTTP/\d(?:\.\d)?" "?(\d{3})\b(.*)`)
	bareLine    = regexp.MustCompile(`^([A-Z]{1,20}) (.*) HTTP/\d(?:\.\d)?$`)
	bracketTime = regexp.MustCompile(`\[(\d{2}/[A-Za-z]{3}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\]`)
	isoTime     = regexp.MustCompile(`^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)`)
	lastQuoted  = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"\s*$`)
	pair        = regexp.MustCompile(`(\w[\w.]*)=("(?:[^"\\]|\\.)*"|\S*)`)
)

// parseLine finds the request in a line of any known format.
func parseLine(line string) (entry, error) {
	line = strings.TrimSpace(colors.ReplaceAllString(line, ""))
	switch {
	case strings.HasPrefix(line, "{"):
		return parseJSONLine(line)
	case strings.Contains(line, " method=") && strings.Contains(line, " path="):
		return parsePairs(line)
	}
	m := requestLine.FindStringSubmatch(line)
	if m == nil {
		return entry{}, errNoRequest
	}
	e := entry{method: strings.ToUpper(m[1]), target: unescaped(m[2])}
	e.status, _ = strconv.Atoi(m[3]) // three digits
	if t := bracketTime.FindStringSubmatch(line); t != nil {
		e.at = parseTime(t[1])
	} else if t := isoTime.FindStringSubmatch(line); t != nil {
		e.at = parseTime(t[1])
	}
	if a := lastQuoted.FindStringSubmatch(m[4]); a != nil {
		e.agent = a[1]
	}
	return e.checked()
}

// checked is e if it asks for a path. A target may be absolute (RFC 9112 §3.2.2): who
// replays says which host is asked.
func (e entry) checked() (entry, error) {
	if scheme, rest, ok := strings.Cut(e.target, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		_, path, _ := strings.Cut(rest, "/")
		e.target = "/" + path
	}
	if !strings.HasPrefix(e.target, "/") {
		return e, errTarget
	}
	return e, nil
}

// unescaped undoes what nginx and Apache do to quotes and to bytes that do not print.
func unescaped(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if s[i+1] == 'x' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

// parsePairs reads key=value as log/slog writes it.
func parsePairs(line string) (entry, error) {
	fields := map[string]any{}
	for _, m := range pair.FindAllStringSubmatch(line, -1) {
		value := m[2]
		if text, err := strconv.Unquote(value); err == nil {
			value = text
		}
		fields[m[1]] = value
	}
	return fromFields(fields)
}

func parseJSONLine(line string) (entry, error) {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return entry{}, errNotJSON
	}
	return fromFields(fields)
}

// fromFields knows the names that structured logs usually have.
func fromFields(fields map[string]any) (entry, error) {
	get := func(names ...string) string {
		for _, name := range names {
			switch v := fields[name].(type) {
			case string:
				if v != "" {
					return v
				}
			case float64:
				return strconv.FormatFloat(v, 'f', -1, 64)
			}
		}
		return ""
	}
	e := entry{
		method: strings.ToUpper(get("method", "request_method", "http_method", "verb")),
		target: get("target", "request_uri", "uri", "url", "path", "full_path"),
		agent:  get("user_agent", "http_user_agent", "agent"),
		at:     parseTime(get("time", "@timestamp", "timestamp", "ts", "time_iso8601", "time_local", "msec")),
	}
	e.status, _ = strconv.Atoi(get("status", "status_code", "response_status")) // 0 where it is not said
	if m := bareLine.FindStringSubmatch(get("request", "request_line", "message")); m != nil {
		e.method, e.target = m[1], m[2]
	}
	if e.method == "" || e.target == "" {
		return e, errNoRequest
	}
	query, split := fields["query"]
	if fields["msg"] == "request" && fields["id"] != nil && !split {
		return e, errNoQuery
	}
	if fields["msg"] == "request" {
		e.target = (&url.URL{Path: e.target}).EscapedPath()
	}
	if q, ok := query.(string); ok || get("query_string", "args") != "" {
		if q == "" {
			q = get("query_string", "args")
		}
		if q = strings.TrimPrefix(q, "?"); q != "" && !strings.Contains(e.target, "?") {
			e.target += "?" + q
		}
	}
	return e.checked()
}

// parseTime returns the zero time for what it does not know.
func parseTime(text string) time.Time {
	for _, layout := range []string{
		time.RFC3339Nano, "02/Jan/2006:15:04:05 -0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
		"2006-01-02 15:04:05.999999999-07:00", "2006-01-02T15:04:05.999999999-0700",
	} {
		if t, err := time.Parse(layout, strings.Replace(text, ",", ".", 1)); err == nil {
			return t
		}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 1e8 || seconds > 1e14 {
		return time.Time{}
	}
	for seconds > 1e11 { // in milliseconds or less
		seconds /= 1000
	}
	return time.Unix(0, int64(seconds*1e9))
}

// secret tells whether a query parameter is or may be a credential.
func secret(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	switch strings.ToLower(name) {
	case "api_key", "apikey", "api-key", "access_token", "refresh_token", "token", "code", "state", "csrf", "password":
		return true
	}
	return false
}

// clean is a target below prefix without credentials, fit to be sent. Logs may have
// decoded it (Tiled's does): what may not stand in a target is encoded again.
func clean(target, prefix string) string {
	path, query, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	if rest, ok := strings.CutPrefix(path, prefix); ok && prefix != "" && strings.HasPrefix(rest, "/") {
		path = rest
	}
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		// Documents are asked for in JSON, which can be compared by what it means.
		packed := name == "format" && strings.HasSuffix(value, "msgpack")
		if part != "" && !secret(name) && !packed {
			kept = append(kept, encoded(part))
		}
	}
	path = encoded(path)
	if len(kept) == 0 {
		return path
	}
	return path + "?" + strings.Join(kept, "&")
}

// encoded percent-encodes what may not stand in a path or a query (RFC 3986 §3.3, §3.4).
func encoded(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		good := c > ' ' && c < 0x7f && !strings.ContainsRune(`"<>\^`+"`{|}[]#%", rune(c)) ||
			c == '%' && i+2 < len(s) && hexadecimal(s[i+1]) && hexadecimal(s[i+2])
		if good {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func hexadecimal(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
