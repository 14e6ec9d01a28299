package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network in memory: what is dialled arrives at Accept.
type pipes struct {
	arriving chan net.Conn
	closed   chan struct{}
}

func newPipes() *pipes { return &pipes{arriving: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.arriving:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.arriving <- there
	return here, nil
}

// streaming is a Tiled that lets in whoever shows the key in the query or in a field, and
// says back what it is told.
func streaming(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("api_key") != "secret" && r.Header.Get("Authorization") != "Apikey secret" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		line, err := buf.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "echo "+line)
	}
}

// TestIdleSocket: a web socket at which nothing happens for an hour is still there, with
// both ways to show who one is; one without is refused in the origin's own words.
func TestIdleSocket(t *testing.T) {
	for name, who := range map[string][2]string{"query": {"?api_key=secret", ""}, "field": {"", "Authorization: Apikey secret\r\n"}, "nobody": {"", ""}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inside, outside := newPipes(), newPipes()
				back := &http.Server{Handler: http.HandlerFunc(streaming)} //nolint:gosec // in memory
				o := Options{Origin: "http://origin"}
				if _, err := checked(&o); err != nil {
					t.Fatal(err)
				}
				network := newTransport(&o)
				network.DialContext = inside.dial
				o.transport = newPicky(network)
				p, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				front := p.Server()
				go func() { _ = back.Serve(inside) }()
				go func() { _ = front.Serve(outside) }()
				conn, err := outside.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					_, _ = io.WriteString(conn, "GET /api/v1/stream/single/a//b"+who[0]+" HTTP/1.1\r\nHost: h\r\n"+who[1]+"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				}()
				in := bufio.NewReader(conn)
				answer, err := http.ReadResponse(in, nil) //nolint:bodyclose // the connection is upgraded
				want := http.StatusSwitchingProtocols
				if name == "nobody" {
					want = http.StatusUnauthorized
				}
				if err != nil || answer.StatusCode != want {
					t.Fatalf("%v %v", answer, err)
				}
				for range 3 {
					if name == "nobody" {
						break
					}
					time.Sleep(time.Hour)
					go func() { _, _ = io.WriteString(conn, "hello\n") }()
					if line, err := in.ReadString('\n'); strings.TrimSpace(line) != "echo hello" {
						t.Fatalf("after an hour: %q %v", line, err)
					}
				}
				_ = conn.Close()
				_, _ = front.Close(), back.Close()
				if err := p.Close(); err != nil {
					t.Error(err)
				}
				network.CloseIdleConnections()
			})
		})
	}
}
