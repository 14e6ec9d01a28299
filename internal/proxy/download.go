// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// What Tiled's Python client 0.2.20 sends, with all its extras. The forms are the ones
// that it can be served offline.
const (
	clientEncodings = "gzip, deflate, zstd, blosc2"
	msgpack         = "application/x-msgpack"
	// wholeBelow is the size up to which the client reads an array in one request.
	wholeBelow = 100 << 20
)

// DownloadOptions are those of `terrazzo download`.
type DownloadOptions struct {
	// URLs are nodes as seen through a proxy that runs: http://host/api/v1/metadata/a/b, or
	// the root http://host/. What lies below them is fetched too.
	URLs []string
	// Authorization is sent with every request, "Apikey …" or "Bearer …"; "" is nothing.
	Authorization string
	// AcceptEncoding is what the client that will read offline sends. Default: that of the
	// Python client with zstandard and blosc2 installed.
	AcceptEncoding string
	// Parallel is how many requests run at once (default 4).
	Parallel int
	// Progress is called after each request, by one goroutine at a time; nil is not at all.
	Progress func(Progress)
	// Client sends the requests; nil is [http.DefaultClient].
	Client *http.Client
}

// Progress is how far a download has come.
type Progress struct {
	// Nodes and Requests are done; Held of the requests were in the cache already; Failed
	// got no good answer. Bytes is the size of all bodies.
	Nodes, Requests, Held, Failed, Bytes int64
	// URL is the one just fetched, without credentials.
	URL string
}

// Download walks nodes through a proxy and asks for what a client will ask for: metadata,
// listings, and the data in whole and in blocks. It may be broken off and begun again: what
// is held is not fetched twice. A request that fails does not end it; the first few errors
// are returned together at the end.
func Download(ctx context.Context, o DownloadOptions) (Progress, error) {
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	o.AcceptEncoding = orElse(o.AcceptEncoding, clientEncodings)
	d := &download{o: o, slots: make(chan struct{}, o.Parallel)}
	for _, text := range o.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return d.done, fmt.Errorf("download %q: want the URL of a node behind a proxy: %w", text, errdef.ErrInvalid)
		}
		base := u.Scheme + "://" + u.Host + api
		rest := strings.TrimPrefix(strings.TrimPrefix(u.EscapedPath(), "/"), strings.TrimPrefix(api, "/"))
		d.get(ctx, base, msgpack)
		d.node(ctx, base, nodePath(strings.TrimPrefix(rest, "metadata/")))
	}
	d.wait.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done, errors.Join(d.failed...)
}

// download is one run of [Download].
type download struct {
	o     DownloadOptions
	slots chan struct{}
	wait  sync.WaitGroup

	mu     sync.Mutex // guards following
	done   Progress
	failed []error
}

// Bounds of one run: a tree deeper or a page larger is not this protocol.
const (
	maxDepth  = 64
	maxErrors = 10
	maxPage   = 256 << 20
)

// get fetches a URL for the cache's sake and returns the body where it is JSON.
func (d *download) get(ctx context.Context, target, accept string) []byte {
	d.slots <- struct{}{}
	defer func() { <-d.slots }()
	return d.count(ctx, target, accept)
}

// later is get for a body that nobody looks at, beside others.
func (d *download) later(ctx context.Context, target, accept string) {
	d.slots <- struct{}{}
	d.wait.Go(func() {
		defer func() { <-d.slots }()
		d.count(ctx, target, accept)
	})
}

// count fetches and counts.
func (d *download) count(ctx context.Context, target, accept string) []byte {
	body, held, n, err := d.fetch(ctx, target, accept)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done.Requests++
	d.done.Bytes += n
	d.done.URL = target
	if held {
		d.done.Held++
	}
	if err != nil {
		d.done.Failed++
		if len(d.failed) < maxErrors {
			d.failed = append(d.failed, fmt.Errorf("download %s: %w", target, err))
		}
	}
	if d.o.Progress != nil {
		d.o.Progress(d.done)
	}
	return body
}

func (d *download) fetch(ctx context.Context, target, accept string) (body []byte, held bool, n int64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, false, 0, err
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("Accept-Encoding", d.o.AcceptEncoding)
	r.Header.Set("User-Agent", "terrazzo-download")
	if accept == "application/json" {
		r.Header.Set("Accept-Encoding", "identity")
	}
	if d.o.Authorization != "" {
		r.Header.Set("Authorization", d.o.Authorization)
	}
	answer, err := d.o.Client.Do(r)
	if err != nil {
		return nil, false, 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	status := answer.Header.Get("Cache-Status")
	held = strings.Contains(status, "hit") || strings.Contains(status, "fwd-status=304")
	if answer.StatusCode != http.StatusOK {
		return nil, held, 0, fmt.Errorf("%s", answer.Status)
	}
	if accept != "application/json" {
		n, err = io.Copy(io.Discard, answer.Body)
		return nil, held, n, err
	}
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxPage))
	return body, held, int64(len(body)), err
}

