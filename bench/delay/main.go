// SPDX-License-Identifier: BSD-3-Clause

// Command delay stands between a client and a server and makes the way longer: each byte
// arrives half a round trip later, in either direction, and a new connection begins with a
// whole one, as TCP's does. It does not limit the bandwidth: bytes do not wait for others.
// It counts what crosses: an empty line on the standard input is answered with a line of
// three numbers, the requests, the bytes towards the client, and the connections since the
// last such line. A request is what a client sends after an answer, or first. A line with a
// duration changes the round trip, and is answered with an empty one.
//
// Servers choose codings by how far away the client is. So while the way is not empty each
// request says, in X-Forwarded-For, that it comes from an address that is not this machine's.
//
//	delay 127.0.0.1:9000 127.0.0.1:8000 20ms
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

func main() {
	fmt.Fprintln(os.Stderr, run(os.Args[1:]))
	os.Exit(1) // it ends well with its standard input
}

type relay struct {
	server                      string
	half                        atomic.Int64 // nanoseconds
	requests, bytes, connection atomic.Int64
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: delay LISTEN SERVER ROUNDTRIP")
	}
	trip, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", args[0])
	if err != nil {
		return err
	}
	r := &relay{server: args[1]}
	r.half.Store(int64(trip / 2))
	go r.obey()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go r.connect(c)
	}
}

// obey answers the lines of the standard input, and ends with it.
func (r *relay) obey() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "" {
			fmt.Println(r.requests.Swap(0), r.bytes.Swap(0), r.connection.Swap(0))
			continue
		}
		trip, err := time.ParseDuration(in.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		r.half.Store(int64(trip / 2))
		fmt.Println()
	}
	os.Exit(0)
}

// connect joins a client to the server for as long as both want.
func (r *relay) connect(client net.Conn) {
	defer client.Close() //nolint:errcheck // nobody to tell
	r.connection.Add(1)
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // nobody to tell
	opened := time.Now().Add(2 * time.Duration(r.half.Load()))
	var answered atomic.Bool
	answered.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.carry(client, server, opened, func(b []byte) []byte {
			if !answered.Swap(false) {
				return b
			}
			r.requests.Add(1)
			return r.fromAfar(b)
		})
	}()
	r.carry(server, client, time.Time{}, func(b []byte) []byte {
		answered.Store(true)
		r.bytes.Add(int64(len(b)))
		return b
	})
	_ = client.Close()
	<-done
}

// fromAfar adds a field to the head of a request, whose first line is in b.
func (r *relay) fromAfar(b []byte) []byte {
	line, rest, whole := bytes.Cut(b, []byte("\r\n"))
	if r.half.Load() == 0 || !whole || !bytes.Contains(line, []byte(" HTTP/1.")) {
		return b
	}
	return slices.Concat(line, []byte("\r\nX-Forwarded-For: 203.0.113.7\r\n"), rest)
}

// part is what was read at once, and when it arrives.
type part struct {
	bytes []byte
	due   time.Time
}

// inAir bounds what is under way in one direction: 256 parts of up to 64 KiB.
const inAir = 256

// carry copies what seen makes of what comes, until from ends; then it ends what it wrote.
func (r *relay) carry(from, to net.Conn, opened time.Time, seen func([]byte) []byte) {
	parts := make(chan part, inAir)
	go func() {
		defer close(parts)
		for {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			if n > 0 {
				b = seen(b[:n])
				half := time.Duration(r.half.Load())
				due := time.Now().Add(half)
				if due.Before(opened.Add(half)) {
					due = opened.Add(half)
				}
				parts <- part{b, due}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range parts {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			_ = from.Close()
			for range parts { // what is left is for nobody
			}
			return
		}
	}
	if t, ok := to.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}
