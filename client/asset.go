// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Export asks the server for all of a node in a media type, or by a short name such as
// "csv" or "h5", and writes it to w. A slice, as numpy writes it without brackets, is
// for arrays, columns (members, of a container) for the others; both may be left out.
// What was written to w stays there if the body breaks off, and is written no second
// time: such an error is final. Errors: errdef.ErrNotAcceptable for a type that the
// server does not have.
func (n *Node) Export(ctx context.Context, w io.Writer, format, slice string, columns ...string) error {
	params := url.Values{"format": {format}}
	route := string(n.Family) + "/full"
	switch n.Family {
	case structure.FamilyArray, structure.FamilySparse:
		route = "array/full"
		if slice = strings.ReplaceAll(slice, " ", ""); slice != "" {
			params.Set("slice", slice)
		}
	case structure.FamilyTable:
		params["column"] = columns
	case structure.FamilyContainer:
		params["field"] = columns
	case structure.FamilyBytes:
		return fmt.Errorf("%s: has files only; download its assets: %w", n, errdef.ErrNotAcceptable)
	default:
	}
	if len(columns) == 0 {
		delete(params, "column")
		delete(params, "field")
	}
	written := &counting{w: w}
	return n.client.do(ctx, query{
		url: n.client.at(route, n.Path), params: params, accept: "*/*", limit: maxRead,
		take: func(_ http.Header, _ int, r io.Reader) error {
			if written.n > 0 {
				return fmt.Errorf("%s: the answer broke off after %d bytes: %w", n, written.n, errdef.ErrUnavailable)
			}
			_, err := io.Copy(written, r)
			if written.err != nil {
				return written.err
			}
			return err
		},
	})
}

// counting counts what was written and remembers what went wrong.
type counting struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
	return n, err
}

// Manifest lists the files of an asset that is a folder: paths relative to it.
func (n *Node) Manifest(ctx context.Context, asset int64) ([]string, error) {
	params := url.Values{"id": {strconv.FormatInt(asset, 10)}}
	doc, err := n.client.document(ctx, n.client.at("asset/manifest", n.Path), params)
	if err != nil {
		return nil, fmt.Errorf("%s: asset %d: %w", n, asset, err)
	}
	names := texts(object(doc)["manifest"])
	for _, name := range names {
		if name == "" || path.IsAbs(name) || path.Clean("/"+name) != "/"+name || strings.ContainsAny(name, "\\\x00") {
			return nil, unprocessable("%s: asset %d: the manifest names %q, which is no path within a folder", n, asset, name)
		}
	}
	return names, nil
}

// Fetch writes an asset's bytes from offset on to w: the whole file, or the file of
// that name within an asset that is a folder. A transfer that breaks off goes on where
// it broke. It returns how many bytes were written, also with an error. An asset that
// changed meanwhile is errdef.ErrChanged.
func (n *Node) Fetch(ctx context.Context, w io.Writer, asset int64, relative string, offset int64) (int64, error) {
	got, err := n.Transfer(ctx, w, Transfer{Asset: asset, Relative: relative, From: offset})
	return got.Written, err
}

// Transfer says which file is wanted, and what of it is here already.
type Transfer struct {
	// Asset and Relative name the file, as for [Node.Fetch].
	Asset    int64
	Relative string
	// Held is the entity tag of the whole file that is held already, or "".
	Held string
	// From is how many bytes at the beginning are here, and Tag the entity tag that they
	// came with, "" if it is not known.
	From int64
	Tag  string
}

// Transferred is what became of a [Transfer].
type Transferred struct {
	// Same: the file that is held is still what it would be; nothing was written.
	Same bool
	// Written is how many bytes were written, also with an error.
	Written int64
	// ETag is that of the file, "" if it has none, also with an error if the file was begun.
	ETag, ContentType string
}

// Transfer is [Node.Fetch] for those who keep files between two runs: a file that is the
// same is not sent, one that was begun is gone on with. A file that is another than that
// of Tag is errdef.ErrChanged before anything is written: begin anew.
func (n *Node) Transfer(ctx context.Context, w io.Writer, t Transfer) (Transferred, error) {
	f := &fetching{w: &counting{w: w}, from: t.From, tag: t.Tag, held: t.Held}
	params := url.Values{"id": {strconv.FormatInt(t.Asset, 10)}}
	if t.Relative != "" {
		params.Set("relative_path", t.Relative)
	}
	address := n.client.at("asset/bytes", n.Path) + "?" + params.Encode()
	err := n.client.retry.run(ctx, func() error {
		q := query{url: address, accept: "*/*", limit: maxRead, identity: true, header: f.header(), take: f.take}
		err := n.client.authorized(ctx, &q)
		var e *Error
		if errors.As(err, &e) && e.Status == http.StatusRequestedRangeNotSatisfiable && f.at() > 0 {
			return nil // all of it is here already
		}
		return err
	})
	out := Transferred{Same: f.same, Written: f.w.n, ETag: f.tag, ContentType: f.contentType}
	if err != nil {
		return out, fmt.Errorf("%s: asset %d: %w", n, t.Asset, err)
	}
	return out, nil
}

// fetching is a transfer that can be gone on with.
type fetching struct {
	w                      *counting
	from                   int64
	tag, held, contentType string
	same                   bool
}

func (f *fetching) at() int64 { return f.from + f.w.n }

func (f *fetching) header() http.Header {
	h := http.Header{}
	switch {
	case f.at() > 0:
		h.Set("Range", "bytes="+strconv.FormatInt(f.at(), 10)+"-")
		if f.tag != "" && !strings.HasPrefix(f.tag, "W/") {
			h.Set("If-Range", f.tag)
		}
	case f.held != "":
		h.Set("If-None-Match", f.held)
		h.Set("Cache-Control", "no-cache")
	}
	return h
}

func (f *fetching) take(h http.Header, status int, r io.Reader) error {
	if f.same = status == http.StatusNotModified; f.same {
		f.tag = f.held
		return nil
	}
	// A partial answer that says no tag was asked for with If-Range.
	if tag := h.Get("ETag"); f.tag != "" && f.at() > 0 && f.tag != tag && (tag != "" || status != http.StatusPartialContent) {
		return fmt.Errorf("the file is another than before: %w", errdef.ErrChanged)
	}
	if f.at() > 0 && status == http.StatusPartialContent && !strings.HasPrefix(h.Get("Content-Range"), "bytes "+strconv.FormatInt(f.at(), 10)+"-") {
		return unprocessable("the server sent the range %.60q, asked for from byte %d on", h.Get("Content-Range"), f.at())
	}
	if f.at() > 0 && status != http.StatusPartialContent {
		if _, err := io.CopyN(io.Discard, r, f.at()); err != nil {
			return err
		}
	}
	if tag := h.Get("ETag"); tag != "" || f.at() == 0 {
		f.tag = tag
	}
	f.contentType = h.Get("Content-Type")
	_, err := io.Copy(f.w, r)
	if f.w.err != nil {
		return f.w.err
	}
	return err
}

// MarshalJSON writes the node's document as the server gave it, in JSON's terms.
func (n *Node) MarshalJSON() ([]byte, error) { return json.Marshal(jsonable(n.Document)) }