// json fetches a page and reads it into v; false if there is none.
func (d *download) json(ctx context.Context, target string, v any) bool {
	body := d.get(ctx, target, "application/json")
	return len(body) > 0 && json.Unmarshal(body, v) == nil
}

// entry is a node as pages show it.
type entry struct {
	ID         string `json:"id"`
	Attributes struct {
		Family    string          `json:"structure_family"`
		Structure json.RawMessage `json:"structure"`
	} `json:"attributes"`
}

// node fetches all of one node, and of those below it.
func (d *download) node(ctx context.Context, base, path string) {
	if ctx.Err() != nil || strings.Count(path, "/") > maxDepth {
		return
	}
	var page struct {
		Data entry `json:"data"`
	}
	at := base + "metadata/" + escapePath(path)
	d.get(ctx, at, msgpack)
	if !d.json(ctx, at, &page) {
		return
	}
	d.mu.Lock()
	d.done.Nodes++
	d.mu.Unlock()
	switch page.Data.Attributes.Family {
	case "container":
		d.container(ctx, base, path)
	case "array":
		d.array(ctx, base, path, page.Data.Attributes.Structure)
	case "table":
		d.table(ctx, base, path, page.Data.Attributes.Structure)
	}
}

// container fetches the listings of a container, and the nodes in it.
func (d *download) container(ctx context.Context, base, path string) {
	search := base + "search/" + escapePath(path)
	d.get(ctx, search+"?fields=count", msgpack)
	d.get(ctx, search+"?fields=", msgpack)
	for next := search + "?fields="; next != ""; {
		var page struct {
			Data  []entry `json:"data"`
			Links struct {
				Next string `json:"next"`
			} `json:"links"`
		}
		if !d.json(ctx, next, &page) {
			return
		}
		for _, e := range page.Data {
			d.node(ctx, base, strings.TrimPrefix(path+"/"+e.ID, "/"))
		}
		// A link that leads elsewhere does not get the credentials.
		if next = page.Links.Next; !strings.HasPrefix(next, base) {
			return
		}
		d.get(ctx, next, msgpack)
	}
}

// array fetches an array as a whole, if the client would, and block by block.
func (d *download) array(ctx context.Context, base, path string, raw json.RawMessage) {
	var s struct {
		DataType struct {
			ItemSize int64 `json:"itemsize"`
		} `json:"data_type"`
		Chunks [][]int64 `json:"chunks"`
		Shape  []int64   `json:"shape"`
	}
	if json.Unmarshal(raw, &s) != nil || len(s.Chunks) != len(s.Shape) || len(s.Shape) > 32 {
		return
	}
	size := max(1, s.DataType.ItemSize)
	for _, n := range s.Shape {
		if n <= 0 || size > wholeBelow*1024/n {
			size = 0
			break
		}
		size *= n
	}
	if size > 0 && size < wholeBelow {
		d.get(ctx, base+"array/full/"+escapePath(path)+"?expected_shape="+shapeText(s.Shape), octets)
	}
	for _, block := range blocks(s.Chunks) {
		shape := make([]int64, len(block))
		for axis, i := range block {
			shape[axis] = s.Chunks[axis][i]
		}
		target := base + "array/block/" + escapePath(path) + "?block=" + shapeText(block) + "&expected_shape=" + shapeText(shape)
		d.later(ctx, target, octets)
		if ctx.Err() != nil {
			return
		}
	}
}

const octets = "application/octet-stream"

// maxBlocks bounds the blocks of one array that are fetched.
const maxBlocks = 1_000_000

// blocks lists the indexes of all blocks, the last axis fastest; none of a scalar, which
// has none that the client would ask for.
func blocks(chunks [][]int64) [][]int64 {
	total := 1
	if len(chunks) == 0 {
		return nil
	}
	for _, axis := range chunks {
		if len(axis) == 0 || total > maxBlocks/len(axis) {
			return nil
		}
		total *= len(axis)
	}
	out := make([][]int64, total)
	for n := range out {
		index, rest := make([]int64, len(chunks)), n
		for axis := len(chunks) - 1; axis >= 0; axis-- {
			index[axis] = int64(rest % len(chunks[axis]))
			rest /= len(chunks[axis])
		}
		out[n] = index
	}
	return out
}

// shapeText writes numbers as the client does in a query.
func shapeText(numbers []int64) string {
	if len(numbers) == 0 {
		return "scalar"
	}
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, "%2C")
}

// table fetches the partitions of a table.
func (d *download) table(ctx context.Context, base, path string, raw json.RawMessage) {
	var s struct {
		Partitions int `json:"npartitions"`
	}
	if json.Unmarshal(raw, &s) != nil {
		return
	}
	for i := range min(s.Partitions, maxBlocks) {
		target := base + "table/partition/" + escapePath(path) + "?partition=" + strconv.Itoa(i)
		d.later(ctx, target, "application/vnd.apache.arrow.file")
	}
}

func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}
