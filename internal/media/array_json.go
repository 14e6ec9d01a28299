package media

import (
	"context"
	"io"
)

// arrayJSON is application/json of arrays: nested lists, as numpy's tolist has
// them, a bare value for a scalar.
type arrayJSON struct{}

func (arrayJSON) Version() int { return 1 }

func (arrayJSON) Plan(p Payload) (int64, error) { return -1, p.Array.hollow(typeJSON) }

func (arrayJSON) Encode(ctx context.Context, w io.Writer, p Payload) error {
	out := newSink(w)
	if product(p.Array.Shape) == 0 {
		out.buf = appendHollow(out.buf, p.Array.Shape)
		return out.flush(ctx)
	}
	write := writerOf(p.Array.Type, inJSON)
	nest := newNest(p.Array.Shape)
	err := p.Array.each(ctx, func(item []byte) error {
		out.buf = nest.before(out.buf)
		out.buf = write(out.buf, item)
		out.buf = nest.after(out.buf)
		return out.room(ctx)
	})
	if err != nil {
		return err
	}
	return out.flush(ctx)
}

// appendHollow writes the lists of a shape that holds no elements.
func appendHollow(dst []byte, shape []int64) []byte {
	dst = append(dst, '[')
	for i := range shape[0] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendHollow(dst, shape[1:])
	}
	return append(dst, ']')
}

// nest writes the brackets between elements that come in C order.
type nest struct {
	shape, at []int64
}

func newNest(shape []int64) *nest { return &nest{shape: shape, at: make([]int64, len(shape))} }

// before writes what stands before the next element: the lists that begin with
// it, or a comma within the last one.
func (n *nest) before(dst []byte) []byte {
	fresh := 0
	for i := len(n.at) - 1; i >= 0 && n.at[i] == 0; i-- {
		fresh++
	}
	if fresh < len(n.at) {
		dst = append(dst, ',')
	}
	for range fresh {
		dst = append(dst, '[')
	}
	return dst
}

// after closes the lists that end with the element.
func (n *nest) after(dst []byte) []byte {
	for i := len(n.at) - 1; i >= 0; i-- {
		if n.at[i]++; n.at[i] < n.shape[i] {
			break
		}
		n.at[i] = 0
		dst = append(dst, ']')
	}
	return dst
}
