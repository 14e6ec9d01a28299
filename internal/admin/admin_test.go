package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/admin"
	"github.com/terrazzo-data/terrazzo/internal/respcache"
	"github.com/terrazzo-data/terrazzo/internal/stores/memory"
)

// TestListen refuses what others could reach, and keeps a socket to its owner.
func TestListen(t *testing.T) {
	t.Parallel()
	for address, key := range map[string]string{"0.0.0.0:0": "k", "127.0.0.1:0": "", "somewhere": "k"} {
		if _, err := admin.Listen(t.Context(), address, key); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%s with the key %q: %v", address, key, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	path := t.TempDir() + "/admin"
	wait, err := admin.Serve(ctx, "unix:"+path, "", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	cancel()
	if err := wait(); err != nil {
		t.Error(err)
	}
}

// TestPurge names what is to be forgotten in each way, and says what it cannot read.
func TestPurge(t *testing.T) {
	t.Parallel()
	held, err := memory.New(memory.Options{Capacity: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	c, err := respcache.New(respcache.Options{Next: http.NotFoundHandler(), Store: held})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for query, want := range map[string]int{
		"":                              0,
		"url=http://h/a&url=http://h/b": 2,
		"prefix=http://h/a/":            1,
		"group=g&base=http://h/":        1,
		"url=/a":                        -1,
		"url=%25":                       -1,
		"prefix=http://h/a":             -1,
		"group=g":                       -1,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		n, err := admin.Purge(t.Context(), c, values)
		if want < 0 && !errors.Is(err, errdef.ErrInvalid) || want >= 0 && (err != nil || n != want) {
			t.Errorf("%s: %d %v", query, n, err)
		}
	}
}
