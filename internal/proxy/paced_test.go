package proxy

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestStandingClient: a client that does not take what it asked for is given up, and the
// memory that it held is free again; others are not held up by it.
func TestStandingClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Origin: "http://origin", Kind: KindHTTP}
		inside, outside := newPipes(), newPipes()
		back := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // in memory
			w.Header().Set("Cache-Control", "max-age=86400")
			_, _ = w.Write(make([]byte, 1<<20))
		})}
		if _, err := checked(&o); err != nil {
			t.Fatal(err)
		}
		network := newTransport(&o)
		network.DialContext = inside.dial
		o.transport = network
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { _ = back.Serve(inside) }()
		go func() { ended <- p.Run(ctx, outside, nil) }()
		ask := func() *bufio.Reader {
			conn, err := outside.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") }()
			return bufio.NewReaderSize(conn, 16)
		}
		standing := ask()
		if _, err := standing.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			r, err := http.ReadResponse(ask(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, r.Body); n != 1<<20 || err != nil {
				t.Errorf("another client: %d bytes, %v", n, err)
			}
			_ = r.Body.Close()
		}
		time.Sleep(writeTime + (1<<20)/slowestRate*time.Second + time.Minute)
		synctest.Wait()
		if n, err := io.Copy(io.Discard, standing); n > 1<<20 {
			t.Errorf("the client that stood still got all of it, %d bytes, %v", n, err)
		}
		if st := p.Cache().Stats(); st.InFlight != 0 {
			t.Errorf("%d bytes are still in flight", st.InFlight)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = back.Close()
		network.CloseIdleConnections()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}
