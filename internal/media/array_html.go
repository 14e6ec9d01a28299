package media

import (
	"context"
	"encoding/base64"
	"errors"
	"html"
	"io"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// arrayHTML is text/html of arrays: a picture where there can be one, else the
// rows as text. (Tiled means to do that and always fails.)
type arrayHTML struct{}

func (arrayHTML) Version() int { return 1 }

func (arrayHTML) Plan(p Payload) (int64, error) {
	if _, err := (arrayPNG{}).Plan(p); err == nil || !errors.Is(err, errdef.ErrNotAcceptable) {
		return -1, err
	}
	return arrayCSV{}.Plan(p)
}

func (arrayHTML) Encode(ctx context.Context, w io.Writer, p Payload) error {
	before, after := `<html><body><img src="data:image/png;base64,`, `"/></body></html>`
	body := base64.NewEncoder(base64.StdEncoding, w)
	encoder := Encoder(arrayPNG{})
	if _, err := encoder.Plan(p); err != nil {
		before, after = "<html><body><pre>", "</pre></body></html>"
		body, encoder = &escaper{w: w}, arrayCSV{}
	}
	if _, err := io.WriteString(w, before); err != nil {
		return err
	}
	if err := encoder.Encode(ctx, body, p); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, after)
	return err
}

// escaper writes text so that HTML shows it as it is.
type escaper struct{ w io.Writer }

func (e *escaper) Write(text []byte) (int, error) {
	if _, err := io.WriteString(e.w, html.EscapeString(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (*escaper) Close() error { return nil }
