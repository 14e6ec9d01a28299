package client_test

import (
	"context"
	"fmt"
	"os"

	"github.com/terrazzo-data/terrazzo/client"
)

func ExampleConnect() {
	ctx := context.Background()
	c, err := client.Connect(ctx, "http://localhost:8000", client.WithAPIKey(os.Getenv("TILED_API_KEY")))
	if err != nil {
		fmt.Println(err)
		return
	}
	node, err := c.Open(ctx, "scan/detector")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(node, node.Family, node.Metadata["exposure"])
}

func ExampleRead() {
	ctx := context.Background()
	var detector *client.Array // from Node.Array
	frame, shape, err := client.Read[uint16](ctx, detector, "12, ::2, ::2")
	fmt.Println(len(frame), shape, err)
}

func ExampleArray_Blocks() {
	var detector *client.Array // from Node.Array
	for block, err := range detector.Blocks(context.Background(), "10:20") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(block.Index, block.Shape, len(block.Data))
	}
}

func ExampleTable_Batches() {
	var spectra *client.Table // from Node.Table
	for batch, err := range spectra.Batches(context.Background(), "energy", "counts") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.NumRows(), batch.Column(0))
	}
}

func ExampleListing() {
	ctx := context.Background()
	var runs *client.Container // from Node.Container
	hot := runs.Search(client.Gt("start.temperature", 300), client.FullText("nickel")).Sort("-start.time")
	for node, err := range hot.All(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		var start struct {
			Start struct{ Temperature float64 }
		}
		fmt.Println(node, node.DecodeMetadata(&start), start.Start.Temperature)
	}
}

func ExampleNode_Export() {
	var node *client.Node // from Client.Open
	file, err := os.Create("spectra.csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	fmt.Println(node.Export(context.Background(), file, "csv", "", "energy", "counts"))
}

func ExampleNode_Fetch() {
	ctx := context.Background()
	var node *client.Node // from Client.Open
	node, err := node.WithSources(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := node.Fetch(ctx, os.Stdout, node.Sources[0].Assets[0].ID, "", 0)
	fmt.Println(n, err)
}

func ExampleNewSession() {
	ctx := context.Background()
	c, err := client.Connect(ctx, "https://tiled.example.org")
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := c.Login(ctx, "", "alice", os.Getenv("PASSWORD"))
	if err != nil {
		fmt.Println(err)
		return
	}
	session := client.NewSession(c, tokens, nil)
	c, err = client.Connect(ctx, "https://tiled.example.org", client.WithAuthorizer(session))
	fmt.Println(c, err)
}
