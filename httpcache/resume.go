// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// maxResumes bounds how often one body is gone on with.
const maxResumes = 8

// resuming is a body that goes on where its connection broke: by a range of the same
// representation (RFC 9110 §13.1.5), so that of a big file only the rest is sent again.
// Nothing is waited for: a server that is gone is the reader's error at once.
type resuming struct {
	body    io.ReadCloser
	t       *Transport
	r       *http.Request
	head    http.Header
	off     int64
	length  int64
	resumes int
	// since is how much came since the last break.
	since int64
}

// resumable wraps the body of an answer that says how long it is, which one it is, and
// that parts of it can be had.
func (t *Transport) resumable(r *http.Request, answer *http.Response) {
	tag := answer.Header.Get("ETag")
	if answer.StatusCode != http.StatusOK || answer.ContentLength <= 0 || tag == "" || strings.HasPrefix(tag, "W/") ||
		!slices.Contains(answer.Header["Accept-Ranges"], "bytes") || r.Method != http.MethodGet || len(r.Header["Range"]) > 0 {
		return
	}
	answer.Body = &resuming{body: answer.Body, t: t, r: r, head: answer.Header, length: answer.ContentLength}
}

// Read implements [io.Reader].
func (b *resuming) Read(p []byte) (int, error) {
	for {
		n, err := b.body.Read(p)
		b.off += int64(n)
		b.since += int64(n)
		if err == nil || err == io.EOF && b.off >= b.length || b.r.Context().Err() != nil {
			return n, err
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if b.off >= b.length || b.since == 0 || b.resumes == maxResumes || !b.again() {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// Close implements [io.Closer].
func (b *resuming) Close() error { return b.body.Close() }

// again asks for the rest, and says whether it comes.
func (b *resuming) again() bool {
	b.resumes++
	b.since = 0
	r := b.r.Clone(b.r.Context())
	rfc9111.Unconditional(r.Header)
	r.Header["Range"] = []string{"bytes=" + strconv.FormatInt(b.off, 10) + "-"}
	r.Header["If-Range"] = b.head["Etag"][:1]
	b.t.counts.requests.Add(1)
	answer, err := b.t.o.Next.RoundTrip(r)
	if err != nil {
		return false
	}
	want := fmt.Sprintf("bytes %d-%d/%d", b.off, b.length-1, b.length)
	if answer.StatusCode != http.StatusPartialContent || answer.Header.Get("Content-Range") != want ||
		answer.Header.Get("Content-Encoding") != b.head.Get("Content-Encoding") ||
		answer.Header.Get("ETag") != "" && answer.Header.Get("ETag") != b.head.Get("ETag") {
		_ = answer.Body.Close() // of another representation, or of something else
		return false
	}
	_ = b.body.Close() // it broke
	b.body = answer.Body
	b.t.counts.resumed.Add(1)
	return true
}
