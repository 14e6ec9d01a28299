package httpcache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/terrazzo-data/terrazzo/httpcache"
)

// freshForAMinute is a server whose answers are fresh for a minute.
func freshForAMinute() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "data")
	}))
}

func ask(c *http.Client, url string) {
	resp, err := c.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body), err)
}

func ExampleOpen() {
	server := freshForAMinute()
	defer server.Close()
	cache, err := httpcache.Open(httpcache.Place{Memory: 64 << 20}, httpcache.Options{}) // with Dir, on disk as well
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	c := &http.Client{Transport: cache}
	ask(c, server.URL)
	ask(c, server.URL) // without a word to the server
	stats := cache.Stats()
	fmt.Println(stats.Misses, "from the server,", stats.Hits, "held")
	// Output:
	// 200 data <nil>
	// 200 data <nil>
	// 1 from the server, 1 held
}

func ExampleOptions() {
	server := freshForAMinute()
	defer server.Close()
	var plane atomic.Bool
	cache, err := httpcache.Open(httpcache.Place{}, httpcache.Options{Offline: plane.Load, Principal: "alice"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	c := &http.Client{Transport: cache}
	ask(c, server.URL)
	plane.Store(true)
	ask(c, server.URL)
	_, err = c.Get(server.URL + "/other") //nolint:bodyclose // there is none
	fmt.Println(err != nil)
	// Output:
	// 200 data <nil>
	// 200 data <nil>
	// true
}

func ExampleTransport_Inspect() {
	server := freshForAMinute()
	defer server.Close()
	cache, err := httpcache.Open(httpcache.Place{}, httpcache.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	ask(&http.Client{Transport: cache}, server.URL)
	r, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, entry := range cache.Inspect(r) {
		fmt.Println(entry.Size, entry.Fresh.After(entry.Received))
	}
	// Output:
	// 200 data <nil>
	// 4 true
}
