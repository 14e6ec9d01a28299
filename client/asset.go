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
	f := &fetching{w: &counting{w: w}, from: offset}
	params := url.Values{"id": {strconv.FormatInt(asset, 10)}}
	if relative != "" {
		params.Set("relative_path", relative)
	}
	address := n.client.at("asset/bytes", n.Path) + "?" + params.Encode()
	err := n.client.retry.run(ctx, func() error {
		q := query{url: address, accept: "*/*", limit: maxRead, identity: true, header: f.header(), take: f.take}
		err := n.client.once(ctx, &q, false)
		var e *Error
		if errors.As(err, &e) && e.Status == http.StatusRequestedRangeNotSatisfiable && f.at() > 0 {
			return nil // all of it is here already
		}
		return err
	})
	if err != nil {
		return f.w.n, fmt.Errorf("%s: asset %d: %w", n, asset, err)
	}
	return f.w.n, nil
}

// fetching is a transfer that can be gone on with.
type fetching struct {
	w    *counting
	from int64
	tag  string
}

func (f *fetching) at() int64 { return f.from + f.w.n }

func (f *fetching) header() http.Header {
	h := http.Header{}
	if f.at() > 0 {
		h.Set("Range", "bytes="+strconv.FormatInt(f.at(), 10)+"-")
		if f.tag != "" && !strings.HasPrefix(f.tag, "W/") {
			h.Set("If-Range", f.tag)
		}
	}
	return h
}

func (f *fetching) take(h http.Header, status int, r io.Reader) error {
	if f.at() > 0 && status != http.StatusPartialContent {
		if f.tag != "" && f.tag != h.Get("ETag") {
			return fmt.Errorf("the file is another than before: %w", errdef.ErrChanged)
		}
		if _, err := io.CopyN(io.Discard, r, f.at()); err != nil {
			return err
		}
	}
	f.tag = h.Get("ETag")
	_, err := io.Copy(f.w, r)
	if f.w.err != nil {
		return f.w.err
	}
	return err
}

// MarshalJSON writes the node's document as the server gave it, in JSON's terms.
func (n *Node) MarshalJSON() ([]byte, error) { return json.Marshal(jsonable(n.Document)) }
