package media

import (
	"context"
	"io"
)

// octets is application/octet-stream: the elements as they are, in C order.
type octets struct{}

func (octets) Version() int { return 1 }

func (octets) Plan(p Payload) (int64, error) {
	_, bytes := p.Array.size()
	return bytes, nil
}

func (octets) Encode(ctx context.Context, w io.Writer, p Payload) error {
	return p.Array.pieces(ctx, func(piece []byte) error {
		_, err := w.Write(piece)
		return err
	})
}
