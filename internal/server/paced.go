package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// stepBytes of a body must leave within stepTime, or the client is given up.
	stepBytes = 256 << 10
	stepTime  = 30 * time.Second
	// restBytes of a body that nobody wants are read and dropped; a client
	// that sends more is answered and given up.
	restBytes = 256 << 10
)

// paced gives up a client that takes too long over a step of the answer, or
// over sending the request's body: a GET too can announce one and never send
// it, and net/http waits for that before it sends an answer. It lies outside
// the caches, since their hits are read by slow clients too.
func paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.ContentLength != 0 {
			body := &pacedBody{ReadCloser: r.Body, control: control}
			if err := body.within(time.Now().Add(stepTime)); err != nil {
				return
			}
			if r.Method != http.MethodPost {
				if _, err := io.CopyN(io.Discard, body, restBytes); !errors.Is(err, io.EOF) {
					w.Header().Set("Connection", "close")
				}
				body.ReadCloser = http.NoBody
			}
			r = r.WithContext(r.Context())
			r.Body = body
		}
		next.ServeHTTP(&pacedWriter{w, control}, r)
	})
}

// pacedBody takes the deadline away once the body has arrived: left standing
// it would end an answer that takes longer to send, as if the client had gone.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if err := b.within(time.Time{}); err != nil {
			return n, err
		}
	}
	return n, err
}

func (b *pacedBody) within(deadline time.Time) error {
	if err := b.control.SetReadDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader also gives answers without a body their time.
func (w *pacedWriter) WriteHeader(status int) {
	_ = w.step() // a broken connection shows when it is written to
	w.ResponseWriter.WriteHeader(status)
}

func (w *pacedWriter) step() error {
	if err := w.control.SetWriteDeadline(time.Now().Add(stepTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (w *pacedWriter) Write(p []byte) (written int, err error) {
	for {
		step := p[written:min(len(p), written+stepBytes)]
		if err := w.step(); err != nil {
			return written, err
		}
		n, err := w.ResponseWriter.Write(step)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}
