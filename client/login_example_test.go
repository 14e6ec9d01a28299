package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
)

func ExampleParseURL() {
	a, err := client.ParseURL("https://tiled.example.org/ui/browse/scan/detector?api_key=secret")
	fmt.Println(a.API, a.Path, a.Key, err)
	// Output: https://tiled.example.org/api/v1 [scan detector] secret <nil>
}

func ExampleRetry() {
	patient := client.WithRetry(client.Retry{Attempts: 3, Within: 200 * time.Millisecond, First: time.Millisecond})
	_, err := client.Connect(context.Background(), "http://127.0.0.1:1", patient)
	fmt.Println(err != nil)
	// Output: true
}

// Files behind a node are fetched as they are; one that is here already is not sent again.
func ExampleNode_Transfer() {
	url, stop := serveExample()
	defer stop()
	ctx := context.Background()
	image, err := opened(url, "image").WithSources(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	for _, source := range image.Sources {
		for _, asset := range source.Assets {
			got, err := image.Transfer(ctx, &file, client.Transfer{Asset: asset.ID})
			fmt.Println(got.Written == int64(file.Len()), got.ContentType, err)
		}
	}
	fmt.Println(len(image.Sources), "files") // the demo tree is computed
	// Output: 0 files
}

// Tokens are renewed when they end, and saved, so that the next program need not ask for
// the password.
func ExampleSession() {
	url, stop := serveExample()
	defer stop()
	ctx := context.Background()
	anonymous, err := client.Connect(ctx, url, client.WithAPIKey("secret"))
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := anonymous.Login(ctx, "", "alice", os.Getenv("PASSWORD"))
	if err != nil {
		fmt.Println("the demo server takes no passwords:", errors.Is(err, errdef.ErrNotAllowed))
		return
	}
	session := client.NewSession(anonymous, tokens, func(renewed client.Tokens) error {
		return os.WriteFile("tokens", []byte(renewed.Refresh), 0o600)
	})
	c, err := client.Connect(ctx, url, client.WithAuthorizer(session))
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := c.WhoAmI(ctx)
	fmt.Println(who, err)
	// Output: the demo server takes no passwords: true
}

// A login that its user completes in a browser.
func ExampleDeviceLogin() {
	url, stop := serveExample()
	defer stop()
	ctx := context.Background()
	c, err := client.Connect(ctx, url, client.WithAPIKey("secret"))
	if err != nil {
		fmt.Println(err)
		return
	}
	login, err := c.LoginDevice(ctx, "")
	if err != nil {
		fmt.Println("the demo server has no external provider:", errors.Is(err, errdef.ErrNotAllowed))
		return
	}
	fmt.Printf("Open %s and enter %s.\n", login.Visit, login.Code)
	tokens, err := login.Wait(ctx)
	fmt.Println("hello,", tokens.Principal, err)
	// Output: the demo server has no external provider: true
}
