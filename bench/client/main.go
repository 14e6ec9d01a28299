// SPDX-License-Identifier: BSD-3-Clause

// Command client is the Go client in bench/client/run.py. For each line of the standard
// input it connects, reads all frames of an array one after the other and prints how many
// seconds that took.
//
//	client URL KEY NODE none|memory|disk DIR
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
	if len(args) != 5 {
		return errors.New("usage: client URL KEY NODE none|memory|disk DIR")
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
		if err := read(ctx, args[0], args[1], args[2], way); err != nil {
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

func read(ctx context.Context, url, key, node string, way http.RoundTripper) error {
	c, err := client.Connect(ctx, url, client.WithAPIKey(key), client.WithTransport(way))
	if err != nil {
		return err
	}
	n, err := c.Open(ctx, node)
	if err != nil {
		return err
	}
	a, err := n.Array()
	if err != nil {
		return err
	}
	for i := range a.Shape()[0] {
		if _, err := a.ReadBytes(ctx, strconv.FormatInt(i, 10)); err != nil {
			return err
		}
	}
	return nil
}
