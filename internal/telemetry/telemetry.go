// Package telemetry shows what the server does: a log line and counters for
// each request, and the metrics endpoint. It is the home of Prometheus.
package telemetry

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/terrazzo-data/terrazzo/internal/httpapi"
)

// Telemetry counts and logs requests. It is safe for concurrent use.
type Telemetry struct {
	log      *slog.Logger
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	sent     *prometheus.CounterVec
	opens    prometheus.Counter
	read     prometheus.Counter
	blocks   prometheus.Counter
	inFlight prometheus.Gauge
}

// New returns a telemetry with a registry of its own, which logs to log.
func New(log *slog.Logger) *Telemetry {
	t := &Telemetry{
		log:      log,
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "terrazzo_http_requests_total", Help: "Requests by endpoint, method and status."}, []string{"endpoint", "method", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "terrazzo_http_request_duration_seconds", Help: "Time from request to end of response.",
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"endpoint", "family"}),
		sent:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "terrazzo_http_response_bytes_total", Help: "Bytes of bodies sent."}, []string{"endpoint"}),
		opens:    prometheus.NewCounter(prometheus.CounterOpts{Name: "terrazzo_data_file_opens_total", Help: "Data files opened to read blocks and partitions."}),
		read:     prometheus.NewCounter(prometheus.CounterOpts{Name: "terrazzo_data_read_bytes_total", Help: "Bytes read from data files for blocks and partitions."}),
		blocks:   prometheus.NewCounter(prometheus.CounterOpts{Name: "terrazzo_data_blocks_total", Help: "Blocks and partitions given to requests."}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "terrazzo_http_in_flight", Help: "Requests being answered."}),
	}
	t.registry.MustRegister(t.requests, t.latency, t.sent, t.opens, t.read, t.blocks, t.inFlight,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return t
}

// Handler answers the metrics endpoint.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

// Register adds what another package counts.
func (t *Telemetry) Register(c prometheus.Collector) error {
	if err := t.registry.Register(c); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Gauge adds a value that is asked for at each scrape.
func (t *Telemetry) Gauge(name, help string, value func() float64) error {
	return t.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Counter adds a count that is asked for at each scrape.
func (t *Telemetry) Counter(name, help string, value func() float64) error {
	return t.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// requestIDHeader carries the id by which a client's error and a log line are
// brought together.
const requestIDHeader = "X-Tiled-Request-ID"

// Wrap gives each request an id, a log line and counters, and turns a panic
// into a 500.
func (t *Telemetry) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		t.inFlight.Inc()
		defer t.inFlight.Dec()
		id := requestID()
		w.Header().Set(requestIDHeader, id)
		out := &recorder{ResponseWriter: w}
		seen := &httpapi.Observation{}
		defer func() {
			cause := recover()
			t.observe(r, out, seen.Seen(), id, time.Since(start))
			if cause != nil {
				t.panicked(out, r, id, cause)
			}
		}()
		next.ServeHTTP(out, r.WithContext(httpapi.WithObservation(r.Context(), seen)))
	})
}

func requestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand does not fail
	return hex.EncodeToString(b[:])
}

// panicked answers for a handler that did not: a cut connection if the answer
// had begun, else a 500.
func (t *Telemetry) panicked(w *recorder, r *http.Request, id string, cause any) {
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
		panic(cause) //nolint:forbidigo // passed on to net/http, which cuts the connection
	}
	t.log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("id", id), slog.String("path", r.URL.Path), slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		panic(http.ErrAbortHandler) //nolint:forbidigo // half an answer must not look like a whole one
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, `{"detail":"internal error; the server's log has more under request id %s"}`, id) // nobody to tell
}

func (t *Telemetry) observe(r *http.Request, w *recorder, seen httpapi.Seen, id string, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	if seen.Gone {
		status = 499 // as nginx calls a client that left
	}
	endpoint := seen.Endpoint
	if endpoint == "" {
		endpoint = "other"
	}
	t.requests.WithLabelValues(endpoint, method(r.Method), strconv.Itoa(status)).Inc()
	t.latency.WithLabelValues(endpoint, seen.Family).Observe(took.Seconds())
	t.sent.WithLabelValues(endpoint).Add(float64(w.bytes))
	t.opens.Add(float64(seen.Opens))
	t.read.Add(float64(seen.BytesRead))
	t.blocks.Add(float64(seen.Blocks))
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("method", method(r.Method)), slog.String("path", r.URL.Path), slog.Int("status", status), slog.Int64("bytes", w.bytes),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("id", id),
	}
	if t.log.Enabled(r.Context(), slog.LevelDebug) {
		attrs = append(attrs, slog.String("query", withoutKey(r)), slog.String("endpoint", endpoint), slog.String("family", seen.Family),
			slog.Int64("blocks", seen.Blocks), slog.Int64("opens", seen.Opens), slog.Int64("read", seen.BytesRead))
	}
	t.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// withoutKey is the query without credentials.
func withoutKey(r *http.Request) string {
	q := r.URL.Query()
	for _, secret := range []string{"api_key", "access_token", "code", "csrf"} {
		if q.Has(secret) {
			q.Set(secret, "…")
		}
	}
	return q.Encode()
}

// method keeps made-up methods out of the labels.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// recorder notes the status and the bytes of a response.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}
