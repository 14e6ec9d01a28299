package httpcache_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/httpcache"
)

// TestMain is also the process that TestProcesses starts many of.
func TestMain(m *testing.M) {
	if url := os.Getenv("TEST_CACHE_URL"); url != "" {
		dir := os.Getenv("TEST_CACHE_DIR")
		switch os.Getenv("TEST_CACHE_DISK") {
		case "full":
			os.Exit(onFullDisk(url, dir))
		case "read-only":
			os.Exit(onReadOnlyDisk(url, dir))
		}
		os.Exit(work(url, dir, os.Getenv("TEST_CACHE_OPERATIONS")))
	}
	os.Exit(m.Run())
}

const (
	processes = 8
	resources = 60
	bound     = 4 << 20
)

// bodyOf is what the server answers: its length and bytes follow from the number.
func bodyOf(n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "resource %d;", n), 50+n*150)
}

// work reads resources at random and says with its status whether one was wrong.
func work(url, dir, operations string) int {
	n, err := strconv.Atoi(operations)
	if err != nil {
		return 2
	}
	t, err := httpcache.Open(httpcache.Place{Memory: 1 << 20, Dir: dir, Capacity: bound}, httpcache.Options{})
	if err != nil {
		return 2
	}
	if status := read(t, url, n); status != 0 {
		return status
	}
	if t.Close() != nil {
		return 2
	}
	return 0
}

// read reads resources at random and returns the status for what was wrong.
func read(t *httpcache.Transport, url string, n int) int {
	for i := range n {
		if i == n/4 {
			fmt.Print(".")
		}
		which := rand.N(resources)
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+"/"+strconv.Itoa(which), nil)
		if err != nil {
			return 2
		}
		answer, err := t.RoundTrip(r)
		if err != nil {
			return 4
		}
		body, err := io.ReadAll(answer.Body)
		if answer.Body.Close() != nil || err != nil {
			return 4
		}
		if crc32.ChecksumIEEE(body) != crc32.ChecksumIEEE(bodyOf(which)) {
			return 3
		}
	}
	return 0
}

// numbered answers with the body of the number in the path.
func numbered(t *testing.T) *httptest.Server {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(bodyOf(n))
	}))
	t.Cleanup(origin.Close)
	return origin
}

// TestProcesses: many processes share a folder, and every other one is killed in the
// middle of it; nobody gets a wrong body, the bound is kept, and nobody waits for the dead.
func TestProcesses(t *testing.T) {
	t.Parallel()
	operations := "300"
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		operations = "10000"
	}
	dir := filepath.Join(t.TempDir(), "cache")
	origin := numbered(t)
	for range 3 {
		all, going := make([]*exec.Cmd, processes), make([]io.ReadCloser, processes)
		for i := range all {
			all[i] = exec.CommandContext(t.Context(), os.Args[0])
			all[i].Env = append(os.Environ(), "TEST_CACHE_URL="+origin.URL, "TEST_CACHE_DIR="+dir, "TEST_CACHE_OPERATIONS="+operations)
			var err error
			if going[i], err = all[i].StdoutPipe(); err == nil {
				err = all[i].Start()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, cmd := range all {
			var mark [1]byte
			if _, err := io.ReadFull(going[i], mark[:]); err != nil { // it is in the middle of its work
				t.Errorf("process %d did not get there: %v", i, err)
			}
			if i%2 == 0 {
				_ = cmd.Process.Kill()
				_ = cmd.Wait() // it was killed
			}
		}
		for i, cmd := range all {
			if i%2 == 0 {
				continue
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v (status 3 is a wrong body)", i, err)
			}
		}
	}
	size := int64(0)
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		about, err := d.Info()
		if err == nil && !strings.HasSuffix(d.Name(), "state") {
			size += about.Size()
		}
		return err
	})
	if err != nil || size > bound || size == 0 {
		t.Errorf("%d bytes in files, the bound is %d, error %v", size, bound, err)
	}
}
