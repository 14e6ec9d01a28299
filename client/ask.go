// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
)

// Question is a request for a body as it is, for those who keep bodies.
type Question struct {
	// Route is the part of the protocol's path before the node's, such as "array/full".
	Route  string
	Params url.Values
	Accept string
	// Held is the entity tag of the body that is held already, or "".
	Held string
	// Limit bounds the body in bytes; 0 is the client's limit.
	Limit int64
}

// Reply is the answer to a [Question].
type Reply struct {
	// Same: the body that is held is still what it would be; Body is nil.
	Same bool
	Body []byte
	// ContentType and ETag are the fields of those names.
	ContentType, ETag string
}

// Ask asks for a body that belongs to the node.
func (n *Node) Ask(ctx context.Context, question Question) (Reply, error) {
	var reply Reply
	q := query{url: n.client.at(question.Route, n.Path), params: question.Params, accept: question.Accept, limit: question.Limit}
	if question.Held != "" {
		q.header = http.Header{"If-None-Match": {question.Held}, "Cache-Control": {"no-cache"}}
	}
	q.take = func(h http.Header, status int, r io.Reader) (err error) {
		reply = Reply{Same: status == http.StatusNotModified, ContentType: h.Get("Content-Type"), ETag: h.Get("ETag")}
		if !reply.Same {
			reply.Body, err = io.ReadAll(r)
		}
		return err
	}
	err := n.client.do(ctx, q)
	return reply, err
}

// ParseNode makes a node of the document in which [Client.Open] gets it, kept from
// before. What would need the server is [ErrNotAvailableOffline]. A document that cannot
// be read is errdef.ErrUnprocessable.
func ParseNode(path []string, contentType string, document []byte) (*Node, error) {
	if len(document) > maxDocument {
		return nil, fmt.Errorf("document of %d bytes: %w", len(document), errdef.ErrTooLarge)
	}
	doc, err := parseDocument(contentType, document)
	if err != nil {
		return nil, err
	}
	c := &Client{
		api: "http://offline.invalid/api/v1", http: &http.Client{Transport: nowhere{}}, retry: Retry{Attempts: 1}.withDefaults(),
		parallel: 1, limit: DefaultLimit, window: DefaultWindow,
	}
	return c.node(path, object(doc))
}

// nowhere sends nothing.
type nowhere struct{}

func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s: %w", r.URL.Path, httpcache.ErrNotAvailableOffline)
}
