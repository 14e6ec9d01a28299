package server

import (
	"errors"
	"net/http"
	"time"
)

const (
	// stepBytes of a body must leave within stepTime, or the client is given up.
	stepBytes = 256 << 10
	stepTime  = 30 * time.Second
)

// paced gives up a client that takes too long over a step of the body. It lies
// outside the caches, since their hits are read by slow clients too.
func paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&pacedWriter{w, http.NewResponseController(w)}, r)
	})
}

type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *pacedWriter) Write(p []byte) (written int, err error) {
	for {
		step := p[written:min(len(p), written+stepBytes)]
		if err := w.control.SetWriteDeadline(time.Now().Add(stepTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return written, err
		}
		n, err := w.ResponseWriter.Write(step)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}
