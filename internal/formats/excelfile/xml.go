package excelfile

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// maxToken bounds one tag or one run of text.
	maxToken = 4 << 20
	// pulse is how many tags go by between two looks at the context.
	pulse = 4096
)

var errToken = errors.New("a tag or a text of more than 4 MiB")

// gauge lets a limited number of bytes through, set anew for each token.
type gauge struct {
	r    io.Reader
	left int
}

func (g *gauge) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errToken
	}
	n, err := g.r.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// tags reads XML tag by tag. Namespaces are not looked at: names are local.
type tags struct {
	gauge *gauge
	d     *xml.Decoder
	seen  int
}

func newTags(r io.Reader) *tags {
	g := &gauge{r: r}
	return &tags{gauge: g, d: xml.NewDecoder(g)}
}

// next returns the next token; nil at the end.
func (t *tags) next(ctx context.Context) (xml.Token, error) {
	if t.seen++; t.seen%pulse == 0 && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	t.gauge.left = maxToken
	token, err := t.d.RawToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil //nolint:nilnil // the end
	case err == nil:
		return token, nil
	case errors.Is(err, errdef.ErrUnsupported) || errors.Is(err, errdef.ErrUnprocessable):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", err, errdef.ErrUnprocessable)
	}
}

// attribute returns an attribute of a tag by its local name.
func attribute(start *xml.StartElement, name string) (string, bool) {
	for i := range start.Attr {
		if start.Attr[i].Name.Local == name {
			return start.Attr[i].Value, true
		}
	}
	return "", false
}

// each calls f with each opening tag.
func each(ctx context.Context, r io.Reader, f func(start *xml.StartElement, t *tags) error) error {
	t := newTags(r)
	for {
		token, err := t.next(ctx)
		if err != nil || token == nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok {
			if err := f(&start, t); err != nil {
				return err
			}
		}
	}
}
