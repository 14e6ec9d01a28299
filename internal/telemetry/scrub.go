package telemetry

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
)

// secrets are credentials as they stand in addresses, percent-encoded or not,
// wherever in a text an address may be: also in a path that somebody has
// encoded a whole address into.
var secrets = regexp.MustCompile(`(?i)((?:api_?key|access_token|refresh_token|csrf)(?:=|%(?:25)*3d))[^&;\s"]+`)

// Scrubbed returns a logger that writes what plain writes, without credentials.
// It looks at the texts and errors of all attributes, so that nobody who logs
// an address has to think of it.
func Scrubbed(plain *slog.Logger) *slog.Logger { return slog.New(scrubber{plain.Handler()}) }

// scrubber implements [slog.Handler].
type scrubber struct{ slog.Handler }

// Handle implements [slog.Handler].
func (s scrubber) Handle(ctx context.Context, r slog.Record) error {
	if !suspect(r) {
		return s.Handler.Handle(ctx, r)
	}
	clean := slog.NewRecord(r.Time, r.Level, scrub(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(scrubAttr(a))
		return true
	})
	return s.Handler.Handle(ctx, clean)
}

// suspect tells whether there is anything in a record to look at closely, which
// is seldom so in the lines of which there are most.
func suspect(r slog.Record) bool {
	found := mayHold(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		switch a.Value.Kind() {
		case slog.KindString:
			found = found || mayHold(a.Value.String())
		case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindTime, slog.KindUint64:
		default:
			found = true
		}
		return !found
	})
	return found
}

// mayHold tells whether a text could hold a credential.
func mayHold(text string) bool { return strings.ContainsAny(text, "=%") }

// WithAttrs implements [slog.Handler].
func (s scrubber) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = scrubAttr(a)
	}
	return scrubber{s.Handler.WithAttrs(clean)}
}

// WithGroup implements [slog.Handler].
func (s scrubber) WithGroup(name string) slog.Handler { return scrubber{s.Handler.WithGroup(name)} }

func scrubAttr(a slog.Attr) slog.Attr {
	switch a.Value = a.Value.Resolve(); a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(scrub(a.Value.String()))
	case slog.KindGroup:
		group := a.Value.Group()
		clean := make([]slog.Attr, len(group))
		for i, member := range group {
			clean[i] = scrubAttr(member)
		}
		a.Value = slog.GroupValue(clean...)
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(scrub(err.Error()))
		}
	default:
	}
	return a
}

func scrub(text string) string {
	if !mayHold(text) {
		return text
	}
	return secrets.ReplaceAllString(text, "${1}…")
}
