package httpcache_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache"
)

// TestGoesOn: a big body whose connection breaks goes on by ranges; whoever reads it sees
// nothing of that, and only the rest is sent again. One that changed meanwhile is an error.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for name, maxBody := range map[string]int64{"kept": 64 << 20, "too large to keep": 1 << 10} {
		var sent atomic.Int64
		var changed atomic.Bool
		o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
			tag := `"one"`
			if changed.Load() && r.Header.Get("Range") != "" {
				tag = `"two"`
			}
			w.Header().Set("ETag", tag)
			w = &breaking{ResponseWriter: w, left: 300 << 10, sent: &sent}
			http.ServeContent(w, r, "big", time.Unix(0, 0), bytes.NewReader(big))
		})
		c := newTransport(t, httpcache.Place{}, httpcache.Options{MaxBody: maxBody})
		status, body, _ := get(t, c, o.URL+"/big", "")
		if status != 200 || body != string(big) {
			t.Fatalf("%s: %d, %d bytes", name, status, len(body))
		}
		if s := c.Stats(); s.Resumed != 3 || sent.Load() != int64(len(big)) || (s.Stored == 1) != (maxBody > 1<<20) {
			t.Errorf("%s: %d of %d bytes were sent, %+v", name, sent.Load(), len(big), s)
		}
		changed.Store(true)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/other", nil)
		answer, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err == nil || len(got) > 301<<10 || !bytes.HasPrefix(big, got) {
			t.Errorf("%s: a file that changed meanwhile: %d bytes, error %v", name, len(got), err)
		}
	}
}

// breaking breaks the connection off after so many bytes.
type breaking struct {
	http.ResponseWriter
	left int
	sent *atomic.Int64
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) > b.left {
		n, _ := b.ResponseWriter.Write(p[:b.left])
		b.sent.Add(int64(n))
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	b.sent.Add(int64(len(p)))
	return b.ResponseWriter.Write(p)
}

// TestErrorIfFull: a cache that may give nothing up says that it is full, and keeps what
// it has.
func TestErrorIfFull(t *testing.T) {
	t.Parallel()
	for name, place := range places(t) {
		if place.Capacity > 0 {
			place.Capacity = 2 << 20
		} else {
			place.Memory = 2 << 20
		}
		o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=3600")
			body := bytes.Repeat([]byte{'x'}, 200<<10)
			if len(r.URL.Path)%2 == 0 {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			}
			_, _ = w.Write(body)
		})
		c := newTransport(t, place, httpcache.Options{ErrorIfFull: true})
		var kept []int
		full := 0
		ask := func(i int) error {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL+"/"+strconv.Itoa(i), nil)
			answer, err := c.RoundTrip(r)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			_, err = io.Copy(io.Discard, answer.Body)
			return err
		}
		for i := range 30 {
			switch err := ask(i); {
			case err == nil:
				kept = append(kept, i)
			case isFull(err):
				full++
			default:
				t.Fatal(err)
			}
		}
		before := o.asked.Load()
		for _, i := range kept {
			if err := ask(i); err != nil {
				t.Error(err)
			}
		}
		if len(kept) < 4 || full < 10 || o.asked.Load() != before {
			t.Errorf("%s: %d kept, %d were told it is full, %d asked anew", name, len(kept), full, o.asked.Load()-before)
		}
	}
}

func isFull(err error) bool { return errors.Is(err, httpcache.ErrFull) }
