package proxy_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
)

// TestRun: it serves until it is told to stop, lets a request under way finish, and
// returns without an error; with TLS and without.
func TestRun(t *testing.T) {
	certified := httptest.NewUnstartedServer(http.NotFoundHandler())
	certified.StartTLS()
	defer certified.Close()
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": {Certificates: certified.TLS.Certificates}} {
		t.Run(name, func(t *testing.T) {
			begun, release := make(chan struct{}), make(chan struct{})
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				<-release
				_, _ = fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto"))
			}))
			defer origin.Close()
			p, err := proxy.New(proxy.Options{Origin: origin.URL, Kind: proxy.KindHTTP})
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- p.Run(ctx, l, config) }()
			scheme := "http"
			if config != nil {
				scheme = "https"
			}
			answered := make(chan string, 1)
			go func() {
				r, err := certified.Client().Get(scheme + "://" + l.Addr().String())
				if err != nil {
					answered <- err.Error()
					return
				}
				body, _ := io.ReadAll(r.Body)
				_ = r.Body.Close()
				answered <- string(body)
			}()
			<-begun
			stop()
			close(release)
			if got := <-answered; got != scheme {
				t.Errorf("the request under way got %q", got)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
