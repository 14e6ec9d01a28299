// SPDX-License-Identifier: BSD-3-Clause

// Command client is the Go client in bench/client/run.py. For each line of the standard
// input it connects, reads the first frames of an array one after the other and prints how many
// seconds that took.
//
//	client URL KEY NODE none|memory|disk DIR FRAMES
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/httpcache"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 6 {
		return errors.New("usage: client URL KEY NODE none|memory|disk DIR FRAMES")
	}
	frames, err := strconv.Atoi(args[5])
	if err != nil {
		return err
	}
	place := httpcache.Place{Memory: 256 << 20}
	if args[3] == "disk" {
		place = httpcache.Place{Dir: args[4]}
	}
	var held *httpcache.Transport
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		begun := time.Now()
		network := &http.Transport{DisableCompression: true}
		var way http.RoundTripper = network
		if args[3] != "none" {
			if held == nil {
				var err error
				held, err = httpcache.Open(place, httpcache.Options{Next: network, Selecting: []string{"Accept", "Accept-Encoding"}})
				if err != nil {
					return err
				}
			}
			way = held
		}
		if err := read(ctx, args[:3], frames, way); err != nil {
			return err
		}
		fmt.Println(time.Since(begun).Seconds())
		if args[3] == "disk" { // the next time begins with nothing but the disk
			if err := held.Close(); err != nil {
				return err
			}
			held = nil
		}
		network.CloseIdleConnections()
	}
	return nil
}

func read(ctx context.Context, where []string, frames int, way http.RoundTripper) error {
	c, err := client.Connect(ctx, where[0], client.WithAPIKey(where[1]), client.WithTransport(way))
	if err != nil {
		return err
	}
	n, err := c.Open(ctx, where[2])
	if err != nil {
		return err
	}
	a, err := n.Array()
	if err != nil {
		return err
	}
	for i := range frames {
		if _, err := a.ReadBytes(ctx, strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}
