package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/config"
)

// TestRangeOfAChangingFile: a part of a file that changes while it is sent is
// cut off, also where the part does not reach the file's end.
func TestRangeOfAChangingFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "raw.bin")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 128<<20); err != nil {
		t.Fatal(err)
	}
	c := settings()
	c.Authentication.AllowAnonymousAccess = true
	c.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: dir, Storage: config.Storage{TrustAfter: 1e-9}}}}
	address, _, _ := started(t, c)
	for _, change := range []bool{false, true} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/v1/asset/bytes/raw?id=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Range", "bytes=1-100000000")
		client := http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
		defer client.CloseIdleConnections()
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.CopyN(io.Discard, resp.Body, 1000); err != nil || resp.StatusCode != http.StatusPartialContent {
			t.Fatalf("%d, %v", resp.StatusCode, err)
		}
		if change {
			if err := os.Chtimes(name, time.Now(), time.Unix(1e9, 0)); err != nil {
				t.Fatal(err)
			}
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if change != errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("changed %v: %d bytes, %v", change, n, err)
		}
	}
}
