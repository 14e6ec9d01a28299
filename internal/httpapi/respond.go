package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/coding"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/internal/media"
)

// body is an answer that is about to be written.
type body struct {
	contentType string
	// size is that of the body before coding, or -1.
	size int64
	// typeSize is that of its elements, for codings that use it.
	typeSize int64
	coding   coding.Coding
	encode   func(ctx context.Context, w io.Writer) error
}

// wholeBytes is up to which size a coded body is made whole before it is sent,
// for the sake of its Content-Length.
const wholeBytes = 1 << 20

// negotiateCoding chooses the coding before anything is read.
func (c *call) negotiateCoding(mediaType string, size int64) (coding.Coding, error) {
	return c.Coding.Negotiate(c.acceptEncoding(), mediaType, size, c.Class(c.r))
}

func (c *call) acceptEncoding() string {
	return strings.Join(c.r.Header.Values("Accept-Encoding"), ",")
}

// accepts tells whether the client takes the coding with that ETag suffix.
func (c *call) accepts(tag string) bool {
	if tag == "identity" {
		tag = ""
	}
	return c.Coding.Accepts(c.acceptEncoding(), tag)
}

// send writes the answer. Errors before the first byte leave the response
// untouched, so that the caller may start again.
func (c *call) send(v validator, b body) error {
	if c.onlyHeld {
		return errNotHeld
	}
	h := c.w.Header()
	c.headers(v, b.coding.Tag())
	h.Set("Content-Type", b.contentType)
	if name, ok := c.one("filename"); ok && name != "" {
		h.Set("Content-Disposition", `attachment; filename="`+safeName(name)+`"`)
	}
	if b.coding.Name() != "" {
		h.Set("Content-Encoding", b.coding.Name())
	} else if b.size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(b.size, 10))
	}
	if c.r.Method == http.MethodHead {
		c.start()
		return nil
	}
	out := &starter{call: c}
	if b.coding.Name() == "" {
		return c.write(out, b)
	}
	if b.size >= 0 && b.size <= wholeBytes {
		return c.sendWhole(out, b)
	}
	w := b.coding.NewWriter(out, int(b.typeSize))
	if err := c.write(w, b); err != nil {
		return err
	}
	return w.Close()
}

// write encodes b into w through a buffer, and starts the response even if the
// body is empty.
func (c *call) write(w io.Writer, b body) error {
	buffer := c.buffer(w)
	defer func() {
		buffer.Reset(nil) // keeps nothing alive, nor bytes that were not sent
		c.buffers.Put(buffer)
	}()
	if err := b.encode(c.ctx, buffer); err != nil {
		return err
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	if b.size == 0 || !c.started {
		_, err := w.Write(nil)
		return err
	}
	return nil
}

// buffer returns a buffered writer that goes back into the pool.
func (c *call) buffer(w io.Writer) *bufio.Writer {
	if b, ok := c.buffers.Get().(*bufio.Writer); ok {
		b.Reset(w)
		return b
	}
	return bufio.NewWriterSize(w, 64<<10)
}

// sendWhole codes a small body in memory and sends it with its length.
func (c *call) sendWhole(out *starter, b body) error {
	start := time.Now()
	var coded bytes.Buffer
	w := b.coding.NewWriter(&coded, int(b.typeSize))
	if err := b.encode(c.ctx, w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	c.seen.time("compress", start)
	c.w.Header().Set("Content-Length", strconv.Itoa(coded.Len()))
	_, err := out.Write(coded.Bytes())
	return err
}

// start sends the header.
func (c *call) start() {
	if !c.started {
		c.started = true
		c.w.Header().Set("Server-Timing", c.seen.serverTiming())
		c.w.WriteHeader(http.StatusOK)
	}
}

// A starter sends the header with the first byte.
type starter struct{ call *call }

func (s *starter) Write(p []byte) (int, error) {
	s.call.start()
	return s.call.w.Write(p)
}

// document sends a document as JSON or msgpack, with a validator made from
// version and parts; parts hold whatever shapes it beside its route and path.
//
// Its size is bounded like that of data, and a large one has its share of the
// flight budget while it is made and sent: metadata come from files too.
func (c *call) document(v validator, doc any) error {
	if c.onlyHeld {
		return errNotHeld
	}
	size := c.ResponseLimit
	if size -= weigh(doc, c.ResponseLimit); size > c.ResponseLimit {
		return invalid("Response would exceed %d bytes. Ask for fewer items at a time ('?page[limit]=...') or for parts of the metadata ('?select_metadata=...')", c.ResponseLimit)
	}
	if size > wholeBytes {
		held, err := c.reserveLong(c.ctx, 2*size)
		if err != nil {
			return err
		}
		defer held.Release()
	}
	mediaType := media.DocumentType(c.r.Header.Get("Accept"))
	start := time.Now()
	text, err := document.AppenderOf(mediaType)(nil, doc)
	if err != nil {
		return err
	}
	c.seen.time("pack", start)
	chosen, err := c.negotiateCoding(mediaType, int64(len(text)))
	if err != nil {
		return err
	}
	return c.send(v, body{
		contentType: mediaType, size: int64(len(text)), typeSize: 1, coding: chosen,
		encode: func(_ context.Context, w io.Writer) error {
			_, err := w.Write(text)
			return err
		},
	})
}

// freshDocument answers 304 if the client holds this document; the coding that
// it names is only a guess, since documents are coded by their size.
func (c *call) freshDocument(v validator) error {
	return c.notModified(v, "", c.accepts)
}

// twice runs attempt, and once more if the source changed under it before
// anything was sent (architecture, law 4).
func (c *call) twice(attempt func() error) error {
	err := attempt()
	if errors.Is(err, errdef.ErrChanged) && !c.started {
		c.ctx = c.atOnce(c.r.Context())
		err = attempt()
	}
	return err
}

// safeName keeps what may stand in a quoted file name (RFC 6266, and Tiled's
// client, which takes nothing after the closing quote).
func safeName(name string) string {
	if len(name) > 255 {
		name = name[:255]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, name)
}
