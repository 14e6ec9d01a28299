// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// node is what the guard knows of a node of a Tiled tree.
type node struct {
	// tag is a digest of structure and data sources.
	tag string
	// finished: a Bluesky run with a stop document.
	finished bool
	// resizable: more may be appended; chunks is how many chunks each dimension has.
	resizable bool
	chunks    []int
}

var (
	// errUnreachable says that the origin gave no answer, or a server error.
	errUnreachable = errors.New("origin does not answer")
	// errRefused says that the origin does not show the node to this asker.
	errRefused = errors.New("origin refuses")
)

// Bounds of one question about a node.
const (
	maxNodeBytes = 16 << 20
	nodeTimeout  = 30 * time.Second
)

// asker asks the origin about nodes with an asker's own credentials.
type asker struct {
	transport http.RoundTripper
	origin    *url.URL
	base      func(*http.Request) string
}

// aboutNode is the query of the question: cheap for Tiled, as no data are read.
const aboutNode = "fields=structure&fields=specs&fields=metadata&select_metadata=%7Bstop:stop%7D&include_data_sources=true"

// node asks for what is known of the node at path, as r's sender.
func (a *asker) node(ctx context.Context, r *http.Request, path string) (node, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	u := *a.origin
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/") + api + "metadata/" + strings.Join(segments, "/")
	u.Path = strings.TrimRight(a.origin.Path, "/") + api + "metadata/" + path
	u.RawQuery = aboutNode
	if key := r.URL.Query().Get("api_key"); key != "" {
		u.RawQuery += "&api_key=" + url.QueryEscape(key)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return node{}, fmt.Errorf("proxy: metadata: %w: %w", errdef.ErrInvalid, err)
	}
	for _, name := range []string{"Authorization", "Cookie", "User-Agent", "X-Csrf"} {
		if lines, ok := r.Header[name]; ok {
			q.Header[name] = lines
		}
	}
	q.Header.Set("Accept", "application/json")
	q.Header.Set("Accept-Encoding", "identity")
	q.Header.Add("Via", via)
	if outside, err := url.Parse(a.base(r)); err == nil {
		q.Host = outside.Host
		q.Header.Set("X-Forwarded-Host", outside.Host)
		q.Header.Set("X-Forwarded-Proto", outside.Scheme)
	}
	return a.do(q)
}

func (a *asker) do(q *http.Request) (node, error) {
	answer, err := a.transport.RoundTrip(q)
	if err != nil {
		return node{}, fmt.Errorf("proxy: metadata: %w: %w", errUnreachable, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	switch {
	case answer.StatusCode >= http.StatusInternalServerError:
		return node{}, fmt.Errorf("proxy: metadata: %s: %w", answer.Status, errUnreachable)
	case answer.StatusCode != http.StatusOK:
		return node{}, fmt.Errorf("proxy: metadata: %s: %w", answer.Status, errRefused)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxNodeBytes+1))
	if err != nil {
		return node{}, fmt.Errorf("proxy: metadata: %w: %w", errUnreachable, err)
	}
	if len(body) > maxNodeBytes {
		return node{}, fmt.Errorf("proxy: metadata of more than %d bytes: %w", maxNodeBytes, errdef.ErrTooLarge)
	}
	return parseNode(body)
}

// nodeBody is the part of Tiled's answer that counts.
type nodeBody struct {
	Data struct {
		Attributes struct {
			Specs []struct {
				Name string `json:"name"`
			} `json:"specs"`
			Metadata    json.RawMessage `json:"metadata"`
			Structure   json.RawMessage `json:"structure"`
			DataSources json.RawMessage `json:"data_sources"`
		} `json:"attributes"`
	} `json:"data"`
}

// parseNode reads what the origin said. A body of another shape is
// errdef.ErrUnprocessable; whatever is missing makes the node less cacheable, not more.
func parseNode(body []byte) (node, error) {
	var b nodeBody
	if err := json.Unmarshal(body, &b); err != nil {
		return node{}, fmt.Errorf("proxy: metadata: %w: %w", errdef.ErrUnprocessable, err)
	}
	at := b.Data.Attributes
	sum := sha256.Sum256([]byte(string(at.Structure) + "\x00" + string(at.DataSources)))
	n := node{tag: hex.EncodeToString(sum[:12])}
	for _, spec := range at.Specs {
		n.finished = n.finished || spec.Name == "BlueskyRun" && hasStop(at.Metadata)
	}
	var structure struct {
		Resizable json.RawMessage `json:"resizable"`
		Chunks    [][]int         `json:"chunks"`
	}
	if len(at.Structure) > 0 && json.Unmarshal(at.Structure, &structure) == nil {
		n.resizable = len(structure.Resizable) > 0 && strings.Contains(string(structure.Resizable), "true")
		for _, sizes := range structure.Chunks {
			n.chunks = append(n.chunks, len(sizes))
		}
	}
	return n, nil
}

// hasStop tells whether metadata, selected or whole, has a stop document.
func hasStop(metadata json.RawMessage) bool {
	var m struct {
		Stop     json.RawMessage `json:"stop"`
		Selected struct {
			Stop json.RawMessage `json:"stop"`
		} `json:"selected"`
	}
	if json.Unmarshal(metadata, &m) != nil {
		return false
	}
	return document(m.Stop) || document(m.Selected.Stop)
}

// document tells whether a value is an object that is not empty.
func document(v json.RawMessage) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(v, &fields) == nil && len(fields) > 0
}

// growing tells whether r reads the edge at which an array may grow: its last block in
// some dimension, or the whole.
func (n node) growing(r *http.Request) bool {
	if !n.resizable {
		return false
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !values.Has("block") {
		return true
	}
	parts := strings.Split(values.Get("block"), ",")
	if len(parts) != len(n.chunks) {
		return true
	}
	for i, part := range parts {
		at, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || at >= n.chunks[i]-1 {
			return true
		}
	}
	return false
}
