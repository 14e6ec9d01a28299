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
		out := &pacedWriter{ResponseWriter: w, control: *http.NewResponseController(w)}
		control := &out.control
		if r.ContentLength != 0 {
			// Once the body has arrived net/http itself takes the deadline away.
			if err := control.SetReadDeadline(time.Now().Add(stepTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return
			}
			if r.Method != http.MethodPost {
				if _, err := io.CopyN(io.Discard, r.Body, restBytes); !errors.Is(err, io.EOF) {
					w.Header().Set("Connection", "close")
				}
			}
		}
		next.ServeHTTP(out, r)
	})
}

type pacedWriter struct {
	http.ResponseWriter
	control http.ResponseController
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
