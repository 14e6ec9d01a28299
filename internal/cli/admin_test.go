package cli

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAdminCommands looks at, and empties, the caches of a running server.
func TestAdminCommands(t *testing.T) {
	socket := "unix:" + filepath.Join(t.TempDir(), "admin")
	ctx, stop := context.WithCancel(t.Context())
	out := &announced{ready: make(chan string, 1)}
	done := make(chan int, 1)
	go func() {
		done <- Run(ctx, Program{Args: []string{"serve", "demo", "--public", "--port", "0", "--state", "none", "--admin", socket}, Out: out, Err: &bytes.Buffer{}})
	}()
	defer func() {
		stop()
		if code := <-done; code != exitOK {
			t.Errorf("the server ended with %d", code)
		}
	}()
	url := <-out.ready
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"api/v1/array/full/scan/detector?slice=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, test := range []struct {
		args, want string
		code       int
	}{
		{"cache stat --admin " + socket, "/scan/detector", exitOK},
		{"cache discard /scan --admin " + socket, "1 blocks", exitOK},
		{"cache clear --admin " + socket, "0 blocks", exitOK},
		{"cache discard / --admin " + socket, "root is everything", exitError},
		{"cache discard scan", "--admin is missing", exitError},
		{"cache discard --url " + url + "api/v1/ --group g --base " + url + " --admin " + socket, "by 2 names", exitOK},
		{"cache discard --prefix nowhere --admin " + socket, "ends in a slash", exitError},
		{"cache discard scan --url http://h/ --admin " + socket, "a path goes alone", exitError},
		{"cache discard --admin " + socket, "nothing is named", exitError},
		{"cache stat --admin unix:/nowhere/at/all", "is the server started with --admin?", exitError},
	} {
		var text bytes.Buffer
		if code := Run(ctx, Program{Args: strings.Fields(test.args), Out: &text, Err: &text}); code != test.code || !strings.Contains(text.String(), test.want) {
			t.Errorf("%s: %d %s", test.args, code, text.String())
		}
	}
}

// announced waits for the address that a server prints.
type announced struct {
	text  bytes.Buffer
	ready chan string
}

func (a *announced) Write(p []byte) (int, error) {
	a.text.Write(p)
	for field := range strings.FieldsSeq(a.text.String()) {
		if strings.HasPrefix(field, "http://") {
			select {
			case a.ready <- field:
			default:
			}
		}
	}
	return len(p), nil
}
