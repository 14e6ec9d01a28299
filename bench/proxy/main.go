// SPDX-License-Identifier: BSD-3-Clause

// Command proxy is what bench/proxy/run.py measures: `origin ADDR` answers from memory,
// the most that a Go server can do; `cache ADDR ORIGIN KIND` is the proxy in front of it.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/proxy"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(args) < 2 {
		return fmt.Errorf("usage: proxy origin ADDR | proxy cache ADDR ORIGIN KIND")
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", args[1])
	if err != nil {
		return err
	}
	if args[0] == "origin" {
		return origin(l)
	}
	p, err := proxy.New(proxy.Options{Origin: args[2], Kind: args[3]})
	if err != nil {
		return err
	}
	return p.Run(ctx, l, nil)
}

// origin serves /1k and /2m, a minute fresh and with a validator.
func origin(l net.Listener) error {
	mux := http.NewServeMux()
	for path, size := range map[string]int{"/1k": 1000, "/2m": 2_200_000} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i * 7)
		}
		length := strconv.Itoa(size)
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Cache-Control", "public, max-age=3600")
			h.Set("Etag", `"1"`)
			h.Set("Content-Type", "application/octet-stream")
			if r.Header.Get("If-None-Match") == `"1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			h.Set("Content-Length", length)
			// wrk closes its connections in the middle when its time is over.
			_, _ = w.Write(body)
		})
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return s.Serve(l)
}
