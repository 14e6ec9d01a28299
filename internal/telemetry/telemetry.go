// Package telemetry shows what the server does: a log line and counters for
// each request, and the metrics endpoint. It is the home of Prometheus.
package telemetry

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
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
	bound    sync.Map // of counters by labels
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
const requestIDHeader = "X-Tiled-Request-Id" // as net/http writes it

// Wrap gives each request an id, a log line and counters, and turns a panic
// into a 500.
func (t *Telemetry) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		t.inFlight.Inc()
		defer t.inFlight.Dec()
		a := &answer{recorder: recorder{ResponseWriter: w}, id: requestID()}
		a.field[0] = a.id
		w.Header()[requestIDHeader] = a.field[:]
		defer func() {
			cause := recover()
			t.observe(r, a, time.Since(start))
			if cause != nil {
				t.panicked(a, r, cause)
			}
		}()
		next.ServeHTTP(&a.recorder, r.WithContext(httpapi.WithObservation(r.Context(), &a.seen)))
	})
}

// answer is what is kept of one request while it is answered.
type answer struct {
	recorder
	seen  httpapi.Observation
	id    string
	field [1]string // the id as a header field
}

// requestID is unique enough to find one line in a log; it is no secret.
func requestID() string {
	var b [8]byte
	var text [2 * len(b)]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64()) //nolint:gosec // see above
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// panicked answers for a handler that did not: a cut connection if the answer
// had begun, else a 500.
func (t *Telemetry) panicked(w *answer, r *http.Request, cause any) {
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
		panic(cause) //nolint:forbidigo // passed on to net/http, which cuts the connection
	}
	t.log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("id", w.id), slog.String("path", r.URL.Path), slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
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
	_, _ = fmt.Fprintf(w, `{"detail":"internal error; the server's log has more under request id %s"}`, w.id) // nobody to tell
}

// observe counts and logs a request that was answered.
func (t *Telemetry) observe(r *http.Request, w *answer, took time.Duration) {
	seen := w.seen.Seen()
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
	c := t.countersOf(labels{endpoint, seen.Family, method(r.Method), status})
	c.requests.Inc()
	c.latency.Observe(took.Seconds())
	c.sent.Add(float64(w.bytes))
	if seen.Blocks > 0 || seen.Opens > 0 || seen.BytesRead > 0 {
		t.opens.Add(float64(seen.Opens))
		t.read.Add(float64(seen.BytesRead))
		t.blocks.Add(float64(seen.Blocks))
	}
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable {
		level = slog.LevelError
	}
	if !t.log.Enabled(r.Context(), level) {
		return
	}
	line := slog.NewRecord(time.Now(), level, "request", 0)
	line.AddAttrs(slog.String("method", method(r.Method)), slog.String("path", r.URL.Path), slog.Int("status", status), slog.Int64("bytes", w.bytes),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("id", w.id))
	if t.log.Enabled(r.Context(), slog.LevelDebug) {
		line.AddAttrs(slog.String("query", withoutKey(r)), slog.String("endpoint", endpoint), slog.String("family", seen.Family),
			slog.Int64("blocks", seen.Blocks), slog.Int64("opens", seen.Opens), slog.Int64("read", seen.BytesRead))
	}
	_ = t.log.Handler().Handle(r.Context(), line) // nobody to tell
}

// labels are those of one request. There are few of them: whoever asks cannot
// make up any.
type labels struct {
	endpoint, family, method string
	status                   int
}

// counters are those of all requests with the same labels.
type counters struct {
	requests, sent prometheus.Counter
	latency        prometheus.Observer
}

// countersOf looks up the counters once for each kind of request.
func (t *Telemetry) countersOf(l labels) *counters {
	if known, ok := t.bound.Load(l); ok {
		return known.(*counters) // the map holds nothing else
	}
	c := &counters{
		requests: t.requests.WithLabelValues(l.endpoint, l.method, strconv.Itoa(l.status)),
		sent:     t.sent.WithLabelValues(l.endpoint),
		latency:  t.latency.WithLabelValues(l.endpoint, l.family),
	}
	t.bound.Store(l, c)
	return c
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
