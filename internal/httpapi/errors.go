package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/auth"
)

// statuses is the one place where errors become statuses. The first that
// matches counts.
var statuses = [...]struct { //nolint:gochecknoglobals // a constant table
	err    error
	status int
}{
	{errdef.ErrInvalid, http.StatusBadRequest},
	{errdef.ErrUnauthenticated, http.StatusUnauthorized},
	{errdef.ErrForbidden, http.StatusForbidden},
	{errdef.ErrNotFound, http.StatusNotFound},
	{errdef.ErrNotAllowed, http.StatusMethodNotAllowed},
	{errdef.ErrNotAcceptable, http.StatusNotAcceptable},
	{errdef.ErrConflict, http.StatusConflict},
	{errdef.ErrGone, http.StatusGone},
	{errdef.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{errdef.ErrUnsupported, http.StatusUnsupportedMediaType},
	{errdef.ErrUnprocessable, http.StatusUnprocessableEntity},
	{errdef.ErrLimited, http.StatusTooManyRequests},
	{errdef.ErrUnavailable, http.StatusServiceUnavailable},
	{errdef.ErrChanged, http.StatusServiceUnavailable},
}

// statusOf returns the status for err; what no row knows is our own fault.
func statusOf(err error) int {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errdef.ErrInvalid)...)
}

func unprocessable(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errdef.ErrUnprocessable)...)
}

// A parameterError is a parameter that does not parse. On the wire its detail
// is a list, as validators of the protocol write it.
type parameterError struct {
	where, name, input string
	cause              error
}

func (e *parameterError) Error() string { return "parameter " + e.name + ": " + e.cause.Error() }
func (e *parameterError) Unwrap() error { return e.cause }

// parameter says that a parameter of the query does not parse.
func (c *call) parameter(name, format string, args ...any) error {
	return &parameterError{where: "query", name: name, input: c.query.Get(name), cause: unprocessable(format, args...)}
}

func (e *parameterError) detail() []map[string]any {
	if len(e.input) > 200 {
		e.input = e.input[:200]
	}
	return []map[string]any{{"type": "value_error", "loc": []string{e.where, e.name}, "msg": detailOf(e.cause), "input": e.input}}
}

// retryAfter is what a client is asked to wait, in seconds: Tiled's client
// understands a number only.
const retryAfter = 1

// fail writes err as the protocol wants it: {"detail": text}, as exactly
// application/json. Once bytes of a body were sent it cuts the connection, so
// that nobody takes half an answer for a whole one.
func (c *call) fail(err error) {
	if c.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		c.seen.note(func(s *Seen) { s.Gone = true })
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to end a connection; nobody listens
	}
	if c.started {
		level := slog.LevelWarn
		if c.ctx.Err() != nil || leftBehind(err) {
			c.seen.note(func(s *Seen) { s.Gone = true })
			level = slog.LevelDebug // it was the client's wish, or its slowness
		}
		c.Log.LogAttrs(c.ctx, level, "answer cut off", slog.String("path", c.r.URL.Path), slog.Any("error", err))
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to end a connection
	}
	status := statusOf(err)
	var detail any = detailOf(err)
	if bad := (*parameterError)(nil); status == http.StatusUnprocessableEntity && errors.As(err, &bad) {
		detail = bad.detail()
	}
	h := c.w.Header()
	for _, name := range []string{"ETag", "Last-Modified", "Content-Encoding", "Content-Length", "Content-Disposition", "Accept-Ranges", "Terrazzo-Cache-Control"} {
		h.Del(name)
	}
	switch status {
	case http.StatusInternalServerError:
		c.Log.LogAttrs(c.ctx, slog.LevelError, "internal error", slog.String("path", c.r.URL.Path), slog.Any("error", err))
		detail = "internal error; the server's log has more under this request's X-Tiled-Request-ID"
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer scope="read:metadata read:data"`)
		h.Set("X-Tiled-Root", c.base())
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	body, _ := json.Marshal(map[string]any{"detail": detail}) // strings marshal
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // nobody to tell
	}
}

// leftBehind tells an error of the connection, which the client closed or took
// nothing from, from one of the answer.
func leftBehind(err error) bool {
	var sending *net.OpError
	return errors.As(err, &sending) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// detailOf is the error's text without the sentinels' own, which the status
// says already.
func detailOf(err error) string {
	text := err.Error()
	for _, s := range statuses {
		text = trimSuffixes(text, ": "+s.err.Error())
	}
	return text
}

func trimSuffixes(text, suffix string) string {
	for len(text) > len(suffix) && text[len(text)-len(suffix):] == suffix {
		text = text[:len(text)-len(suffix)]
	}
	return text
}

// lacking is the answer to somebody who may not do what they ask.
func (c *call) lacking(s auth.Scope) error {
	return fmt.Errorf("Not enough permissions. Requires scopes [%q]. Request had no API key; use ?api_key=… or the header 'Authorization: Apikey …': %w", //nolint:staticcheck // the text that Tiled's users know
		string(s), errdef.ErrUnauthenticated)
}
