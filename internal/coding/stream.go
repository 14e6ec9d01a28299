package coding

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// pool keeps values of one type for reuse.
type pool[T any] struct{ kept sync.Pool }

// get returns a kept value, if there is one.
func (p *pool[T]) get() (T, bool) {
	v, ok := p.kept.Get().(T)
	return v, ok
}

func (p *pool[T]) put(v T) { p.kept.Put(v) }

// encoder is what compressors of streams have in common.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// pooledWriter gives its encoder back when a body has ended well. An encoder
// whose Write or Close failed is left to the collector.
type pooledWriter[E encoder] struct {
	encoder E
	pool    *pool[E]
	failed  error
	closed  bool
}

var errClosed = errors.New("coding: write after Close")

func (w *pooledWriter[E]) Write(p []byte) (int, error) {
	switch {
	case w.failed != nil:
		return 0, w.failed
	case w.closed:
		return 0, errClosed
	}
	n, err := w.encoder.Write(p)
	w.failed = err
	return n, err
}

func (w *pooledWriter[E]) Close() error {
	if w.closed || w.failed != nil {
		return w.failed
	}
	w.closed = true
	if w.failed = w.encoder.Close(); w.failed != nil {
		return w.failed
	}
	w.encoder.Reset(io.Discard) // keeps nothing of this response alive
	w.pool.put(w.encoder)
	return nil
}

// source remembers the first error of the reader below a decoder, so that a
// lost connection is not taken for damaged input.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// open starts decoding src; release is called once, with whether all went well.
type open func(src io.Reader) (decoded io.Reader, release func(ok bool), err error)

// reader guards a decoder: it opens it at the first Read, counts what comes out
// and gives errors their meaning.
type reader struct {
	name    string
	src     source
	left    int64
	open    open
	decoder io.Reader
	release func(ok bool)
	err     error
	whole   bool // the end was reached, without an error
}

func newReader(name string, r io.Reader, limit int64, open open) io.ReadCloser {
	return &reader{name: name, src: source{r: r}, left: limit, open: open}
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	if r.decoder == nil {
		var err error
		if r.decoder, r.release, err = r.open(&r.src); err != nil {
			return 0, r.fail(err)
		}
	}
	// One byte more than allowed tells "full" from "too much".
	if room := r.left + 1; int64(len(p)) > room {
		p = p[:room]
	}
	n, err := r.decoder.Read(p)
	if int64(n) > r.left {
		return int(r.left), r.fail(fmt.Errorf("body is longer than its limit: %w", errdef.ErrTooLarge))
	}
	r.left -= int64(n)
	if err != nil {
		return n, r.fail(err)
	}
	return n, nil
}

// fail notes the error that ends the stream and returns it as callers see it.
func (r *reader) fail(err error) error {
	switch {
	case err == io.EOF: //nolint:errorlint // a wrapped EOF is not the end, see io.Reader
		r.err, r.whole = err, true
	case r.src.err != nil:
		r.err = r.src.err
	case errors.Is(err, errdef.ErrTooLarge), errors.Is(err, errdef.ErrUnprocessable), errors.Is(err, errdef.ErrUnsupported):
		r.err = fmt.Errorf("coding %s: %w", r.name, err)
	default:
		r.err = fmt.Errorf("coding %s: %w: %w", r.name, err, errdef.ErrUnprocessable)
	}
	return r.err
}

func (r *reader) Close() error {
	if r.release != nil {
		r.release(r.whole)
		r.release = nil
	}
	r.err = errors.Join(r.err, errReaderClosed)
	return nil
}

var errReaderClosed = errors.New("coding: read after Close")

// readN appends n bytes of r to buf. It makes room as the bytes come: a length
// that lies costs no more than what was sent.
func readN(buf []byte, r io.Reader, n int) ([]byte, error) {
	out := bytes.NewBuffer(buf)
	got, err := io.CopyN(out, r, int64(n))
	if errors.Is(err, io.EOF) && got < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return out.Bytes(), err
}
