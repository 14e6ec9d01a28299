package media

import (
	"context"
	"io"
)

// sinkSize is how much text is gathered before it is written.
const sinkSize = 64 << 10

// sink gathers small appends into writes of some size, and looks at the
// context each time it writes. Its owner appends to buf and calls room often.
type sink struct {
	w   io.Writer
	buf []byte
}

func newSink(w io.Writer) *sink {
	return &sink{w: w, buf: make([]byte, 0, sinkSize+sinkSize/8)}
}

// room writes what was gathered if that is enough to be worth it.
func (s *sink) room(ctx context.Context) error {
	if len(s.buf) < sinkSize {
		return nil
	}
	return s.flush(ctx)
}

// flush writes all that was gathered.
func (s *sink) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}
