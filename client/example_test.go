package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/server"
)

// serveExample serves the demo tree, with the key "secret", until stop is called.
func serveExample() (url string, stop func()) {
	c := config.Default()
	c.Listen.Host, c.Listen.Port = "127.0.0.1", 0
	c.Authentication.SingleUserAPIKey = testKey
	c.Own.State = "none"
	c.Trees = []config.Tree{{Tree: "demo", Path: "/"}}
	s, err := server.New(c, server.Program{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err.Error(), func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, err := s.Listen(ctx)
	if err != nil {
		cancel()
		return err.Error(), func() {}
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return "http://" + l.Addr().String(), func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			fmt.Println(err)
		}
	}
}

// opened connects to the server of the examples and opens a node.
func opened(url, path string) *client.Node {
	c, err := client.Connect(context.Background(), url, client.WithAPIKey(testKey))
	if err != nil {
		fmt.Println(err)
		return nil
	}
	n, err := c.Open(context.Background(), path)
	if err != nil {
		fmt.Println(err)
	}
	return n
}

func ExampleConnect() {
	url, stop := serveExample()
	defer stop()
	ctx := context.Background()
	c, err := client.Connect(ctx, url, client.WithAPIKey("secret"))
	if err != nil {
		fmt.Println(err)
		return
	}
	node, err := c.Open(ctx, "scan/detector")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(node, node.Family, node.ArrayStructure.Shape, node.Metadata["exposure"])
	// Output: /scan/detector array [60 512 512] 0.1
}

func ExampleWithTransport() {
	url, stop := serveExample()
	defer stop()
	ctx := context.Background()
	cache, err := httpcache.Open(httpcache.Place{Memory: 64 << 20}, httpcache.Options{Selecting: []string{"Accept", "Accept-Encoding"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	c, err := client.Connect(ctx, url, client.WithAPIKey("secret"), client.WithTransport(cache))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if _, err := c.Open(ctx, "scan"); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(cache.Stats().Confirmed, "of 3 were confirmed by a 304")
	// Output: 2 of 3 were confirmed by a 304
}

func ExampleNode_DecodeMetadata() {
	url, stop := serveExample()
	defer stop()
	var sample struct {
		Sample      string
		Temperature float64
	}
	err := opened(url, "scan").DecodeMetadata(&sample)
	fmt.Println(sample, err)
	// Output: {nickel 295.5} <nil>
}

func ExampleRead() {
	url, stop := serveExample()
	defer stop()
	detector, err := opened(url, "scan/detector").Array()
	if err != nil {
		fmt.Println(err)
		return
	}
	frame, shape, err := client.Read[uint16](context.Background(), detector, "12, ::2, ::2")
	fmt.Println(len(frame), shape, err)
	// Output: 65536 [256 256] <nil>
}

func ExampleArray_Blocks() {
	url, stop := serveExample()
	defer stop()
	detector, err := opened(url, "scan/detector").Array()
	if err != nil {
		fmt.Println(err)
		return
	}
	for block, err := range detector.Blocks(context.Background(), "10:20") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(block.Index, block.Shape, len(block.Data))
	}
	// Output:
	// [2 0 0] [2 512 512] 1048576
	// [3 0 0] [4 512 512] 2097152
	// [4 0 0] [4 512 512] 2097152
}

func ExampleTable_Batches() {
	url, stop := serveExample()
	defer stop()
	spectra, err := opened(url, "scan/spectra").Table()
	if err != nil {
		fmt.Println(err)
		return
	}
	for batch, err := range spectra.Batches(context.Background(), "energy", "counts") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.NumRows(), batch.ColumnName(1), batch.Column(1).DataType())
	}
	// Output:
	// 1000 counts int64
	// 1000 counts int64
	// 1000 counts int64
}

func ExampleListing() {
	url, stop := serveExample()
	defer stop()
	root, err := opened(url, "").Container()
	if err != nil {
		fmt.Println(err)
		return
	}
	warm := root.Search(client.Gt("temperature", 290), client.FullText("nickel")).Sort("-temperature")
	for node, err := range warm.All(context.Background()) {
		fmt.Println(node, err)
	}
	// Output: /scan <nil>
}

func ExampleNode_Export() {
	url, stop := serveExample()
	defer stop()
	if err := opened(url, "image").Export(context.Background(), os.Stdout, "csv", ":2, :4, 2"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 255,255,255,254
	// 255,255,254,254
}

func ExampleError() {
	url, stop := serveExample()
	defer stop()
	err := opened(url, "image").Export(context.Background(), io.Discard, "nothing", "")
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Status)
	}
	// Output: 406
}
